import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { InvalidValueError } from "../../src/base/errors.ts";
import { openCpu } from "../../src/device/mod.ts";
import { backboneOfPlan, runTask } from "../../src/training/task_training.ts";
import type { TaskPlan } from "../../src/training/task_training.ts";
import { taskByName } from "../../datasets/tasks/mod.ts";
import { gpuTest } from "../_gpu.ts";

const PLAN: TaskPlan = {
  model: { width: 16, layers: ["mamba"] },
  rate: 1e-2,
  stages: [
    { setting: { length: 8 }, batch: 16, steps: 40, until: 0 },
    { setting: { length: 12 }, batch: 16, steps: 60 },
  ],
  tests: [{ setting: { length: 12 }, batch: 16, batches: 2 }],
};
const task = taskByName("induction-heads");
const options = { seed: 3, clock: systemClock };

Deno.test("runTask() lowers the loss in a few steps, stage after stage", async () => {
  const losses: number[] = [];
  const stages: number[] = [];
  const run = await runTask(openCpu(), task, PLAN, {
    ...options,
    onMetrics: ({ loss }, stage) => {
      losses.push(loss);
      stages.push(stage);
    },
  });
  // The first stage wants no accuracy, so that it ends at the first look at the metrics.
  assert.deepEqual(run.steps, [20, 60]);
  assert.deepEqual(stages, [0, 1, 1, 1]);
  assert.equal(run.samples, 20 * 16 * 8 + 60 * 16 * 12);
  assert.equal(run.isCut, false);
  assert.equal(run.tests[0]!.answers, 32);
  // It starts from ln 16 = 2.77, that of knowing nothing.
  assert.ok(losses[0]! > 2.5 && run.loss < losses[0]! - 0.2, `losses ${losses}`);
});

Deno.test("runTask() gives the same run for the same seed", async () => {
  const plan = { ...PLAN, stages: [{ setting: { length: 8 }, batch: 4, steps: 5 }] };
  const cpu = openCpu();
  const runs = [3, 3, 4].map((seed) => runTask(cpu, task, plan, { ...options, seed }));
  const [first, again, other] = await Promise.all(runs);
  assert.deepEqual({ ...again, trainS: 0 }, { ...first, trainS: 0 });
  assert.notEqual(other!.loss, first!.loss);
});

Deno.test("runTask() ends the training at its time limit and still tests", async () => {
  let nowMs = 0;
  const clock = { nowNs: () => 0n, monotonicMs: () => nowMs += 100 };
  const run = await runTask(openCpu(), task, PLAN, { ...options, clock, limitS: 1 });
  assert.equal(run.isCut, true);
  assert.equal(run.steps.length, 1);
  assert.equal(run.tests.length, 1);
});

Deno.test("backboneOfPlan() refuses stages of different vocabularies, and none", () => {
  const recall = taskByName("associative-recall");
  const stages = [64, 128].map((vocabulary) => ({
    setting: { vocabulary, pairs: 4 },
    batch: 1,
    steps: 1,
  }));
  assert.throws(() => backboneOfPlan(recall, { ...PLAN, stages }), InvalidValueError);
  assert.throws(() => backboneOfPlan(task, { ...PLAN, stages: [] }), { field: "stages" });
});

gpuTest("runTask() on the GPU sees the losses that it sees on the CPU", async (gpu) => {
  const plan = { ...PLAN, stages: [{ setting: { length: 8 }, batch: 4, steps: 5 }] };
  const onGpu = await runTask(gpu, task, plan, options);
  const onCpu = await runTask(openCpu(), task, plan, options);
  // Five steps of f32 with other orders of summing.
  assert.ok(Math.abs(onGpu.loss - onCpu.loss) < 1e-4, `${onGpu.loss} and ${onCpu.loss}`);
});
