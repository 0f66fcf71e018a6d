/** Clean synthetic streams: nothing is wrong in them, so every alarm is a false one. */
import { nextNormal, nextUniform, type RandomState, seedRandom } from "../../../base/random.ts";

/** A kind of noise; `make` returns samples in order, one call a stream. */
export interface CleanKind {
  readonly name: string;
  make(length: number, random: RandomState): Float64Array;
}

/** A regular stream of so many samples a day. */
export const SAMPLES_A_DAY = 1440;

/** Poisson counts by multiplication of uniforms; for small means. */
function poisson(mean: number, random: RandomState): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = nextUniform(random); product > limit; product *= nextUniform(random)) count++;
  return count;
}

function each(next: (random: RandomState, i: number) => number): CleanKind["make"] {
  return (length, random) => Float64Array.from({ length }, (_, i) => next(random, i));
}

/** Student's t with 3 degrees of freedom. */
function studentT3(random: RandomState): number {
  let chi = 0;
  for (let i = 0; i < 3; i++) chi += nextNormal(random) ** 2;
  return nextNormal(random) / Math.sqrt(chi / 3);
}

/** An autoregression of order one. */
function autoregression(share: number): CleanKind["make"] {
  return (length, random) => {
    let x = 0;
    return Float64Array.from({ length }, () => x = share * x + nextNormal(random));
  };
}

function wave(i: number, length: number): number {
  return Math.sin(2 * Math.PI * i / length);
}

/** A level that goes back to its mean, in the logarithm of a count's rate. */
function slowCounts(length: number, random: RandomState): Float64Array {
  let level = 0;
  return Float64Array.from({ length }, () => {
    level = 0.99 * level + 0.1 * nextNormal(random);
    return poisson(Math.exp(1.5 + 0.7 * level), random);
  });
}

/** An autoregression of order two that swings, with a period of some ten samples. */
function swinging(length: number, random: RandomState): Float64Array {
  let [x, before] = [0, 0];
  return Float64Array.from({ length }, () => {
    [x, before] = [1.5 * x - 0.8 * before + nextNormal(random), x];
    return x;
  });
}

/** Overdispersed counts: Poisson of a rate that is the sum of two exponentials. */
function burstyCount(random: RandomState): number {
  const rate = -2 * Math.log((1 - nextUniform(random)) * (1 - nextUniform(random)));
  return poisson(rate, random);
}

/** A share between 0 and 1 that moves slowly. */
function bounded(length: number, random: RandomState): Float64Array {
  return autoregression(0.9)(length, random).map((x) => 1 / (1 + Math.exp(-x)));
}

function driftingWalk(length: number, random: RandomState): Float64Array {
  let x = 0;
  return Float64Array.from({ length }, () => x += 0.1 + nextNormal(random));
}

/** About 1/f: sums of noise held for 1, 2, 4, … 2,048 samples (Voss and Clarke 1978). */
function pinkNoise(length: number, random: RandomState): Float64Array {
  const rows = Float64Array.from({ length: 12 }, () => nextNormal(random));
  return Float64Array.from({ length }, (_, i) => {
    for (let k = 0; k < rows.length; k++) if (i % 2 ** k === 0) rows[k] = nextNormal(random);
    return rows.reduce((sum, row) => sum + row, nextNormal(random));
  });
}

/** Noise whose variance follows its past: GARCH(1, 1), Bollerslev 1986. */
function clusteredNoise(length: number, random: RandomState): Float64Array {
  let [variance, x] = [1, 0];
  return Float64Array.from({ length }, () => {
    variance = 0.05 + 0.1 * x * x + 0.85 * variance;
    return x = Math.sqrt(variance) * nextNormal(random);
  });
}

/** The kinds. */
export const CLEAN_KINDS: readonly CleanKind[] = [
  { name: "white noise", make: each(nextNormal) },
  { name: "uniform noise", make: each(nextUniform) },
  { name: "exponential noise", make: each((random) => -Math.log(1 - nextUniform(random))) },
  { name: "Student t, 3 degrees", make: each(studentT3) },
  { name: "AR(1), 0.9", make: autoregression(0.9) },
  { name: "random walk", make: autoregression(1) },
  {
    name: "season of 288, noise",
    make: each((random, i) => 10 * wave(i, 288) + nextNormal(random)),
  },
  {
    name: "day and week, noise",
    make: each((random, i) => 10 * wave(i, 48) + 5 * wave(i, 336) + nextNormal(random)),
  },
  { name: "trend, noise", make: each((random, i) => 0.01 * i + nextNormal(random)) },
  { name: "Poisson counts", make: each((random) => poisson(3, random)) },
  { name: "counts of a slow rate", make: slowCounts },
  { name: "bursty counts", make: each(burstyCount) },
  { name: "log-normal noise", make: each((random) => Math.exp(0.6 * nextNormal(random))) },
  { name: "rounded noise", make: each((random) => Math.round(2 * nextNormal(random))) },
  { name: "clustered variance", make: clusteredNoise },
  { name: "1/f noise", make: pinkNoise },
  { name: "AR(2), swinging", make: swinging },
  { name: "bounded share", make: bounded },
  { name: "random walk with drift", make: driftingWalk },
  {
    name: "sawtooth, noise",
    make: each((random, i) => 10 * ((i / 120) % 1) + nextNormal(random)),
  },
  {
    name: "multiplicative season",
    make: each((random, i) => Math.exp(0.7 * wave(i, 96) + 0.2 * nextNormal(random))),
  },
];

/** A clean stream of a kind. */
export function cleanStream(kind: CleanKind, length: number, seed: number): Float64Array {
  return kind.make(length, seedRandom(seed));
}
