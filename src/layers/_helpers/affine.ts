import type { FloatArray } from "../../tensor/tensor.ts";

/**
 * A linear layer over rows, for steps: out = weight·x + bias.
 *
 * @param out     written                                               [batch, outputs]
 * @param weight                                                     [outputs, inputs]
 * @param bias                                                               [outputs]
 * @param x                                                              [batch, inputs]
 */
export function affineInto(
  out: FloatArray,
  weight: FloatArray,
  bias: FloatArray,
  x: FloatArray,
): void {
  const outputs = bias.length;
  const inputs = weight.length / outputs;
  for (let at = 0; at < out.length; at++) {
    const o = at % outputs;
    const row = (at - o) / outputs * inputs;
    let sum = bias[o]!;
    for (let i = 0; i < inputs; i++) sum += weight[o * inputs + i]! * x[row + i]!;
    out[at] = sum;
  }
}
