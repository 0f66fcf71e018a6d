import assert from "node:assert/strict";
import { taskTable, totalTable } from "../../../src/cli/evaluate/summary.ts";
import { BASELINE } from "../../../src/cli/evaluate/subject.ts";
import { record } from "./_records.ts";

const KEPT = [record(BASELINE, "given", { loads: 2, waves: 4 })];

const cells = (table: string) =>
  table.trim().split("\n").map((line) => line.trim().split(/\s{2,}/)).slice(2);

Deno.test("totalTable() has the geometric mean of the ratios to Seasonal Naive", () => {
  const rows = cells(totalTable([record("committee", "found", { loads: 1, waves: 8 })], KEPT));
  assert.deepEqual(rows.map((row) => row.slice(0, 5)), [["dev", "found", "committee", "1", "1"]]);
  assert.equal(rows[0]!.at(-1), "0/4");
});

Deno.test("taskTable() puts the models of a task together, without the baseline", () => {
  const records = [
    record(BASELINE, "given", { loads: 1, waves: 2 }),
    record("a", "found", { loads: 1, waves: 8 }),
    record("b", "found", { loads: 0.5, waves: 1 }),
  ];
  const rows = cells(taskTable(records, KEPT));
  assert.deepEqual(rows.map(([, , task, , model, mase]) => [task, model, mase]), [
    ["loads", "a", "1"],
    ["loads", "b", "0.5"],
    ["waves", "a", "4"],
    ["waves", "b", "0.5"],
  ]);
});
