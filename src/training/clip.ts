/** Clipping of gradients on the host; on a device the optimizer's op clips by the global norm. */
import { CLIP_EPS } from "../ops/adam.ts";
import type { FloatArray } from "../tensor/tensor.ts";

/** The global norm of several arrays: the root of the sum of squares, or the largest modulus. */
export function globalNorm(arrays: readonly FloatArray[], kind: "two" | "max" = "two"): number {
  let total = 0;
  for (const array of arrays) {
    for (let i = 0; i < array.length; i++) {
      const size = Math.abs(array[i]!);
      total = kind === "max" ? Math.max(total, size) : total + size * size;
    }
  }
  return kind === "max" ? total : Math.sqrt(total);
}

/** min(1, most/(norm + 1e-6)): what gradients of this norm are multiplied by. */
export function clipFactor(norm: number, most: number): number {
  return Math.min(1, most / (norm + CLIP_EPS));
}

/** Every element into [−most, most], in place. */
export function clipValues(array: FloatArray, most: number): void {
  for (let i = 0; i < array.length; i++) {
    array[i] = Math.min(most, Math.max(-most, array[i]!));
  }
}
