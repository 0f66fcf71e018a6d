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
];

/** A clean stream of a kind. */
export function cleanStream(kind: CleanKind, length: number, seed: number): Float64Array {
  return kind.make(length, seedRandom(seed));
}
