/** Sums over rows: how the gradients of weights that many rows share are collected on a GPU. */
import type { LaunchPlan, Pass } from "../op.ts";
import { groupsFor, POINTWISE_GROUP } from "./plan.ts";

/** Rows that one invocation adds; more of them are split into parts, added in a second pass. */
const ROWS_PER_PART_MIN = 64;
const PARTS_MAX = 256;
/** Workgroups along one axis that every device takes; more columns go on along another axis. */
const GROUPS_PER_AXIS_MAX = 65_535;

/** What {@linkcode columnSums} adds. */
export interface ColumnSums {
  /** Name of the tensor that receives the sums.                                  [columns] */
  readonly target: string;
  /** Name of the tensor whose rows are added.                               [rows, stride] */
  readonly left: string;
  /** A second tensor of the same form, multiplied elementwise. */
  readonly right?: string;
  readonly rows: number;
  readonly columns: number;
  /** Distance of rows in `left` and `right`; default `columns`. */
  readonly stride?: number;
  /** First column that is added; default 0. */
  readonly offset?: number;
}

/**
 * Passes that compute target[c] = Σ_r left[r, offset + c]·right[r, offset + c], without atomics and
 * in a fixed order: partial sums of runs of rows, then the sum of those.
 */
export function columnSums(sums: ColumnSums): Pick<LaunchPlan, "scratch" | "passes"> {
  const { target, left, right, rows, columns, stride = columns, offset = 0 } = sums;
  const rowsPerPart = Math.max(ROWS_PER_PART_MIN, Math.ceil(rows / PARTS_MAX));
  const parts = Math.max(1, Math.ceil(rows / rowsPerPart));
  const groups = groupsFor(columns, POINTWISE_GROUP);
  const layers = Math.max(1, groupsFor(groups, GROUPS_PER_AXIS_MAX));
  const pass = (
    bindings: readonly string[],
    dims: Readonly<Record<string, number>>,
    count: number,
  ): Pass => ({
    shader: "shared/column_sums",
    entry: "sum_rows",
    constants: { GROUP: POINTWISE_GROUP, HAS_RIGHT: bindings.length === 3 ? 1 : 0 },
    dims: { columns, ...dims },
    bindings,
    workgroups: [groupsFor(groups, layers), count, layers],
  });
  const factors = [`left=${left}`, ...(right === undefined ? [] : [`right=${right}`])];
  const first = { rows, rowsPerPart, stride, offset };
  if (parts === 1) {
    return { scratch: {}, passes: [pass([...factors, `sums=${target}`], first, 1)] };
  }
  const scratch = `${target}Parts`;
  return {
    scratch: { [scratch]: parts * columns },
    passes: [
      pass([...factors, `sums=${scratch}`], first, parts),
      pass(
        [`left=${scratch}`, `sums=${target}`],
        { rows: parts, rowsPerPart: parts, stride: columns, offset: 0 },
        1,
      ),
    ],
  };
}

/** Several pieces of a plan as one, in order. */
export function joinPlans(
  ...plans: readonly Pick<LaunchPlan, "scratch" | "passes">[]
): LaunchPlan {
  return {
    scratch: Object.assign({}, ...plans.map(({ scratch }) => scratch)),
    passes: plans.flatMap(({ passes }) => passes),
  };
}
