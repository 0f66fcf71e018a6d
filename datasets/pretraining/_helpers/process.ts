/**
 * Stationary Gaussian processes by recursion: O(length) each, no transform and no matrix.
 *
 * A squared-exponential kernel is three first-order low-passes forward and three backward (the
 * central limit theorem turns their product into a bell), a Matérn kernel of order 1/2 one forward
 * pass, of order 3/2 two; a power law is a sum of first-order processes an octave apart.
 */
import { nextNormal, type RandomState } from "../../../src/base/random.ts";
import { between, chance, logBetween, normals, wholeBetween } from "./draw.ts";
import { standardizeInto } from "./series.ts";

/** Runs x[i] = a·x[i−1] + (1 − a)·x[i] forward in place. */
function forwardInto(values: Float64Array, a: number): void {
  let kept = values[0]!;
  for (let i = 0; i < values.length; i++) {
    kept = a * kept + (1 - a) * values[i]!;
    values[i] = kept;
  }
}

function backwardInto(values: Float64Array, a: number): void {
  let kept = values[values.length - 1]!;
  for (let i = values.length - 1; i >= 0; i--) {
    kept = a * kept + (1 - a) * values[i]!;
    values[i] = kept;
  }
}

/** Squared-exponential, correlation near exp(−lag²/(2·scale²)); deviation 1 over the window. */
export function bellProcess(random: RandomState, length: number, scale: number): Float64Array {
  const lead = Math.ceil(Math.min(3 * scale, length));
  const x = normals(random, length + 2 * lead);
  // Six passes of variance a/(1−a)² each make a kernel of variance scale²/2.
  const v = scale * scale / 12;
  const a = 1 + 1 / (2 * v) - Math.sqrt(1 / v + 1 / (4 * v * v));
  for (let pass = 0; pass < 3; pass++) {
    forwardInto(x, a);
    backwardInto(x, a);
  }
  return standardizeInto(x.slice(lead, lead + length));
}

/** Ornstein and Uhlenbeck: x[i] = a·x[i−1] + √(1 − a²)·e[i], a = exp(−1/scale); variance 1. */
export function roughProcess(random: RandomState, length: number, scale: number): Float64Array {
  const out = normals(random, length);
  const a = Math.exp(-1 / scale);
  const b = Math.sqrt(1 - a * a);
  for (let i = 1; i < length; i++) out[i] = a * out[i - 1]! + b * out[i]!;
  return out;
}

/** Matérn 3/2 near: two first-order passes; deviation 1 over the window. */
export function maternProcess(random: RandomState, length: number, scale: number): Float64Array {
  const lead = Math.ceil(Math.min(4 * scale, length));
  const x = normals(random, length + lead);
  const a = Math.exp(-Math.sqrt(3) / scale);
  forwardInto(x, a);
  forwardInto(x, a);
  return standardizeInto(x.slice(lead));
}

/** Spectrum 1/f^slope, slope 0..2.5: processes an octave apart; deviation 1 over the window. */
export function powerLaw(random: RandomState, length: number, slope: number): Float64Array {
  const out = normals(random, length);
  for (let i = 0; i < length; i++) out[i]! *= 0.35;
  for (let scale = 1.5, k = 0; scale < 4 * length; scale *= 2, k++) {
    const a = Math.exp(-1 / scale);
    const b = Math.sqrt(1 - a * a) * Math.pow(2, k * (slope - 1) / 2);
    let x = nextNormal(random) * b / Math.sqrt(1 - a * a);
    const noise = normals(random, length);
    for (let i = 0; i < length; i++) {
      x = a * x + b * noise[i]!;
      out[i]! += x;
    }
  }
  return standardizeInto(out);
}

/** Rational quadratic: a mixture of three squared-exponential scales around `scale`. */
export function mixedScales(random: RandomState, length: number, scale: number): Float64Array {
  const out = bellProcess(random, length, scale);
  for (const factor of [0.3, 3]) {
    const other = bellProcess(random, length, Math.max(1, scale * factor));
    const gain = between(random, 0.2, 1);
    for (let i = 0; i < length; i++) out[i]! += gain * other[i]!;
  }
  return standardizeInto(out);
}

/** One of the processes above at a scale drawn log-uniformly; deviation 1 over the window. */
export function smoothProcess(
  random: RandomState,
  length: number,
  low = 8,
  high = 400,
): Float64Array {
  const scale = logBetween(random, low, high);
  switch (wholeBetween(random, 0, 3)) {
    case 0:
      return bellProcess(random, length, scale);
    case 1:
      return standardizeInto(roughProcess(random, length, scale));
    case 2:
      return maternProcess(random, length, scale);
    default:
      return powerLaw(random, length, between(random, 0.5, 2));
  }
}

/** Running sum of the steps, from 0, in place. */
export function sumInto(steps: Float64Array): Float64Array {
  let sum = 0;
  for (let i = 0; i < steps.length; i++) {
    sum += steps[i]!;
    steps[i] = sum;
  }
  return steps;
}

/** Straight pieces: the slope is drawn anew at each change; about one change in `every` slots. */
export function brokenLine(random: RandomState, length: number, every: number): Float64Array {
  const out = new Float64Array(length);
  const base = nextNormal(random);
  let slope = nextNormal(random);
  let value = 0;
  for (let i = 0; i < length; i++) {
    if (chance(random, 1 / every)) slope = nextNormal(random);
    value += base + slope;
    out[i] = value / length;
  }
  return out;
}
