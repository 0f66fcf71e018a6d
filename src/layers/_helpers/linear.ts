import type { Device, DeviceTensor } from "../../device/mod.ts";
import { matmul, type OpInput, runOp } from "../../ops/mod.ts";
import { need, operand } from "./tensors.ts";

/**
 * A linear layer by the names of its parameters, y = a·Wᵀ + bias, in the dtype of `a`.
 *
 * @param a       [.., in]
 * @param weight  name of W                                                        [out, in]
 * @param bias    name of the bias, where there is one                                  [out]
 * @returns                                                                     [.., out]
 * @throws {InvalidValueError} there is no parameter of a name
 */
export function linear(
  device: Device,
  tensors: Readonly<Record<string, OpInput>>,
  a: OpInput,
  weight: string,
  bias?: string,
): DeviceTensor {
  const b = operand(need(tensors, weight), a.dtype);
  const added = bias === undefined ? undefined : operand(need(tensors, bias), a.dtype);
  return runOp(device, matmul, { a, b, bias: added }, { transposeB: true }).c;
}
