import { slopeGain, type StructuralModel, type StructuralState } from "./structural.ts";
import {
  phasesAt,
  type SeasonPhases,
  seasonPhases,
  type StructuralLayout,
} from "./structural_layout.ts";

/** Mean forecast at one later slot time, exact for any distance. */
export function forecastMeanAt(
  model: StructuralModel,
  state: Pick<StructuralState, "mean" | "u">,
  u: number,
  phases: SeasonPhases = seasonPhases(model.layout),
): number {
  const { layout, damping, transition } = model;
  const { mean } = state;
  const dt = u - state.u;
  // Mostly it is one step ahead, for which all factors are known.
  const isStep = transition.dt === dt;
  let sum = mean[0]!;
  if (layout.kind.slope) sum += (isStep ? transition.gain : slopeGain(damping, dt)) * mean[1]!;
  for (let k = 0; k < layout.kind.tausSlots.length; k++) {
    const decay = isStep ? transition.ouDecay[k]! : Math.exp(-dt / layout.kind.tausSlots[k]!);
    sum += decay * mean[layout.ouStart + k]!;
  }
  const { seasonStart } = layout;
  const turned = phasesAt(layout, phases, u);
  for (let i = 0; i < turned.length; i++) sum += mean[seasonStart + i]! * turned[i]!;
  return sum;
}

/** The state after those of the harmonic at `i`: a cosine and mostly a sine. */
function harmonicEnd(layout: StructuralLayout, i: number): number {
  return i + 1 < layout.omegas.length && layout.sines[i + 1] === 1 ? i + 2 : i + 1;
}

/** A harmonic of a forecast: its newest two values and the factor that leads on from them. */
type Oscillator = { before: number; now: number; twice: number; end: number };

/** Puts `to` at the harmonic whose states begin at `from`, at a slot and the one after it. */
function oscillatorInto(
  to: Oscillator,
  layout: StructuralLayout,
  mean: Float64Array,
  from: number,
  phases: readonly [Float64Array, Float64Array],
): void {
  const at = layout.seasonStart + from;
  const [here, ahead] = phases;
  to.end = harmonicEnd(layout, from);
  to.twice = layout.twiceCosines[from]!;
  const a = mean[at]!;
  to.before = a * here[from]!;
  to.now = a * ahead[from]!;
  if (to.end === from + 1) return;
  const b = mean[at + 1]!;
  to.before += b * here[from + 1]!;
  to.now += b * ahead[from + 1]!;
}

const first: Oscillator = { before: 0, now: 0, twice: 0, end: 0 };
const second: Oscillator = { before: 0, now: 0, twice: 0, end: 0 };

function addOscillator(one: Oscillator, out: Float64Array): void {
  let { before, now } = one;
  const { twice } = one;
  for (let l = 0; l < out.length; l++) {
    out[l] = out[l]! + now;
    const next = twice * now - before;
    before = now;
    now = next;
  }
}

/** Each value waits for the one before, so two harmonics side by side take the time of one. */
function addTwoOscillators(one: Oscillator, two: Oscillator, out: Float64Array): void {
  let { before, now } = one;
  let { before: otherBefore, now: other } = two;
  const { twice } = one;
  const { twice: otherTwice } = two;
  for (let l = 0; l < out.length; l++) {
    out[l] = out[l]! + now + other;
    const next = twice * now - before;
    before = now;
    now = next;
    const otherNext = otherTwice * other - otherBefore;
    otherBefore = other;
    other = otherNext;
  }
}

/**
 * Mean forecasts at the whole slots `slot + 1 … slot + out.length`, in the filter's units.   [lead]
 *
 * Each harmonic runs by the recurrence s(l + 1) = 2 cos(w)·s(l) − s(l − 1), two operations a lead.
 */
export function forecastMeansInto(
  model: StructuralModel,
  state: Pick<StructuralState, "mean" | "u">,
  slot: number,
  out: Float64Array,
  phases: SeasonPhases = seasonPhases(model.layout),
): void {
  const { layout, damping } = model;
  const { mean } = state;
  const dt = slot + 1 - state.u;
  let level = mean[0]!;
  let slope = 0;
  if (layout.kind.slope) {
    level += slopeGain(damping, dt) * mean[1]!;
    slope = damping ** dt * mean[1]!;
  }
  for (let l = 0; l < out.length; l++) {
    out[l] = level;
    slope *= damping;
    level += slope;
  }
  for (let k = 0; k < layout.kind.tausSlots.length; k++) {
    const tau = layout.kind.tausSlots[k]!;
    const decay = Math.exp(-1 / tau);
    let value = Math.exp(-dt / tau) * mean[layout.ouStart + k]!;
    for (let l = 0; l < out.length; l++) {
      out[l] = out[l]! + value;
      value *= decay;
    }
  }
  const count = layout.omegas.length;
  if (count === 0) return;
  const both = [phasesAt(layout, phases, slot), phasesAt(layout, phases, slot + 1)] as const;
  for (let i = 0; i < count;) {
    oscillatorInto(first, layout, mean, i, both);
    if (first.end === count) return addOscillator(first, out);
    oscillatorInto(second, layout, mean, first.end, both);
    addTwoOscillators(first, second, out);
    i = second.end;
  }
}
