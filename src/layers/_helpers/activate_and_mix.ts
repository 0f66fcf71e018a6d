import type { RandomState } from "../../base/random.ts";
import { type Device, type DeviceTensor, openCpu } from "../../device/mod.ts";
import type { ActivationParams } from "../../ops/activation.ts";
import { activation, gate, runOp } from "../../ops/mod.ts";
import type { OpInput } from "../../ops/mod.ts";
import { type FloatArray, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { filled, uniform } from "./init.ts";
import { linear } from "./linear.ts";

/** What an S4 block's configuration says of this part. */
interface MixConfig {
  readonly feature: number;
  readonly activation: ActivationParams["kind"];
  readonly mix: boolean;
}

/** The tensors of the mixing as they start; none without `mix`. */
export function initMix(
  { feature, mix }: MixConfig,
  random: RandomState,
): Record<string, Tensor> {
  if (!mix) return {};
  return {
    mixWeight: uniform(random, [2 * feature, feature], 1 / Math.sqrt(feature)),
    mixBias: filled([2 * feature], () => 0),
  };
}

/**
 * What follows the bank of an S4 block: the activation and, with `mix`, y = GLU(W·y + b) over the
 * features, W and b being the tensors `mixWeight` [2·feature, feature] and `mixBias`.
 */
export function activateAndMix(
  device: Device,
  config: Omit<MixConfig, "feature">,
  tensors: Readonly<Record<string, OpInput>>,
  y: DeviceTensor,
): DeviceTensor {
  let out = y;
  if (config.activation !== "identity") {
    out = runOp(device, activation, { x: out }, { kind: config.activation }).y;
  }
  if (!config.mix) return out;
  const mixed = linear(device, tensors, out, "mixWeight", "mixBias");
  return runOp(device, gate, { y: mixed }, { activation: "sigmoid" }).out;
}

const host = openCpu({ collected: true });

/**
 * The same for one sample of each row, by the twins of the ops.
 *
 * @param y                                                                 [batch, feature]
 * @returns                                                                 [batch, feature]
 */
export function activateAndMixSample(
  config: MixConfig,
  tensors: Readonly<Record<string, OpInput>>,
  y: FloatArray,
): FloatArray {
  if (config.activation === "identity" && !config.mix) return y;
  const { feature } = config;
  const sample = host.upload(tensorOf([y.length / feature, 1, feature], y));
  return host.dataOf(activateAndMix(host, config, tensors, sample));
}
