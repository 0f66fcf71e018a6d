import type { Backbone } from "../models/backbone.ts";
import type { Minibatch } from "./examples.ts";
import { type Loss, lossOf } from "./losses.ts";
import type { Objective } from "./training.ts";

export { neuralObjective } from "./neural_objective.ts";

/**
 * The loss of a backbone's output against a minibatch's target, with the metrics that the loss
 * gives. Tokens and classes must be whole numbers in range: ops on a device take the nearest.
 *
 * @returns  an objective for {@linkcode openTraining}; the parameters are the backbone's, by name
 */
export function backboneObjective(model: Backbone, loss: Loss): Objective<Minibatch> {
  return (device, parameters, minibatch, context) => {
    const { input, target, weight, dtScale } = minibatch;
    const uploaded = [input, target, ...(weight ? [weight] : [])].map((t) => device.upload(t));
    const [u, targets, weights] = uploaded;
    const { y, state } = model.forward(device, parameters, u!, { ...context, dtScale });
    const result = lossOf(device, loss, y, targets!, weights);
    // A tape keeps what its way back needs.
    for (const tensor of [...uploaded, y, ...Object.values(state)]) device.free(tensor);
    const [batch = 0, length = 0] = input.shape;
    return { ...result, samples: batch * length };
  };
}
