import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { openCpu } from "../../src/device/mod.ts";
import type { EvaluationLine, MetricsLine } from "../../src/training/trainer.ts";
import {
  runTuning,
  type Tuning,
  TUNING_CHECKPOINTS,
  TUNING_EVALUATIONS,
  TUNING_LINES,
  type TuningRecipe,
} from "../../src/training/tuning.ts";
import { type Example, initial, minibatch, OPTIONS } from "./_task.ts";

const recipe = (steps: number): TuningRecipe => ({
  ...{ steps, rate: 0.01, seed: 1, tune: "network", batch: 1, length: 32 },
});

/** A tuning of the small training of these tests; its file is the number of steps. */
const tuning: Tuning<Example> = {
  parameters: 1,
  tunedParameters: 1,
  initial: initial(),
  options: OPTIONS,
  heldOut: () => [minibatch(-1)],
  encode: (_, steps) => Uint8Array.of(steps),
};

async function run(steps: number, isInterrupted: (step: number) => boolean = () => false) {
  const lines: (MetricsLine | EvaluationLine)[] = [];
  let saves = 0;
  let step = 0;
  const result = await runTuning(tuning, openCpu(), recipe(steps), {
    clock: new ManualClock(),
    onLine: (line) => lines.push(line),
    onSave: () => {
      saves++;
      return Promise.resolve();
    },
    isInterrupted: () => isInterrupted(++step),
  });
  const evaluations = lines.filter((line) => typeof line["evaluation"] === "object");
  return { ...result, saves, evaluations, metrics: lines.length - evaluations.length };
}

Deno.test("runTuning() evaluates before the first step and after the last", async () => {
  const { end, file, evaluations, metrics, saves } = await run(3);
  assert.equal(end, "finished");
  assert.deepEqual([...file!], [3]);
  assert.deepEqual(evaluations.map(({ step }) => step), [0, 1, 2, 3]);
  assert.equal(metrics, 3);
  assert.equal(saves, 3);
});

Deno.test("runTuning() tells, evaluates and saves so often and no more", async () => {
  const { evaluations, metrics, saves } = await run(230);
  assert.ok(evaluations.length <= TUNING_EVALUATIONS + 1);
  assert.ok(metrics <= TUNING_LINES && metrics > TUNING_LINES / 3, String(metrics));
  assert.ok(saves <= TUNING_CHECKPOINTS + 1);
});

Deno.test("runTuning() that is interrupted saves and makes no file", async () => {
  const { end, file, saves } = await run(30, (step) => step === 5);
  assert.equal(end, "interrupted");
  assert.equal(file, null);
  assert.equal(saves, 3);
});
