import type { FloatArray } from "../../tensor/tensor.ts";

/**
 * One sample of a causal convolution for each feature: y = Σ weight·window with the newest last,
 * and the window moves on by the sample.
 *
 * @param y      written                                                  [batch, feature]
 * @param window the last taps − 1 samples, oldest first       [batch, feature, taps − 1]
 * @param input                                                           [batch, feature]
 * @param weight the newest tap last                                       [feature, taps]
 */
export function slideInto(
  y: FloatArray,
  window: FloatArray,
  input: FloatArray,
  weight: FloatArray,
): void {
  const past = window.length / input.length;
  const feature = weight.length / (past + 1);
  for (let i = 0; i < input.length; i++) {
    const first = (i % feature) * (past + 1);
    const start = i * past;
    let sum = weight[first + past]! * input[i]!;
    for (let j = 0; j < past; j++) sum += weight[first + j]! * window[start + j]!;
    y[i] = sum;
    if (past === 0) continue;
    window.copyWithin(start, start + 1, start + past);
    window[start + past - 1] = input[i]!;
  }
}
