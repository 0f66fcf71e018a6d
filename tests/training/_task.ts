/** A small training for tests: a backbone that learns a running mean of noise. */
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import { runOp, squaredError } from "../../src/ops/mod.ts";
import { asDtype, type Dtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { byGroup } from "../../src/training/groups.ts";
import type { Objective, TrainingOptions } from "../../src/training/training.ts";

/** Size of a minibatch. */
const SIZE = { batch: 4, length: 12 };

/** A backbone of two members, with dropout. */
export const model = backboneOf(parseBackbone({
  input: { kind: "signal", feature: 1 },
  width: 6,
  layers: [{ name: "mamba", config: { state: 4 } }, { name: "s4d", config: { state: 4 } }],
  dropout: 0.1,
  output: { size: 1 },
}));

/** Input and target of one minibatch. */
export interface Example {
  readonly input: Tensor;
  readonly target: Tensor;
}

/** Noise, and its moving average over three samples. */
export function minibatch(index: number, dtype: Dtype = "f32", size = SIZE): Example {
  const { batch, length } = size;
  const random = seedRandom(1000 + index);
  const data = Float64Array.from({ length: batch * length }, () => nextNormal(random));
  const target = data.map((_, i) => {
    const from = i - Math.min(2, i % length);
    return data.subarray(from, i + 1).reduce((sum, value) => sum + value, 0) / 3;
  });
  return {
    input: asDtype(tensorOf([batch, length, 1], data), dtype),
    target: asDtype(tensorOf([batch, length, 1], target), dtype),
  };
}

/** The squared error of the backbone, also as a metric. */
export const objective: Objective<Example> = (
  device,
  parameters,
  { input, target },
  context,
) => {
  const u = device.upload(input);
  const { y, state } = model.forward(device, parameters, u, context);
  for (const tensor of [u, ...Object.values(state)]) device.free(tensor);
  const { loss, total } = runOp(device, squaredError, { predictions: y, targets: target }, {});
  device.free(y);
  return { loss, metrics: { perElement: { sum: loss, total } }, samples: input.data.length };
};

/** Options under which everything that a training may keep is kept. */
export const OPTIONS: TrainingOptions<Example> = {
  objective,
  minibatch,
  seed: 5,
  schedule: { kind: "warmupCosine", rate: 0.02, warmup: 3, steps: 40 },
  accumulate: 2,
  // Always clipped, so that the norm's last bit counts.
  optimizer: { clipNorm: 0.05, ofParameter: byGroup(0.25) },
  emaDecay: 0.9,
};

/** First parameters. */
export function initial(dtype: Dtype = "f32"): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(model.init(seedRandom(3))).map((
      [name, tensor],
    ) => [name, asDtype(tensor, dtype)]),
  );
}
