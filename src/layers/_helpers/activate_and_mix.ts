import type { Device, DeviceTensor } from "../../device/mod.ts";
import type { ActivationParams } from "../../ops/activation.ts";
import { activation, gate, matmul, runOp } from "../../ops/mod.ts";
import type { OpInput } from "../../ops/mod.ts";
import { need, operand } from "./tensors.ts";

/**
 * What follows the bank of an S4 block: the activation and, with `mix`, y = GLU(W·y + b) over the
 * features, W and b being the tensors `mixWeight` [2·feature, feature] and `mixBias`.
 */
export function activateAndMix(
  device: Device,
  config: { readonly activation: ActivationParams["kind"]; readonly mix: boolean },
  tensors: Readonly<Record<string, OpInput>>,
  y: DeviceTensor,
): DeviceTensor {
  let out = y;
  if (config.activation !== "identity") {
    out = runOp(device, activation, { x: out }, { kind: config.activation }).y;
  }
  if (!config.mix) return out;
  const b = operand(need(tensors, "mixWeight"), y.dtype);
  const bias = operand(need(tensors, "mixBias"), y.dtype);
  const mixed = runOp(device, matmul, { a: out, b, bias }, { transposeB: true }).c;
  return runOp(device, gate, { y: mixed }, { activation: "sigmoid" }).out;
}
