/** Real numbers as complex ones and back, by ops that gradients pass. */
import type { Device, DeviceTensor } from "../../device/mod.ts";
import { matmul, runOp } from "../../ops/mod.ts";
import type { OpInput } from "../../ops/mod.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { asDtype, reshape, tensorOf } from "../../tensor/tensor.ts";

/** Real and imaginary unit of a pair. */
const UNITS = { re: Float64Array.of(1, 0), im: Float64Array.of(0, 1) };

/**
 * Real numbers as one part of complex ones, the other part 0.
 *
 * @param x                                                                          [..]
 * @returns                                                                      [..] c64
 */
export function asComplex(device: Device, x: OpInput, part: "re" | "im" = "re"): DeviceTensor {
  const b = asDtype(tensorOf([1, 2], UNITS[part]), x.dtype);
  const { c } = runOp(device, matmul, { a: reshape(x, [sizeOf(x.shape), 1]), b }, {});
  return reshape(c, [...x.shape, 2]);
}

/**
 * The real parts of complex numbers.
 *
 * @param x                                                                      [..] c64
 * @returns                                                                          [..]
 */
export function realPart(device: Device, x: OpInput): DeviceTensor {
  const b = asDtype(tensorOf([2, 1], UNITS.re), x.dtype);
  const { c } = runOp(device, matmul, { a: reshape(x, [sizeOf(x.shape) / 2, 2]), b }, {});
  return reshape(c, x.shape.slice(0, -1));
}
