/**
 * Which values a tape may keep in half precision for the way back.
 *
 * The forward pass is untouched, and so are weights, gradients, losses and everything that is made
 * from parameters alone (transitions, kernels): they stay f32. What is listed are activations that
 * an op's backward reads as factors. Rounded to binary16 they are off by at most 2^-11 = 4.9e-4
 * relative, a sixteenth of what bfloat16 does to them, and all sums and scans over them are taken
 * in f32. Micikevicius et al., "Mixed Precision Training" (arXiv 1710.03740), section 3.
 */

/** Inputs and outputs of ops, by the op's name. */
export const HALF_VALUES: Readonly<Record<string, readonly string[]>> = {
  activation: ["x"],
  attention: ["q", "k", "v", "y"],
  contract: ["q", "s"],
  conv1d: ["u"],
  diagonal_scan: ["v", "x"],
  dplr_scan: ["u"],
  fft_conv: ["u"],
  gate: ["y", "z"],
  layer_norm: ["x"],
  linear_scan: ["u"],
  matmul: ["a"],
  norm_matmul: ["x"],
  outer: ["a", "b"],
  rms_norm: ["x", "z"],
  selective_scan: ["u", "delta", "B", "C", "z"],
  ssd: ["u", "delta", "B", "C"],
};

/** Tensors with fewer elements are not worth two dispatches. */
export const HALF_ELEMENTS_MIN = 4096;

/** Whether the backward of an op may read a value rounded to half precision. */
export function mayBeHalf(op: string, name: string): boolean {
  return HALF_VALUES[op]?.includes(name) ?? false;
}
