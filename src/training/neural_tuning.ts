/** The tuning of a neural forecaster's network on series that somebody has. */
import { InvalidValueError } from "../base/errors.ts";
import { type Network, networkOf, type NeuralBatch } from "../models/neural/network.ts";
import { decodeWeights, encodeWeights, type NeuralWeights } from "../models/neural/weights.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { byGroup } from "./groups.ts";
import { neuralObjective } from "./neural_objective.ts";
import { drawSeries, heldOutSeries, slotSeriesOf } from "./series_examples.ts";
import type { Objective } from "./training.ts";
import type { Tuning, TuningRecipe, TuningSeries } from "./tuning.ts";
import { uploadAll } from "./tensors.ts";

/** Steps over which the rate rises, as a share of all. */
const WARMUP_SHARE = 0.1;
/** Steps over which it falls to 0 at the end, as a share of all. */
const DECAY_SHARE = 0.5;
/** As in the training of the networks that are shipped. */
const OPTIMIZER = { beta1: 0.9, beta2: 0.98, decay: 0.02, clipNorm: 1 } as const;
/** Rate of the parameters of state-space systems, as a share of the others'. */
const SYSTEM_RATE = 0.25;

/** What lies behind the backbone: its map to the decoder's features, and the decoder. */
function isOfHead(name: string): boolean {
  return name.startsWith("decoder.") || name.startsWith("output.");
}

function countOf(tensors: Readonly<Record<string, Tensor>>): number {
  return Object.values(tensors).reduce((sum, { data }) => sum + data.length, 0);
}

/** The network's objective, with parameters that are tuned and others that stay as they are. */
function objectiveOf(
  network: Network,
  frozen: Readonly<Record<string, Tensor>>,
): Objective<NeuralBatch> {
  const objective = neuralObjective(network);
  if (Object.keys(frozen).length === 0) return objective;
  return (device, tuned, minibatch, context) => {
    // The tape follows what is watched: nothing is differentiated by these.
    const fixed = uploadAll(device, frozen);
    return objective(device, { ...fixed, ...tuned }, minibatch, context);
  };
}

/** The parameters that a recipe tunes, and those that stay. */
function partsOf({ tensors }: NeuralWeights, { tune }: TuningRecipe) {
  const tuned: Record<string, Tensor> = {};
  const frozen: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    (tune === "network" || isOfHead(name) ? tuned : frozen)[name] = tensor;
  }
  return { tuned, frozen };
}

/**
 * Opens the tuning of a network's file. Its last steps' learning rate falls to 0; the parameters at
 * the end are the result.
 *
 * @param base    the file of a network
 * @param series  what to learn from; what is too short is left out
 * @throws {SyntaxError | InvalidValueError} the file is no network, or no series is long enough
 */
export function openNeuralTuning(
  base: Uint8Array,
  series: readonly TuningSeries[],
  recipe: TuningRecipe,
): Tuning<NeuralBatch> {
  const weights = decodeWeights(base);
  const { steps, rate, seed, batch, length } = recipe;
  const { tuned, frozen } = partsOf(weights, recipe);
  if (Object.keys(tuned).length === 0) {
    throw new InvalidValueError("tune", recipe.tune, "a part that the network has");
  }
  const slots = slotSeriesOf(series);
  const heldOut = heldOutSeries(slots, { length, batch });
  return {
    parameters: countOf(weights.tensors),
    tunedParameters: countOf(tuned),
    initial: tuned,
    options: {
      objective: objectiveOf(networkOf(weights.config), frozen),
      minibatch: drawSeries(slots, { length, batch, seed }),
      schedule: {
        kind: "warmupStableDecay",
        rate,
        warmup: Math.floor(WARMUP_SHARE * steps),
        steps,
        decay: Math.max(1, Math.floor(DECAY_SHARE * steps)),
      },
      seed,
      optimizer: { ...OPTIMIZER, ofParameter: byGroup(SYSTEM_RATE) },
    },
    heldOut: () => heldOut,
    encode: (values, taken) =>
      encodeWeights({
        config: weights.config,
        tensors: { ...frozen, ...values },
        step: weights.step + taken,
      }, "f32"),
  };
}
