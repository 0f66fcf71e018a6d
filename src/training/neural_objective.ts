/** What the training of the neural forecaster minimises. */
import type { Network, NeuralBatch } from "../models/neural/network.ts";
import { LEVELS } from "../models/neural/shapes.ts";
import { quantileLoss, runOp } from "../ops/mod.ts";
import { asDtype, tensorOf } from "../tensor/tensor.ts";
import type { Objective } from "./training.ts";

/** How much a quantile counts: the outermost half, the median half as much again. */
function shareOf(level: number, i: number): number {
  if (i === 0 || i === LEVELS.length - 1) return 0.5;
  return level === 0.5 ? 1.5 : 1;
}

/**
 * The loss of a row: twice its mean pinball loss, in units of the error that the seasonal naive
 * forecast is expected to make; above 4 its logarithm.
 */
export const NEURAL_LOSS = {
  quantiles: LEVELS,
  shares: LEVELS.map(shareOf),
  scale: 2,
  cap: 4,
} as const;

/**
 * The mean loss of a minibatch's forecasts by their weights.
 *
 * @returns  an objective for `openTraining`; the parameters are the network's, by name
 */
export function neuralObjective(network: Network): Objective<NeuralBatch> {
  return (device, parameters, minibatch, context) => {
    const { target, weight, sizes: { batch, length } } = minibatch;
    const predictions = network.forward(device, parameters, minibatch, context?.recompute);
    const of = (data: Float32Array) => asDtype(tensorOf([data.length], data), predictions.dtype);
    const { loss, total } = runOp(device, quantileLoss, {
      predictions,
      targets: of(target),
      weights: of(weight),
    }, NEURAL_LOSS);
    for (const tensor of [predictions, total]) device.free(tensor);
    return { loss, samples: batch * length };
  };
}
