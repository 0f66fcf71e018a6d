/** Draws of the generated tasks. */
import { nextNormal, nextUint32, nextUniform } from "../../../src/base/random.ts";
import { type RandomState, seedRandom } from "../../../src/base/random.ts";
import { type Tensor, tensorOf } from "../../../src/tensor/tensor.ts";
import type { MinibatchRequest } from "../task.ts";

/** Steps of the generator before its first draw, so that near seeds part. */
const WARM_UP = 32;

/**
 * A generator of its own for every seed, step and split: its state is the seed's with the step
 * in one word and the split in another, which no two of them share.
 */
export function randomOf({ seed, step, split }: MinibatchRequest): RandomState {
  const random = seedRandom(seed);
  random[2] = random[2]! ^ step;
  random[3] = random[3]! ^ (split === "train" ? 0 : 1);
  for (let i = 0; i < WARM_UP; i++) nextUint32(random);
  return random;
}

/** A whole number from 0 to count − 1. */
export function nextBelow(random: RandomState, count: number): number {
  return Math.floor(nextUniform(random) * count);
}

/** Uniform between two bounds. */
export function nextBetween(random: RandomState, low: number, high: number): number {
  return low + (high - low) * nextUniform(random);
}

/** `count` different whole numbers below `total`, in random order (Fisher and Yates' shuffle). */
export function drawDistinct(random: RandomState, total: number, count: number): Uint32Array {
  const all = Uint32Array.from({ length: total }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const j = i + nextBelow(random, total - i);
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all.subarray(0, count);
}

/** Zeros of an f32 tensor with its array. */
export function blank(shape: readonly number[]): { tensor: Tensor; data: Float32Array } {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  return { tensor: tensorOf(shape, data), data };
}

/**
 * White noise of variance 1 through a low-pass: a random signal whose frequencies end near
 * `cutoff` (in cycles a sample), again of variance 1. Written from `at` on.
 *
 * The filter is a Butterworth low-pass of order 4: two second-order sections by the bilinear
 * transform with its frequency prewarped.
 */
export function noiseInto(
  out: Float32Array,
  at: number,
  length: number,
  random: RandomState,
  cutoff: number,
): void {
  const sections = [0.541196100146197, 1.306562964876377].map((q) => lowPass(cutoff, q));
  const memory = sections.map(() => ({ s1: 0, s2: 0 }));
  // The gain that makes the output's variance 1: the filter's noise bandwidth is 2·cutoff·1.026.
  const gain = 1 / Math.sqrt(2 * cutoff * 1.026);
  // The filter starts from rest; its first samples are left out.
  const lead = Math.ceil(3 / cutoff);
  for (let i = -lead; i < length; i++) {
    let x = gain * nextNormal(random);
    for (let k = 0; k < sections.length; k++) {
      const { b0, b1, b2, a1, a2 } = sections[k]!;
      const kept = memory[k]!;
      const y = b0 * x + kept.s1;
      kept.s1 = b1 * x - a1 * y + kept.s2;
      kept.s2 = b2 * x - a2 * y;
      x = y;
    }
    if (i >= 0) out[at + i] = x;
  }
}

/** Coefficients of a second-order low-pass of quality q. */
function lowPass(cutoff: number, q: number) {
  const k = Math.tan(Math.PI * cutoff);
  const norm = 1 / (1 + k / q + k * k);
  const b0 = k * k * norm;
  return { b0, b1: 2 * b0, b2: b0, a1: 2 * (k * k - 1) * norm, a2: (1 - k / q + k * k) * norm };
}
