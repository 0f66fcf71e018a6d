/**
 * Rows written into a table by number: what gathering (`embedding`) took out, put back.
 *
 *   next[slots[i], :] = values[i, :]          all other rows as in the table
 *
 * With a single row of values every slot gets it. A slot that is no row is padding: nothing goes
 * there. The slots of a run are different from one
 * another; of equal ones any may win (whoever makes them checks, as `openServing` does). Slots are
 * whole numbers stored as floats, exact to 2^24.
 *
 * Tolerance: a copy.
 */
import { expectAxis, expectRank } from "../tensor/shape.ts";
import { constant, denormal, fill, normal } from "./_helpers/cases.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { defineOp, type OpCase } from "./op.ts";

/** `put_rows` takes no parameters. */
export type PutRowsParams = Record<string, never>;

const drawn = (
  name: string,
  rows: number,
  width: number,
  slots: readonly number[],
  given = slots.length,
): OpCase<PutRowsParams, "table" | "slots" | "values", never> => ({
  name,
  params: {},
  inputs: (random) => ({
    table: normal(random, [rows, width]),
    slots: fill([slots.length], (i) => slots[i]!),
    values: normal(random, [given, width]),
  }),
});

/** Every second row, from the last on. */
const everySecond = (rows: number) =>
  Array.from({ length: Math.ceil(rows / 2) }, (_, i) => rows - 1 - 2 * i);

/**
 * Rows written into a table; equation at the head of this file.
 *
 *   table                       [row, feature]
 *   slots    rows to write      [batch]
 *   values                      [batch, feature], or [1, feature] for all of them
 *   next     goes on from table [row, feature]
 */
export const putRows = defineOp<PutRowsParams, "table" | "slots" | "values", never, "next">({
  name: "put_rows",
  inputs: ["table", "slots", "values"],
  optional: [],
  outputs: ["next"],
  resident: { next: "table" },
  outputShapes({ table, slots, values }) {
    expectRank("table", 2, table);
    expectRank("slots", 1, slots);
    expectRank("values", 2, values);
    if (values[0] !== 1) expectAxis("values.batch", slots[0]!, values[0]);
    expectAxis("values.feature", table[1]!, values[1]);
    return { next: table };
  },
  cpu({ slots, values }, { next }, { table, values: [given] }) {
    const [rows, width] = table as [number, number];
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      if (!(slot >= 0 && slot < rows)) continue;
      const row = given === 1 ? 0 : i * width;
      for (let j = 0; j < width; j++) next[slot * width + j] = values[row + j]!;
    }
  },
  launch({ table, slots, values }, _params, limits) {
    const [rows, feature] = table as [number, number];
    const count = slots[0]! * feature;
    return {
      scratch: {},
      passes: [{
        entry: "put",
        constants: { GROUP: POINTWISE_GROUP },
        dims: { count, feature, rows, given: values[0]! },
        bindings: ["slots", "values", "next"],
        workgroups: spreadGroups(groupsFor(count, POINTWISE_GROUP), limits),
      }],
    };
  },
  work: ({ table, slots }) => slots[0]! * table[1]!,
  sized(work) {
    const rows = Math.max(1, Math.round(work / 8));
    return drawn(`${work} elements`, 2 * rows, 16, everySecond(2 * rows).slice(0, rows / 2 + 1));
  },
  cases: [
    { ...drawn("every second row", 9, 7, everySecond(9)), quick: true },
    drawn("padding and slots past the last", 4, 5, [-1, 2, 4, 0, -3]),
    drawn("one row of one", 1, 1, [0]),
    drawn("one row for every slot", 9, 7, [8, 3, -1, 0], 1),
    drawn("several blocks", 40, POINTWISE_GROUP + 1, everySecond(40)),
    {
      name: "denormals",
      params: {},
      inputs: (random) => ({
        table: constant([3, 4], 1),
        slots: constant([1], 1),
        values: denormal(random, [1, 4]),
      }),
    },
  ],
  tolerance: 1e-7,
});
