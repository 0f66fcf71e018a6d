/** Past forecasts drawn for tests of calibrations. */
import type { PastForecast } from "../../src/models/past_forecast.ts";
import { noise } from "./_series.ts";

/** Leads of each of them. */
export const HORIZON = 12;

/** Size of normal errors of deviation 1: (E√|x|)² over that of the prior shape with mean 1. */
export const NORMAL_SIZE = 0.822179 ** 2 / 0.904641 ** 2;

/** Past forecasts of zero whose errors are `sizeAt(slot)` times normal draws. */
export function pastOf(count: number, sizeAt: (slot: number) => number): PastForecast[] {
  const draws = noise(count * HORIZON, 9);
  return Array.from({ length: count }, (_, o) => ({
    slot: o * 4,
    point: new Float32Array(HORIZON),
    spread: new Float32Array(HORIZON).fill(1),
    size: new Float32Array(HORIZON).fill(10),
    errors: Float64Array.from(
      { length: HORIZON },
      (_, l) => sizeAt(o * 4 + 1 + l) * draws[o * HORIZON + l]!,
    ),
  }));
}
