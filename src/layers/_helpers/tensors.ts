/** Reading the tensors of a layer by name. */
import { InvalidValueError } from "../../base/errors.ts";
import type { Device, DeviceTensor } from "../../device/mod.ts";
import { type OpInput, runOp, slice, split, stepSizes } from "../../ops/mod.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor } from "../../tensor/tensor.ts";

/**
 * A tensor that must be there.
 *
 * @throws {InvalidValueError} it is absent
 */
export function need<T>(tensors: { readonly [name: string]: T }, name: string): T {
  const tensor = tensors[name];
  if (tensor === undefined) throw new InvalidValueError(name, undefined, "a tensor");
  return tensor;
}

/** A tensor in the dtype of the computation; device tensors are what they are. */
export function operand(input: OpInput, dtype: Dtype): OpInput {
  return "buffer" in input ? input : asDtype(input, dtype);
}

/** A carried state, or what else may be absent, in the dtype of the computation. */
export function carried(input: OpInput | undefined, dtype: Dtype): OpInput | undefined {
  return input && operand(input, dtype);
}

/** Elements start … start + count − 1 of the last axis. */
export function range(device: Device, x: OpInput, start: number, count: number): DeviceTensor {
  return runOp(device, slice, { x }, { start, count }).out;
}

/** All parts of the last axis, in order; the tensors are to be freed as any op's. */
export function parts(device: Device, x: OpInput, sizes: readonly number[]): DeviceTensor[] {
  const made = runOp(device, split, { x }, { sizes });
  return Object.values<DeviceTensor>(made).slice(0, sizes.length);
}

/**
 * Spreads the scale of each sample's step over the features.
 *
 *   out[b, k, d] = scale[b, k]·factor[d]
 *
 * @param scale                                                              [batch, length]
 * @param factor                                                                   [feature]
 * @returns                                                       [batch, length, feature]
 */
export function spreadSteps(
  scale: Tensor,
  factor: FloatArray,
  dtype: Dtype,
): Tensor {
  const feature = factor.length;
  const data = new Float64Array(scale.data.length * feature);
  for (let row = 0; row < scale.data.length; row++) {
    for (let d = 0; d < feature; d++) data[row * feature + d] = scale.data[row]! * factor[d]!;
  }
  return asDtype({ shape: [...scale.shape, feature], dtype: "f64", data }, dtype);
}

/**
 * The same with learned steps, factor = exp(logDt), so that gradients reach logDt.
 *
 * @param logDt                                                                    [feature]
 */
export function spreadLearnedSteps(
  device: Device,
  scale: Tensor,
  logDt: OpInput,
  dtype: Dtype,
): OpInput {
  if ("data" in logDt) return spreadSteps(scale, logDt.data.map(Math.exp), dtype);
  return runOp(device, stepSizes, { logDt, scale: asDtype(scale, dtype) }, {}).dt;
}
