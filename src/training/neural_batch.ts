/**
 * Minibatches for the neural forecaster, made on the CPU. Series are drawn; their observed samples
 * go through the features that serve, one after the other; at some samples, the picks, the
 * decoder's rows are written down for some leads, with what came true there.
 *
 *   pick    a sample at which forecasts are made: in 40 % of the draws log-uniform from the seventh
 *           on, so that short histories are practised, in the others uniform
 *   lead    half of them log-uniform from 1 to {@linkcode LEAD_SLOTS_MAX} slots, the others uniform
 *           to half of it; a tenth end between two slots, the truth there being on the line
 *   target  (truth − last)/unit: what the decoder's quantiles are compared with
 *   weight  0 where the truth is unknown, beyond the series, or more than
 *           {@linkcode TARGET_MAX} units away; 1 elsewhere
 *
 * A minibatch is a pure function of source, seed, index and sizes; its row r draws the series
 * index·batch + r.
 */
import { type DrawnSeries, drawSeries } from "../../datasets/pretraining/mod.ts";
import type { RealPack, Recipe, SeasonFinder } from "../../datasets/pretraining/mod.ts";
import { InvalidValueError } from "../base/errors.ts";
import { nextUint32, nextUniform, type RandomState, seedRandom } from "../base/random.ts";
import { featureStart, type FeatureState } from "../models/neural/features.ts";
import { seasonClock, takeLead, takeSample } from "../models/neural/features.ts";
import { ANCHORS, LEAD_FEATURES, type LeadRows, TOKEN_FEATURES } from "../models/neural/shapes.ts";
import { featureSeasons } from "../models/neural_track.ts";
import { seasonsOf } from "../models/season.ts";

/** The longest lead that is practised, slots. */
export const LEAD_SLOTS_MAX = 96;
/** Targets further than this many units from the last value are left out. */
export const TARGET_MAX = 1_000;
/** Numbers of one minibatch, at most: 1 GiB of f32. */
export const BATCH_NUMBERS_MAX = 2 ** 28;

/** Shares and bounds of the draws. */
const SHARE_LOG_PICKS = 0.4;
const SHARE_LOG_LEADS = 0.5;
const SHARE_BETWEEN = 0.1;
const PICK_FIRST = 6;
/** The least lead that ends between two slots. */
const LEAD_LEAST = 0.25;

/** Where series come from: plain data. */
export interface NeuralSource {
  readonly recipe: Recipe;
  /** Needed where the recipe has a share of real series. */
  readonly real: RealPack | null;
}

/** How large a minibatch is. */
export interface NeuralSizes {
  /** Series. */
  readonly batch: number;
  /** Samples of a series, at most; shorter ones are padded at the end. */
  readonly length: number;
  /** Samples of a series at which forecasts are made. */
  readonly picks: number;
  /** Forecasts of a pick. */
  readonly leads: number;
}

/** A minibatch: all its arrays lie in one buffer, which can be sent to another thread. */
export interface AssembledBatch {
  readonly sizes: NeuralSizes;
  readonly buffer: ArrayBuffer;
  /** [batch, length, TOKEN_FEATURES]; 0 in the padding. */
  readonly tokens: Float32Array<ArrayBuffer>;
  /** Slots since the sample before. [batch, length]; 1 in the padding */
  readonly elapsed: Float32Array<ArrayBuffer>;
  /** The same on the season's clock. [batch, length] */
  readonly seasonal: Float32Array<ArrayBuffer>;
  /** Indices of samples, rising. [batch, picks] */
  readonly picks: Float32Array<ArrayBuffer>;
  /** [batch·picks·leads, LEAD_FEATURES] */
  readonly features: Float32Array<ArrayBuffer>;
  /** [batch·picks·leads, ANCHORS] */
  readonly anchors: Float32Array<ArrayBuffer>;
  /** 0 or 1. [batch·picks·leads, ANCHORS] */
  readonly valid: Float32Array<ArrayBuffer>;
  /** [batch·picks·leads] */
  readonly scale: Float32Array<ArrayBuffer>;
  /** [batch·picks·leads] */
  readonly target: Float32Array<ArrayBuffer>;
  /** [batch·picks·leads] */
  readonly weight: Float32Array<ArrayBuffer>;
}

/** @throws {InvalidValueError} a size is no whole number of at least 1, or the product too large */
function checkSizes(sizes: NeuralSizes): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isInteger(size) && size >= 1) continue;
    throw new InvalidValueError(`sizes.${name}`, size, "an integer of at least 1");
  }
  const numbers = numbersOf(sizes);
  if (numbers > BATCH_NUMBERS_MAX) {
    throw new InvalidValueError("sizes", numbers, `at most ${BATCH_NUMBERS_MAX} numbers in all`);
  }
}

/** Numbers of each array, in the order in which they lie. */
function partsOf({ batch, length, picks, leads }: NeuralSizes) {
  const samples = batch * length;
  const rows = batch * picks * leads;
  return {
    tokens: samples * TOKEN_FEATURES,
    elapsed: samples,
    seasonal: samples,
    picks: batch * picks,
    features: rows * LEAD_FEATURES,
    anchors: rows * ANCHORS,
    valid: rows * ANCHORS,
    scale: rows,
    target: rows,
    weight: rows,
  } as const;
}

function numbersOf(sizes: NeuralSizes): number {
  return Object.values(partsOf(sizes)).reduce((sum, count) => sum + count, 0);
}

/** Bytes of a minibatch's buffer. @throws {InvalidValueError} a size is out of range */
export function batchBytes(sizes: NeuralSizes): number {
  checkSizes(sizes);
  return Float32Array.BYTES_PER_ELEMENT * numbersOf(sizes);
}

/** The arrays of a minibatch in a buffer of {@linkcode batchBytes}. */
export function batchOn(
  sizes: NeuralSizes,
  buffer: ArrayBuffer = new ArrayBuffer(batchBytes(sizes)),
): AssembledBatch {
  let at = 0;
  const arrays = Object.entries(partsOf(sizes)).map(([name, count]) => {
    const array = new Float32Array(buffer, at, count);
    at += array.byteLength;
    return [name, array];
  });
  return { sizes, buffer, ...Object.fromEntries(arrays) };
}

/** One seed of two. */
function seedOf(seed: number, index: number): number {
  return nextUint32(seedRandom((seed ^ nextUint32(seedRandom(index >>> 0))) >>> 0));
}

/** The value on the line between two slots; NaN where one of them is unknown or past the end. */
function valueAt(values: Float64Array, length: number, time: number): number {
  const slot = Math.floor(time);
  if (slot < 0 || slot >= length) return NaN;
  const share = time - slot;
  if (share === 0) return values[slot]!;
  if (slot + 1 >= length) return NaN;
  return values[slot]! + share * (values[slot + 1]! - values[slot]!);
}

/** A pick among `count` samples. */
function drawPick(random: RandomState, count: number): number {
  const isLog = nextUniform(random) < SHARE_LOG_PICKS;
  const share = nextUniform(random);
  const [first, last] = [Math.min(PICK_FIRST, count - 1), count - 1];
  const pick = isLog && first > 0
    ? first * (last / first) ** share
    : first + share * (last - first);
  return Math.min(last, Math.floor(pick + 0.5));
}

/** A lead in slots. */
function drawLead(random: RandomState): number {
  const isLog = nextUniform(random) < SHARE_LOG_LEADS;
  const share = nextUniform(random);
  const whole = isLog
    ? Math.min(LEAD_SLOTS_MAX, Math.floor(LEAD_SLOTS_MAX ** share))
    : 1 + Math.floor(share * (LEAD_SLOTS_MAX / 2));
  const isBetween = nextUniform(random) < SHARE_BETWEEN;
  const back = nextUniform(random);
  return isBetween ? Math.max(LEAD_LEAST, whole - back) : whole;
}

/** Fills a minibatch row by row. */
class Assembler {
  readonly #batch: AssembledBatch;
  readonly #rows: LeadRows;
  /** Slots of the samples that one series shows. */
  readonly #slots: Int32Array;

  constructor(batch: AssembledBatch) {
    this.#batch = batch;
    this.#rows = { ...batch, unit: new Float64Array(batch.scale.length) };
    this.#slots = new Int32Array(batch.sizes.length);
  }

  /** One series, as row `row` of the minibatch. */
  fill(row: number, series: DrawnSeries, random: RandomState): void {
    const { sizes, tokens, elapsed, seasonal } = this.#batch;
    const { length, leads } = sizes;
    const count = this.#samplesOf(series);
    const picks = this.#pick(row, count, random);
    const { values, jitter } = series;
    const state = featureStart(series.seasons);
    let next = 0;
    for (let i = 0; i < count; i++) {
      const at = row * length + i;
      const slot = this.#slots[i]!;
      const time = jitter === null ? slot : slot + jitter[slot]!;
      const value = valueAt(values, series.length, time);
      takeSample(state, time, value, tokens, at * TOKEN_FEATURES);
      elapsed[at] = state.elapsed;
      seasonal[at] = state.elapsed * seasonClock(state);
      for (; picks[next] === i; next++) {
        const first = (row * sizes.picks + next) * leads;
        for (let j = 0; j < leads; j++) this.#lead(first + j, series, state, time, random);
      }
    }
    const [from, to] = [row * length + count, (row + 1) * length];
    tokens.fill(0, from * TOKEN_FEATURES, to * TOKEN_FEATURES);
    elapsed.fill(1, from, to);
    seasonal.fill(1, from, to);
    if (count === 0) this.#empty(row);
  }

  /** Slots of the observed samples that have something after them; how many there are. */
  #samplesOf({ values, observed, jitter, length }: DrawnSeries): number {
    const slots = this.#slots;
    const end = Math.min(slots.length, length - 1);
    let count = 0;
    for (let slot = 0; slot < end; slot++) {
      if (observed[slot] === 0) continue;
      const time = jitter === null ? slot : slot + jitter[slot]!;
      if (Number.isFinite(valueAt(values, length, time))) slots[count++] = slot;
    }
    return count;
  }

  /** Draws the picks of a row, rising, so that the series is gone through once. */
  #pick(row: number, count: number, random: RandomState): Float32Array {
    const { sizes, picks } = this.#batch;
    const drawn = picks.subarray(row * sizes.picks, (row + 1) * sizes.picks);
    for (let i = 0; i < drawn.length; i++) drawn[i] = count > 0 ? drawPick(random, count) : 0;
    return drawn.sort();
  }

  /** The decoder's row for one lead, and what came true. */
  #lead(
    row: number,
    { values, length }: DrawnSeries,
    state: FeatureState,
    time: number,
    random: RandomState,
  ): void {
    const { target, weight } = this.#batch;
    const lead = drawLead(random);
    takeLead(state, lead, this.#rows, row);
    const error = (valueAt(values, length, time + lead) - state.last) / this.#rows.unit[row]!;
    // A target that is no number is none.
    const isUsed = Math.abs(error) <= TARGET_MAX;
    target[row] = isUsed ? error : 0;
    weight[row] = isUsed ? 1 : 0;
  }

  /** A row without a sample: nothing in it counts. */
  #empty(row: number): void {
    const { sizes, features, anchors, valid, scale, target, weight } = this.#batch;
    const count = sizes.picks * sizes.leads;
    const [from, to] = [row * count, (row + 1) * count];
    features.fill(0, from * LEAD_FEATURES, to * LEAD_FEATURES);
    anchors.fill(0, from * ANCHORS, to * ANCHORS);
    valid.fill(0, from * ANCHORS, to * ANCHORS);
    // The first anchor is the last value, which stands for itself.
    for (let i = from; i < to; i++) valid[i * ANCHORS] = 1;
    scale.fill(1, from, to);
    target.fill(0, from, to);
    weight.fill(0, from, to);
  }
}

/** The seasons as a stream that declares none gets them. */
export const findSeasons: SeasonFinder = (values, periodS) =>
  featureSeasons(seasonsOf(values, { originS: 0, periodS, stampsJitter: false }, []));

/**
 * Makes a minibatch: always the same one for the same arguments.
 *
 * @param seed   of the series and of what is picked in them
 * @param index  of the minibatch
 * @param into   memory to write to; all of it is written
 * @throws {InvalidValueError} a size is out of range
 */
export function assembleBatch(
  { recipe, real }: NeuralSource,
  seed: number,
  index: number,
  sizes: NeuralSizes,
  into: AssembledBatch = batchOn(sizes),
): AssembledBatch {
  const assembler = new Assembler(into);
  const slots = sizes.length + LEAD_SLOTS_MAX;
  for (let row = 0; row < sizes.batch; row++) {
    const drawn = index * sizes.batch + row;
    const series = drawSeries(recipe, seed, drawn, slots, real, findSeasons);
    assembler.fill(row, series, seedRandom(seedOf(seed, drawn)));
  }
  return into;
}
