import assert from "node:assert/strict";
import { bestPeer, byLead, Figures, losses } from "../../../src/cli/evaluate/figures.ts";
import { record } from "./_records.ts";

const PEER = { isPeer: true };
const RECORDS = [
  record("seasonal-naive", "given", { a: 1, b: 2 }, PEER),
  record("seasonal-naive", "rate2", { a: 4, b: 4 }, PEER),
  record("augurs-mstl", "given", { a: 0.9, b: 4 }, PEER),
  record("model", "found", { a: 0.5, b: 4 }),
  record("model", "rate2", { a: 2, b: 2 }),
  record("model", "found", { a: 9 }, { set: "second" }),
];
const FIGURES = new Figures(RECORDS, "dev");

Deno.test("Figures compares a setting with Seasonal Naive in its baseline setting", () => {
  assert.ok(Math.abs(FIGURES.total("model", "found")!.mase - 1) < 1e-12);
  assert.ok(Math.abs(FIGURES.total("model", "rate2")!.wql - 0.5) < 1e-12);
  assert.equal(FIGURES.total("model", "drop30"), undefined);
  assert.equal(FIGURES.ratio("model", "found", "b", "mase"), 2);
  assert.deepEqual(FIGURES.names("found"), ["model"]);
});

Deno.test("losses() are tasks that are worse by more than a share", () => {
  const tasks = FIGURES.record("model", "found")!.tasks;
  assert.deepEqual(losses(tasks, { a: 0.49, b: 4 }, 0.03), []);
  assert.deepEqual(losses(tasks, { a: 0.48, b: 3.8 }, 0.03), ["a", "b"]);
  assert.deepEqual(losses(tasks, {}, 0.03), []);
});

Deno.test("bestPeer() takes the least of what was measured here and elsewhere", () => {
  const published = {
    origin: "",
    total: {},
    tasks: { a: { x: [0.95, 1] as const }, b: { x: [1.5, 1] as const, y: [1.7, 1] as const } },
  };
  assert.deepEqual(bestPeer(published, FIGURES), { a: 0.9, b: 1.5 });
  assert.deepEqual(bestPeer(null, FIGURES), { a: 0.9, b: 2 });
});

Deno.test("byLead() gives ratios and coverage where there are targets", () => {
  const model = FIGURES.record("model", "found")!;
  const [first, , third, fourth] = byLead(model, FIGURES.baseline("found")!);
  assert.deepEqual([first!.lead, third!.lead], [1, 3]);
  assert.ok(Math.abs(first!.error - 1) < 1e-12);
  assert.ok(Math.abs(first!.cover80 - 0.8) < 1e-12);
  assert.ok(Number.isNaN(fourth!.error));
});
