/** Real numbers as complex ones and back, by ops that gradients pass. */
import type { Device, DeviceTensor } from "../../device/mod.ts";
import { matmul, runOp } from "../../ops/mod.ts";
import type { OpInput } from "../../ops/mod.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { asDtype, reshape } from "../../tensor/tensor.ts";
import { filled } from "./init.ts";

/**
 * Real numbers as one part of complex ones, the other part 0.
 *
 * @param x                                                                  [.., feature]
 * @param times how often each is repeated; default 1
 * @returns                                                    [.., feature·times] c64
 */
export function asComplex(
  device: Device,
  x: OpInput,
  part: "re" | "im" = "re",
  times = 1,
): DeviceTensor {
  const at = part === "re" ? 0 : 1;
  const b = asDtype(filled([1, 2 * times], (i) => i % 2 === at ? 1 : 0), x.dtype);
  const { c } = runOp(device, matmul, { a: reshape(x, [sizeOf(x.shape), 1]), b }, {});
  return reshape(c, [...x.shape.slice(0, -1), x.shape.at(-1)! * times, 2]);
}

/**
 * The real parts of complex numbers.
 *
 * @param x                                                                      [..] c64
 * @returns                                                                          [..]
 */
export function realPart(device: Device, x: OpInput): DeviceTensor {
  const b = asDtype(filled([2, 1], (i) => 1 - i), x.dtype);
  const { c } = runOp(device, matmul, { a: reshape(x, [sizeOf(x.shape) / 2, 2]), b }, {});
  return reshape(c, x.shape.slice(0, -1));
}
