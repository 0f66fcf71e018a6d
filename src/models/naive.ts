import type { SlotGrid } from "./slot_grid.ts";

/**
 * Seasonal naive: each lead repeats the value of the last season, ŷ(n + l) = y(n + l − k·m) with
 * the smallest k that lies in the past; the last value where less than a season has been seen.
 *
 * @param season  season length in slots; 1 = none
 * @param out     leads 1, 2, …                                                          [lead]
 */
export function seasonalNaiveInto(grid: SlotGrid, season: number, out: Float64Array): void {
  const { values, length } = grid;
  const usable = length > season ? season : 1;
  for (let l = 0; l < out.length; l++) out[l] = values[length - usable + l % usable]!;
}

/** Mean of what was seen since the last refit: a sum and a count. */
export type MeanState = { sum: number; count: number };

/** Adds a value, as a deviation from the model's location. */
export function meanObserve(state: MeanState, value: number): void {
  state.sum += value;
  state.count++;
}

/** The same mean at every lead.                                                          [lead] */
export function meanInto(state: MeanState, out: Float64Array): void {
  out.fill(state.count > 0 ? state.sum / state.count : 0);
}
