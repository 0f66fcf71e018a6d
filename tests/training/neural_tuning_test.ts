import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { InvalidValueError } from "../../src/base/errors.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { networkOf, parseNeural } from "../../src/models/neural/network.ts";
import { decodeWeights, encodeWeights } from "../../src/models/neural/weights.ts";
import { asDtype, type Tensor } from "../../src/tensor/tensor.ts";
import { isEvaluation } from "../../src/training/metrics_lines.ts";
import { openNeuralTuning } from "../../src/training/neural_tuning.ts";
import {
  runTuning,
  type TuningRecipe,
  type TuningSeries,
  type TuningState,
} from "../../src/training/tuning.ts";
import { decodeTuning, encodeTuning } from "../../src/training/tuning_file.ts";
import { gpuTest } from "../_gpu.ts";

const CONFIG = parseNeural({ kind: "s5", width: 8, depth: 2, state: 8, mlp: 8, head: 8 });

const first = Object.fromEntries(
  Object.entries(networkOf(CONFIG).init(seedRandom(3))).map(([name, tensor]): [string, Tensor] => [
    name,
    asDtype(tensor, "f32"),
  ]),
);

const BASE = encodeWeights({ config: CONFIG, tensors: first, step: 5 }, "f32");

const RECIPE: TuningRecipe = {
  steps: 20,
  rate: 3e-3,
  seed: 1,
  tune: "network",
  batch: 4,
  length: 64,
};

/** A noisy season of 12 samples, each an hour long, now and then one left out. */
function seasonal(length: number, seed = 1): TuningSeries {
  const random = seedRandom(seed);
  const kept = Array.from({ length }, (_, i) => i).filter((i) => i % 17 !== 5);
  return {
    timesS: Float64Array.from(kept, (i) => 3600 * i),
    values: Float64Array.from(
      kept,
      (i) => 10 + 3 * Math.sin(2 * Math.PI * i / 12) + 0.3 * nextNormal(random),
    ),
    seasonsS: [],
  };
}

/** Runs a tuning to its end, or to where it is interrupted. */
async function run(recipe: TuningRecipe, stopAt = Infinity, from?: TuningState) {
  const losses: number[] = [];
  const saves: TuningState[] = [];
  let step = from?.training.step ?? 0;
  const tuning = openNeuralTuning(BASE, [seasonal(300)], recipe);
  const result = await runTuning(tuning, openCpu(), recipe, {
    clock: new ManualClock(),
    onLine: (line) => {
      if (isEvaluation(line)) losses.push(line.evaluation["loss"]!);
    },
    onSave: (state) => {
      saves.push(state);
      return Promise.resolve();
    },
    isInterrupted: () => ++step >= stopAt,
  }, from);
  return { ...result, losses, saves, tuning };
}

Deno.test("openNeuralTuning() lowers the loss on samples that were never trained on", async () => {
  const { end, file, losses, tuning } = await run({ ...RECIPE, steps: 40 });
  assert.equal(end, "finished");
  assert.ok(losses.at(-1)! < 0.9 * losses[0]!, losses.join(" "));
  const { config, tensors, step } = decodeWeights(file!);
  assert.deepEqual(config, CONFIG);
  assert.equal(step, 45);
  assert.equal(tuning.parameters, tuning.tunedParameters);
  assert.notDeepEqual(tensors, first);
});

Deno.test("openNeuralTuning() of the head leaves the backbone as it is", async () => {
  const { file, losses, tuning } = await run({ ...RECIPE, tune: "head", steps: 40 });
  assert.ok(losses.at(-1)! < losses[0]!, losses.join(" "));
  assert.ok(tuning.tunedParameters < tuning.parameters);
  const { tensors } = decodeWeights(file!);
  const changed = Object.keys(first).filter((name) =>
    first[name]!.data.some((value, i) => value !== tensors[name]!.data[i])
  );
  assert.ok(changed.length > 0);
  assert.ok(changed.every((name) => /^(decoder|output)\./.test(name)), changed.join(" "));
});

Deno.test("a tuning that goes on from its checkpoint is the uninterrupted one", async () => {
  const whole = await run(RECIPE);
  const begun = await run(RECIPE, 7);
  assert.equal(begun.end, "interrupted");
  assert.equal(begun.file, null);
  const saved = decodeTuning(encodeTuning(RECIPE, begun.saves.at(-1)!), RECIPE);
  const rest = await run(RECIPE, Infinity, saved);
  assert.deepEqual(rest.file, whole.file);
});

Deno.test("openNeuralTuning() refuses what is no network and series that are too short", () => {
  assert.throws(() => openNeuralTuning(new Uint8Array(9), [seasonal(300)], RECIPE), SyntaxError);
  assert.throws(() => openNeuralTuning(BASE, [seasonal(20)], RECIPE), InvalidValueError);
  assert.throws(() => openNeuralTuning(BASE, [], RECIPE), InvalidValueError);
});

/** Times in seconds and values of series that nobody would wish for. */
const ODD: Readonly<Record<string, readonly [(i: number) => number, (i: number) => number]>> = {
  "of one value": [(i) => i, () => 5],
  "of zeros": [(i) => i, () => 0],
  "of the largest numbers": [(i) => i, (i) => i % 2 === 0 ? 1.7e308 : -1.7e308],
  "of the smallest numbers": [(i) => i, (i) => 1e-300 * i],
  "with a spike": [(i) => i, (i) => i === 100 ? 1e12 : i % 5],
  "with a step": [(i) => i, (i) => i < 160 ? 1 : 1e6],
  "with a gap of ages": [(i) => i + (i > 100 ? 1e15 : 0), (i) => i % 7],
  "with many gaps": [(i) => i + Math.floor(i / 10) * 1e9, (i) => Math.sin(i)],
  "a nanosecond apart": [(i) => 1e-9 * i, (i) => Math.sin(i)],
  "ever further apart": [(i) => i ** 3, (i) => Math.sin(i)],
};

for (const [what, [timeOf, valueOf]] of Object.entries(ODD)) {
  Deno.test(`a tuning on a series ${what} ends, with finite losses`, async () => {
    const series = {
      timesS: Float64Array.from({ length: 200 }, (_, i) => timeOf(i)),
      values: Float64Array.from({ length: 200 }, (_, i) => valueOf(i)),
      seasonsS: [],
    };
    const recipe = { ...RECIPE, steps: 3 };
    const tuning = openNeuralTuning(BASE, [series], recipe);
    const losses: number[] = [];
    const { end } = await runTuning(tuning, openCpu(), recipe, {
      clock: new ManualClock(),
      onLine: (line) => losses.push(isEvaluation(line) ? line.evaluation["loss"]! : line.loss),
    });
    assert.equal(end, "finished");
    assert.ok(losses.every(Number.isFinite), losses.join(" "));
  });
}

gpuTest("a tuning on a GPU gives what one on the CPU does", async (gpu) => {
  const recipe = { ...RECIPE, steps: 3 };
  const onGpu: number[] = [];
  const tuning = openNeuralTuning(BASE, [seasonal(300)], recipe);
  await runTuning(tuning, gpu, recipe, {
    clock: new ManualClock(),
    onLine: (line) => {
      if (isEvaluation(line)) onGpu.push(line.evaluation["loss"]!);
    },
  });
  const { losses } = await run(recipe);
  losses.forEach((loss, i) => assert.ok(Math.abs(loss - onGpu[i]!) < 1e-3 * loss, `${i}`));
});
