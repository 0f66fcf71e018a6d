import { LEAD_HARMONICS, LEAD_POLYNOMIALS } from "./shapes.ts";
import { within } from "./squash.ts";

/** Slots of the fundamental where there is no season. */
export const BASIS_WITHOUT_SEASON = 24;

/** The argument of the polynomials: log of the lead in 24ths of a season, centred and bounded. */
const LOG_SHIFT = 0.2;
const LOG_RANGE = 3.2;
const LOG_CENTRE = 0.8;
const LOG_MAX = 1.3;

/**
 * Writes the functional basis of a lead, {@linkcode LEAD_BASIS} numbers:
 *
 *   sin(2π h c), cos(2π h c), h = 1…12;   P_0(z) … P_5(z);   w, w², w³;   1/√lead
 *
 * with c = lead / season, z = ln(24 c + 0.2)/3.2 − 0.8 within ±1.3, w = c/2 − 1 within ±1, and
 * Legendre's polynomials P. The harmonics come from the first by the addition theorem.
 *
 * @param out     written from `at` on
 * @param told    the lead under the root, slots
 * @param lead    the lead in the phases, slots
 * @param season  slots; 0 = none, and 24 stands for it
 */
export function writeLeadBasis(
  out: Float32Array,
  at: number,
  told: number,
  lead: number,
  season: number,
): void {
  const seasons = lead / (season > 0 ? season : BASIS_WITHOUT_SEASON);
  const angle = 2 * Math.PI * (seasons - Math.floor(seasons));
  const sin1 = Math.sin(angle);
  const cos1 = Math.cos(angle);
  let sin = sin1;
  let cos = cos1;
  for (let h = 0; h < LEAD_HARMONICS; h++) {
    out[at + h] = sin;
    out[at + LEAD_HARMONICS + h] = cos;
    const next = sin * cos1 + cos * sin1;
    cos = cos * cos1 - sin * sin1;
    sin = next;
  }
  let to = at + 2 * LEAD_HARMONICS;
  const log = Math.log(BASIS_WITHOUT_SEASON * seasons + LOG_SHIFT);
  const z = within(log / LOG_RANGE - LOG_CENTRE, LOG_MAX);
  let before = 1;
  let polynomial = z;
  out[to] = 1;
  out[to + 1] = z;
  for (let j = 2; j < LEAD_POLYNOMIALS; j++) {
    const next = ((2 * j - 1) * z * polynomial - (j - 1) * before) / j;
    before = polynomial;
    polynomial = next;
    out[to + j] = next;
  }
  to += LEAD_POLYNOMIALS;
  const w = within(seasons / 2 - 1, 1);
  out[to] = w;
  out[to + 1] = w * w;
  out[to + 2] = w * w * w;
  out[to + 3] = 1 / Math.sqrt(told);
}

/**
 * Writes sin, cos of a lead's phase and of twice the phase, as the basis has them; those of phase 0
 * where there is no season.
 */
export function writePhase(
  out: Float32Array,
  at: number,
  basisAt: number,
  hasSeason: boolean,
): void {
  out[at] = hasSeason ? out[basisAt]! : 0;
  out[at + 1] = hasSeason ? out[basisAt + LEAD_HARMONICS]! : 1;
  out[at + 2] = hasSeason ? out[basisAt + 1]! : 0;
  out[at + 3] = hasSeason ? out[basisAt + LEAD_HARMONICS + 1]! : 1;
}
