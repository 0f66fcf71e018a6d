/**
 * Iterations of the neural forecaster's training, for bench/training_bench.ts: its presets on a
 * minibatch of random numbers, optimized as docs/examples/pretrain_lti.json says. What the numbers
 * are does not matter to the time, so that none of it is the data's.
 */
import { nextNormal, nextUint32, nextUniform, seedRandom } from "../src/base/random.ts";
import type { WebGpuDevice } from "../src/device/mod.ts";
import { neural } from "../src/models/mod.ts";
import { asDtype } from "../src/tensor/tensor.ts";
import { neuralObjective } from "../src/training/objective.ts";
import { openTraining, type TrainingOptions } from "../src/training/training.ts";
import { type IterationReport, measureIterations, spyOn } from "./iteration.ts";

const { ANCHORS, LEAD_FEATURES, NEURAL_PRESETS, TOKEN_FEATURES } = neural;

/** Names of the models here: `forecaster_` and a preset. */
export const FORECASTERS: readonly string[] = Object.keys(NEURAL_PRESETS)
  .map((name) => `forecaster_${name}`);

/** The minibatches of the pretraining, and some for software adapters. */
export const FORECASTER_SIZES = { batch: 192, length: 768, picks: 24, leads: 8 };
export const FORECASTER_SIZES_SMALL = { batch: 2, length: 64, picks: 3, leads: 2 };

/** Normal numbers that are drawn once. */
const NOISE = 65_536;

function randomBatch(sizes: neural.NeuralBatchSizes, seed: number): neural.NeuralBatch {
  const { batch, length, picks, leads } = sizes;
  const random = seedRandom(seed);
  const rows = batch * picks * leads;
  const pool = Float32Array.from({ length: NOISE }, () => nextNormal(random));
  const drawn = (size: number, value: (i: number) => number) =>
    Float32Array.from({ length: size }, (_, i) => value(i));
  const noise = (size: number) => drawn(size, (i) => pool[(7 * i + (i >> 16)) % NOISE]!);
  const elapsed = drawn(batch * length, () => nextUniform(random) < 0.1 ? 2 : 1);
  return {
    sizes,
    tokens: noise(batch * length * TOKEN_FEATURES),
    elapsed,
    seasonal: elapsed.map((slots) => 0.3 * slots),
    picks: drawn(batch * picks, () => nextUint32(random) % length),
    features: noise(rows * LEAD_FEATURES),
    anchors: noise(rows * ANCHORS),
    valid: drawn(rows * ANCHORS, (i) => i % ANCHORS > 0 && i % 5 === 0 ? 0 : 1),
    scale: noise(rows).map((value) => Math.abs(value) + 0.1),
    target: noise(rows),
    weight: new Float32Array(rows).fill(1),
  };
}

/** Measures iterations of one of {@linkcode FORECASTERS}. */
export async function measureForecaster(
  device: WebGpuDevice,
  name: string,
  sizes: neural.NeuralBatchSizes,
  memory: Pick<TrainingOptions<neural.NeuralBatch>, "precision" | "recompute">,
  iterations: number,
): Promise<IterationReport> {
  const spy = spyOn(device);
  const preset = name.replace("forecaster_", "") as keyof typeof NEURAL_PRESETS;
  const network = neural.networkOf(neural.parseNeural(NEURAL_PRESETS[preset]));
  const initial = Object.entries(network.init(seedRandom(1)))
    .map(([key, tensor]) => [key, asDtype(tensor, "f32")] as const);
  const minibatch = randomBatch(sizes, 1);
  const training = openTraining(spy.device, Object.fromEntries(initial), {
    objective: neuralObjective(network),
    minibatch: () => minibatch,
    schedule: { kind: "constant", rate: 1e-3 },
    seed: 1,
    optimizer: { clipNorm: 1, beta2: 0.98, decay: 0.02 },
    ...memory,
  });
  const { batch, length, picks, leads } = sizes;
  const report = await measureIterations(device, spy, {
    name: `${name} ${batch}×${length}, ${picks}×${leads} forecasts` +
      (memory.precision === "mixed" ? ", mixed" : "") + (memory.recompute ? ", recomputed" : ""),
    iterate: () => training.iterate(),
    finish: () => training.settle(),
  }, iterations);
  training.release();
  return report;
}
