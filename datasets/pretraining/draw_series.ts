import { InvalidValueError } from "../../src/base/errors.ts";
import { nextUint32, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, pick, pickIndex, wholeBetween } from "./_helpers/draw.ts";
import { momentsOf, standardizeInto } from "./_helpers/series.ts";
import { breakInto } from "./breaks.ts";
import { faultInto, FAULTS } from "./faults.ts";
import type { Draft } from "./generator.ts";
import { GENERATORS } from "./generators.ts";
import { foundHints, hintsOf, type SeasonFinder } from "./hints.ts";
import { disturbInto, drawReal, type RealPack } from "./real_pack.ts";
import type { Recipe } from "./recipe.ts";

/** One series to train on. */
export interface DrawnSeries {
  /** The truth at whole slots; NaN where it is not known, and from `length` on. */
  readonly values: Float64Array;
  /** Slots from 0 on that hold the series; the arrays may be longer. */
  readonly length: number;
  /** 1 where a sample arrives. */
  readonly observed: Uint8Array;
  /**
   * Offset in slots of each sample's time from its slot, within ±0.45; null where all come on the
   * beat. The sample says what the truth is at its own time: between the slots a straight line.
   */
  readonly jitter: Float64Array | null;
  /** The seasons that the forecaster is told, in slots; 0 = none. Right mostly. */
  readonly seasons: readonly [number, number];
}

/** Largest offset of a sample from its slot: the order of the samples stays. */
export const JITTER_MAX = 0.45;

/** Samples at the start that always arrive, so that every series begins. */
const ALWAYS_OBSERVED = 4;

/** Fewest slots that a series is drawn for. */
export const LENGTH_MIN = 32;

/** A generator of its own for every pair of seed and index. */
function randomOf(seed: number, index: number): RandomState {
  const random = new Uint32Array(4);
  const words = [seed, seed / 2 ** 32, index, index / 2 ** 32];
  let z = 0;
  for (let k = 0; k < 4; k++) {
    // The finalizer of MurmurHash3 over the words so far; the constant keeps zeros apart.
    z = (z + 0x9e3779b9 + (Math.floor(words[k]!) >>> 0)) >>> 0;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    z = (z ^ (z >>> 16)) >>> 0;
    random[k] = z;
  }
  random[0]! |= 1;
  for (let k = 0; k < 16; k++) nextUint32(random);
  return random;
}

/** Where a window comes from. */
export type Origin = "real" | "mix" | "generator";

/** The kind of window of this seed and index, first draw of its random numbers. */
function originOf(random: RandomState, recipe: Recipe): Origin {
  const u = nextUniform(random);
  if (u < recipe.realShare) return "real";
  return u < recipe.realShare + recipe.mixShare ? "mix" : "generator";
}

function generated(random: RandomState, recipe: Recipe, length: number): Draft {
  const weights = GENERATORS.map(({ name }) => recipe.generators[name] ?? 0);
  return GENERATORS[pickIndex(random, weights)]!.draw(random, length);
}

/** A real crop with its share, else a generated series: what mixtures are made of. */
function ingredient(
  random: RandomState,
  recipe: Recipe,
  length: number,
  real: RealPack | null,
): Draft {
  return real !== null && chance(random, recipe.realShare)
    ? drawReal(random, real, length)
    : generated(random, recipe, length);
}

/**
 * A convex mixture of two or three standardized series (TSMixup, Chronos, arXiv 2403.07815,
 * section 4.1), weights from a Dirichlet of 1.5 near enough: powers of uniforms over their sum.
 * The season is that of the heaviest part that has one.
 */
function mixed(
  random: RandomState,
  recipe: Recipe,
  length: number,
  real: RealPack | null,
): Draft {
  const parts = Array.from(
    { length: wholeBetween(random, 2, 3) },
    () => ({
      draft: ingredient(random, recipe, length, real),
      weight: -Math.log(1 - nextUniform(random)) + 0.1,
    }),
  ).sort((a, b) => b.weight - a.weight);
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const count = Math.min(...parts.map(({ draft }) => draft.count));
  const values = new Float64Array(length);
  for (const { draft, weight } of parts) {
    standardizeInto(draft.values);
    for (let i = 0; i < count; i++) values[i]! += weight / total * draft.values[i]!;
  }
  values.fill(NaN, count);
  const told = parts.find(({ draft, weight }) => draft.seasons[0] > 0 && weight > 0.2 * total);
  return { values, count, seasons: told?.draft.seasons ?? [0, 0] };
}

/** Upside down, backwards, broken, at fault and rescaled, each with its share; in place. */
function changeInto(random: RandomState, recipe: Recipe, { values, count }: Draft): void {
  if (count === values.length && chance(random, recipe.timeFlipShare)) values.reverse();
  if (chance(random, recipe.breakShare)) breakInto(random, values, count);
  if (chance(random, recipe.faultShare)) faultInto(random, values, count, pick(random, FAULTS));
  const sign = chance(random, recipe.signFlipShare) ? -1 : 1;
  const { deviation } = momentsOf(values);
  const gain = sign * logBetween(random, 0.01, 10_000) / (deviation > 0 ? deviation : 1);
  for (let i = 0; i < count; i++) values[i]! *= gain;
}

/** Which samples arrive. */
function observedOf(random: RandomState, recipe: Recipe, { values, count }: Draft): Uint8Array {
  const observed = new Uint8Array(values.length);
  const dropped = chance(random, recipe.dropShare) ? 0.5 * nextUniform(random) : 0;
  const hasGap = chance(random, recipe.gapShare);
  const gapFrom = hasGap ? Math.floor(nextUniform(random) * count) : count;
  const gapUntil = hasGap ? gapFrom + logBetween(random, 2, 60) : count;
  for (let i = 0; i < count; i++) {
    const isLost = i >= gapFrom && i < gapUntil || dropped > 0 && chance(random, dropped);
    if (!Number.isNaN(values[i]!) && (i < ALWAYS_OBSERVED || !isLost)) observed[i] = 1;
  }
  return observed;
}

/** Offsets of the times, of one size for the whole series; 0 where a neighbour is not known. */
function jitterOf(random: RandomState, { values, count }: Draft): Float64Array {
  const size = logBetween(random, 0.03, JITTER_MAX);
  const out = new Float64Array(values.length);
  for (let i = 1; i < count - 1; i++) {
    const offset = between(random, -size, size);
    const neighbour = values[i + (offset > 0 ? 1 : -1)]!;
    if (!Number.isNaN(neighbour)) out[i] = offset;
  }
  return out;
}

/**
 * Series `index` of a recipe: a pure function of its arguments, so that any worker makes any
 * window and a resumed training sees what an uninterrupted one would have.
 *
 * @param seed    whole number, 0 to 2^53
 * @param index   whole number, 0 to 2^53
 * @param length  slots of the window
 * @param real    the packed real series; needed where the recipe has a share of them
 * @param find    the finder of seasons that will serve, for the recipe's share of found hints
 * @throws {InvalidValueError} no real series though the recipe has a share of them; a length
 *   under {@linkcode LENGTH_MIN}
 */
export function drawSeries(
  recipe: Recipe,
  seed: number,
  index: number,
  length: number,
  real: RealPack | null = null,
  find: SeasonFinder | null = null,
): DrawnSeries {
  if (!(Number.isInteger(length) && length >= LENGTH_MIN)) {
    throw new InvalidValueError("length", length, `a whole number of at least ${LENGTH_MIN}`);
  }
  if (recipe.realShare > 0 && real === null) {
    throw new InvalidValueError("real", real, "a pack of real series, for recipe.realShare > 0");
  }
  const random = randomOf(seed, index);
  const draft = draftOf(random, recipe, length, real);
  changeInto(random, recipe, draft);
  const observed = observedOf(random, recipe, draft);
  const isFound = chance(random, recipe.hintFoundShare);
  const seasons = isFound && find !== null
    ? foundHints(random, draft, observed, find)
    : hintsOf(random, recipe, draft.seasons);
  const jitter = chance(random, recipe.jitterShare) ? jitterOf(random, draft) : null;
  return { values: draft.values, length: draft.count, observed, jitter, seasons };
}

function draftOf(
  random: RandomState,
  recipe: Recipe,
  length: number,
  real: RealPack | null,
): Draft {
  switch (originOf(random, recipe)) {
    case "mix":
      return mixed(random, recipe, length, real);
    case "generator":
      return generated(random, recipe, length);
    case "real": {
      const draft = drawReal(random, real!, length);
      disturbInto(random, draft);
      return draft;
    }
  }
}
