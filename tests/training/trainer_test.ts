import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { openCpu } from "../../src/device/mod.ts";
import { type EvaluationLine, type MetricsLine, train } from "../../src/training/trainer.ts";
import type { TrainerState } from "../../src/training/trainer.ts";
import { ITERATIONS_AHEAD_MAX, type TrainerOptions } from "../../src/training/trainer.ts";
import { openTraining, type TrainingState } from "../../src/training/training.ts";
import { type Example, initial, minibatch, OPTIONS } from "./_task.ts";

const cpu = openCpu({ poison: true });
const SHORT: TrainerOptions<Example> = { steps: 6, logEvery: 2 };

interface Told {
  readonly metrics: MetricsLine[];
  readonly evaluations: EvaluationLine[];
  readonly saves: { training: TrainingState; trainer: TrainerState }[];
}

/** Runs the loop with a clock that a step moves on by a tenth of a second. */
async function run(
  options: TrainerOptions<Example>,
  change: Partial<typeof OPTIONS> = {},
  from?: { training: TrainingState; trainer: TrainerState },
  stopAfter = Infinity,
) {
  const told: Told = { metrics: [], evaluations: [], saves: [] };
  const clock = new ManualClock();
  const settings = { ...OPTIONS, ...change };
  const training = openTraining(cpu, initial(), settings, from?.training);
  const result = await train(training, options, {
    clock,
    onStep: () => clock.advanceMs(100),
    onMetrics: (line) => told.metrics.push(line),
    onEvaluation: (line) => told.evaluations.push(line),
    onSave: (training, trainer) => {
      told.saves.push({ training, trainer });
      return Promise.resolve();
    },
    isInterrupted: () => training.step >= stopAfter,
  }, from?.trainer);
  return { ...told, ...result };
}

Deno.test("train() logs means, speed and time at every few steps and at the end", async () => {
  const { end, metrics, saves } = await run({ ...SHORT, steps: 5 });
  assert.equal(end, "finished");
  assert.deepEqual(metrics.map(({ step }) => step), [2, 4, 5]);
  assert.deepEqual(metrics.map(({ elapsedS }) => elapsedS.toFixed(3)), ["0.200", "0.400", "0.500"]);
  // 96 samples a step, a tenth of a second each.
  assert.ok(metrics.every(({ samplesPerS }) => Math.abs(samplesPerS - 960) < 1e-6));
  assert.ok(
    metrics.every(({ loss, gradientNorm, perElement }) =>
      [loss, gradientNorm, perElement].every((value) => Number.isFinite(value))
    ),
  );
  assert.deepEqual(saves.map(({ training }) => training.step), [5]);
});

Deno.test("train() saves every few steps, and goes on from there in every bit", async () => {
  const options = { ...SHORT, steps: 12, saveEvery: 5 };
  const whole = await run(options);
  assert.deepEqual(whole.saves.map(({ training }) => training.step), [5, 10, 12]);
  const rest = await run(options, {}, whole.saves[0]!);
  const timeless = ({ elapsedS: _, samplesPerS: __, ...line }: MetricsLine) => line;
  const from = whole.metrics.findIndex(({ step }) => step > 5);
  assert.deepEqual(rest.metrics.map(timeless), whole.metrics.slice(from).map(timeless));
  const last = (saves: Told["saves"]) => saves.at(-1)!.training.tensors;
  assert.deepEqual(last(rest.saves), last(whole.saves));
  // The time that was spent before counts.
  assert.ok(Math.abs(rest.metrics.at(-1)!.elapsedS - 1.2) < 1e-9);
});

Deno.test("an interrupted training ends with a checkpoint", async () => {
  const { end, saves } = await run({ ...SHORT, steps: 30 }, {}, undefined, 3);
  assert.equal(end, "interrupted");
  assert.deepEqual(saves.map(({ training }) => training.step), [3]);
});

Deno.test("an evaluation that does not become better stops the training", async () => {
  const stop = { metric: "loss", better: "higher", patience: 2 } as const;
  const minibatches = () => [minibatch(500)];
  const { end, evaluations, state } = await run({
    ...SHORT,
    steps: 60,
    evaluation: { every: 2, minibatches, stop },
  });
  // The loss falls, so that wanting it higher is disappointed twice in a row.
  assert.equal(end, "early stop");
  assert.deepEqual(evaluations.map(({ step }) => step), [2, 4, 6]);
  assert.equal(state.stale, 2);
  assert.equal(state.best, evaluations[0]!.evaluation["loss"]);
  const unknown = { ...stop, metric: "f1" };
  const wrong = run({ ...SHORT, evaluation: { every: 2, minibatches, stop: unknown } });
  await assert.rejects(wrong, { field: "stop.metric", message: /one of loss, perElement/ });
});

Deno.test("an evaluation that is not a number is never the best", async () => {
  const unknown = minibatch(500);
  unknown.target.data.fill(NaN);
  const stop = { metric: "loss", better: "lower", patience: 2 } as const;
  const { end, state } = await run({
    ...SHORT,
    steps: 60,
    evaluation: { every: 2, minibatches: () => [unknown], stop },
  });
  assert.equal(end, "early stop");
  assert.deepEqual([state.best, state.stale], [null, 2]);
});

Deno.test("a training that diverges stops and keeps the last healthy checkpoint", async () => {
  const saves: number[] = [];
  const training = openTraining(cpu, initial(), {
    ...OPTIONS,
    // A target whose square is beyond f32 after ten steps: a broken sensor.
    minibatch: (index) => {
      const example = minibatch(index);
      if (index >= 20) example.target.data.fill(1e38);
      return example;
    },
  });
  const running = train(training, { steps: 40, logEvery: 5, saveEvery: 2 }, {
    clock: new ManualClock(),
    onSave: ({ step, tensors }) => {
      saves.push(step);
      assert.ok(Object.values(tensors).every(({ data }) => data.every(Number.isFinite)));
      return Promise.resolve();
    },
  });
  await assert.rejects(running, { name: "DivergenceError", message: /step 1[12].*lower rate/ });
  assert.deepEqual(saves, [2, 4, 6, 8, 10]);
});

Deno.test("train() awaits the device before it has issued too many iterations", async () => {
  let settled = 0;
  const training = openTraining(cpu, initial(), { ...OPTIONS, accumulate: 1 });
  const settle = training.settle.bind(training);
  training.settle = () => {
    settled++;
    return settle();
  };
  await train(training, { steps: 40, logEvery: 40 }, { clock: new ManualClock() });
  assert.equal(settled, Math.floor(39 / ITERATIONS_AHEAD_MAX));
});

Deno.test("train() waits for what an iteration needs, and fails where that does", async () => {
  const training = openTraining(cpu, initial(), OPTIONS);
  const seen: string[] = [];
  await train(training, SHORT, {
    clock: new ManualClock(),
    async ready(step) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      seen.push(`${step} of ${training.step}`);
    },
  });
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5].map((step) => `${step} of ${step}`));
  const failing = train(openTraining(cpu, initial(), OPTIONS), SHORT, {
    clock: new ManualClock(),
    ready: (step) => step === 3 ? Promise.reject(new RangeError("no minibatch")) : undefined,
  });
  await assert.rejects(failing, /no minibatch/);
});

Deno.test("a line whose read overlaps the next iteration says the same", async () => {
  const options = { ...SHORT, steps: 11, saveEvery: 4 };
  const plain = await run(options);
  const overlapping = await run({ ...options, overlapsLog: true });
  const said = ({ metrics }: Told) =>
    metrics.map(({ elapsedS: _, samplesPerS: __, ...rest }) => rest);
  assert.deepEqual(said(overlapping), said(plain));
  assert.deepEqual(
    overlapping.saves.map(({ training, trainer }) => [training, trainer.divergence]),
    plain.saves.map(({ training, trainer }) => [training, trainer.divergence]),
  );
  const rising = { kind: "constant", rate: 1e30 } as const;
  const diverging = run({ ...SHORT, steps: 40, overlapsLog: true }, { schedule: rising });
  await assert.rejects(diverging, { name: "DivergenceError" });
});

Deno.test("the speed that train() logs leaves evaluations out, the elapsed time does not", async () => {
  const clock = new ManualClock();
  const lines: MetricsLine[] = [];
  const minibatches = () => {
    clock.advanceMs(5_000);
    return [minibatch(500)];
  };
  const training = openTraining(cpu, initial(), OPTIONS);
  await train(training, { steps: 4, logEvery: 2, evaluation: { every: 2, minibatches } }, {
    clock,
    onStep: () => clock.advanceMs(100),
    onMetrics: (line) => lines.push(line),
  });
  training.release();
  assert.deepEqual(lines.map(({ elapsedS }) => elapsedS.toFixed(3)), ["0.200", "5.400"]);
  assert.ok(lines.every(({ samplesPerS }) => Math.abs(samplesPerS - 960) < 1e-6));
});

Deno.test("train() refuses counts that are none", async () => {
  await assert.rejects(run({ ...SHORT, steps: 0 }), { field: "steps" });
  await assert.rejects(run({ ...SHORT, logEvery: 0.5 }), { field: "logEvery" });
});
