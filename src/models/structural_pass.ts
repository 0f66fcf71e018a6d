/**
 * One pass of a structural filter with seasons over the samples of a fit. What serves steps in f64
 * (`structural.ts`); a fit asks a hundred times how well parameters suit, and the covariance of a
 * pass is f32, in blocks that four lanes take at a time. Means and innovations are f64.
 *
 *   P ← F·(P − k·kᵀ/S)·Fᵀ + Q,   k = P·row,   S = 1 + row·k,   v = y − row·mean,   mean += k·v'/S
 *
 * v' is v clipped as in serving. The states are level, slope and two Ornstein–Uhlenbeck terms, of
 * which those that a kind lacks stay 0, then the season states, which stand still. The measurement
 * of a sample enters the covariance with the time update to the next one, in one pass over it: with
 * the row before the update, Fᵀ·row, the product is P·row after it but for F and Q.
 *
 * The kernel and the loops here add in the same order: the same bits.
 */
import { layOutPass, type PassArrays, passUnit } from "../device/mod.ts";
import {
  clipInnovation,
  type StructuralModel,
  structuralStart,
  type StructuralState,
} from "./structural.ts";
import type { StructuralLayout } from "./structural_layout.ts";

/** Low states: level, slope, two OU terms. */
export const LOW_STATES = 4;

/** Places in `model`; simd/assembly/structural_pass.ts has the same. */
export const MODEL = {
  slopeGain: 0,
  slopeDecay: 1,
  ouDecay: 2,
  scaleSum: 4,
  scaleWeight: 5,
  /** 1/S of the sample before. */
  factor: 6,
  /** Σ |v| / √S. */
  sizeSum: 7,
} as const satisfies Record<string, number>;

/** Places in `low`, vectors of four; simd/assembly/structural_pass.ts has the same. */
const LOW = { decays: 0, gains: 4, row: 8, rowBefore: 12, noise: 16 } as const;

const fround = Math.fround;

/** Season states of a layout, filled up to whole vectors. */
export function passWidth({ omegas }: StructuralLayout): number {
  return 4 * Math.ceil(omegas.length / 4);
}

/** Where a state of a layout lies in a pass. */
export function passIndex(layout: StructuralLayout, i: number): number {
  if (i >= layout.seasonStart) return LOW_STATES + i - layout.seasonStart;
  return i >= layout.ouStart ? 2 + i - layout.ouStart : i;
}

/** Place of P[i, j] among the blocks, j ≤ i. */
function blockAt(i: number, j: number): number {
  const b = i >> 2;
  return 8 * b * (b + 1) + 4 * (b + 1) * (i & 3) + j;
}

/** Arrays for the samples of a fit, in the kernel's memory where they have room there. */
export function passArrays(length: number, width: number): PassArrays {
  const own = {
    f64: (count: number) => new Float64Array(count),
    f32: (count: number) => new Float32Array(count),
  };
  return passUnit()?.arrays(length, width) ?? layOutPass(own, length, width);
}

/** Puts a pass before its first sample, around `level`. */
export function startPass(arrays: PassArrays, model: StructuralModel, level: number): void {
  const { layout } = model;
  const { cov, column, mean, low, noise } = arrays;
  const start = structuralStart(model, 0, level);
  for (const array of [cov, column, mean, low, noise, arrays.model]) array.fill(0);
  for (let i = 0; i < layout.size; i++) {
    const at = passIndex(layout, i);
    mean[at] = start.mean[i]!;
    cov[blockAt(at, at)] = start.cov[i * (i + 3) / 2]!;
  }
}

/** Sets the transition to that of the model. */
export function setPassTransition(arrays: PassArrays, model: StructuralModel): void {
  const { layout: { kind }, transition: tr, seasonVariance } = model;
  const { low, noise, model: numbers } = arrays;
  const ou = (values: Float64Array, k: number) => values[k] ?? 0;
  const slopeDecay = kind.slope ? tr.decay : 0;
  const decays = [1, slopeDecay, ou(tr.ouDecay, 0), ou(tr.ouDecay, 1)];
  numbers[MODEL.slopeGain] = kind.slope ? tr.gain : 0;
  numbers.set(decays.slice(1), MODEL.slopeDecay);
  const row = [1, 0, tr.ouDecay.length > 0 ? 1 : 0, tr.ouDecay.length > 1 ? 1 : 0];
  low.set(decays, LOW.decays);
  low[LOW.gains] = numbers[MODEL.slopeGain]!;
  low.set(row, LOW.row);
  low.set(
    [1, numbers[MODEL.slopeGain]!, row[2]! * decays[2]!, row[3]! * decays[3]!],
    LOW.rowBefore,
  );
  low.fill(0, LOW.noise);
  low[LOW.noise] = tr.levelNoise;
  if (kind.slope) {
    low[LOW.noise + 1] = tr.crossNoise;
    low[LOW.noise + 4] = tr.crossNoise;
    low[LOW.noise + 5] = tr.slopeNoise;
  }
  for (let k = 0; k < tr.ouNoise.length; k++) low[LOW.noise + 5 * (2 + k)] = tr.ouNoise[k]!;
  for (let i = 0; i < seasonVariance.length; i++) noise[i] = seasonVariance[i]! * tr.dt;
}

/** The filter as it serves, after a pass whose last sample was at slot time `u`. */
export function stateOfPass(
  arrays: PassArrays,
  layout: StructuralLayout,
  u: number,
): StructuralState {
  const { cov, column, mean, model } = arrays;
  const { size } = layout;
  const places = Array.from({ length: size }, (_, i) => passIndex(layout, i));
  const factor = model[MODEL.factor]!;
  const packed = new Float64Array(size * (size + 1) / 2);
  // The measurement of the last sample has not entered the covariance yet.
  for (let i = 0, at = 0; i < size; i++) {
    const a = places[i]!;
    for (let j = 0; j <= i; j++, at++) {
      const b = places[j]!;
      packed[at] = cov[blockAt(a, b)]! - factor * column[a]! * column[b]!;
    }
  }
  return {
    mean: Float64Array.from(places, (place) => mean[place]!),
    cov: packed,
    u,
    scaleSum: model[MODEL.scaleSum]!,
    scaleWeight: model[MODEL.scaleWeight]!,
  };
}

/**
 * Runs the samples `from` to `to`, equal steps apart.
 *
 * @returns  how far it came: less where an innovation is no number
 */
export function runPass(arrays: PassArrays, from: number, to: number): number {
  const unit = passUnit();
  return unit?.has(arrays) ? unit.run(arrays, from, to) : plainPass(arrays, from, to);
}

/** {@linkcode runPass} in plain loops. */
export function plainPass(arrays: PassArrays, from: number, to: number): number {
  const { seasons, values, variances, mean, column, row, next, low, model } = arrays;
  const width = arrays.noise.length;
  row.set(low.subarray(LOW.rowBefore, LOW.rowBefore + LOW_STATES));
  for (let t = from; t < to; t++) {
    for (let i = 0; i < width; i++) row[LOW_STATES + i] = seasons[t * width + i]!;
    advance(arrays, fround(model[MODEL.factor]!));
    column.set(next);
    const variance = columnAfter(arrays);
    if (!(variance > 0)) return t;
    variances[t] = variance;
    advanceLowMean(arrays);
    const innovation = values[t]! - expectedAt(arrays, t);
    if (!Number.isFinite(innovation)) return t;
    const deviation = Math.sqrt(variance);
    model[MODEL.sizeSum] = model[MODEL.sizeSum]! + Math.abs(innovation) / deviation;
    const scale = { scaleSum: model[MODEL.scaleSum]!, scaleWeight: model[MODEL.scaleWeight]! };
    const gain = clipInnovation(scale, innovation, deviation) * (1 / variance);
    model[MODEL.scaleSum] = scale.scaleSum;
    model[MODEL.scaleWeight] = scale.scaleWeight;
    model[MODEL.factor] = 1 / variance;
    for (let i = 0; i < mean.length; i++) mean[i] = mean[i]! + column[i]! * gain;
  }
  return to;
}

const MODEL_DECAYS = [MODEL.slopeDecay, MODEL.ouDecay, MODEL.ouDecay + 1];

function advanceLowMean({ mean, model }: PassArrays): void {
  mean[0] = mean[0]! + model[MODEL.slopeGain]! * mean[1]!;
  for (let k = 0; k < 3; k++) mean[1 + k] = mean[1 + k]! * model[MODEL_DECAYS[k]!]!;
}

function expectedAt({ seasons, mean, low, noise }: PassArrays, t: number): number {
  const width = noise.length;
  let even = 0;
  let odd = 0;
  for (let i = 0; i < width; i += 2) {
    even += mean[LOW_STATES + i]! * seasons[t * width + i]!;
    odd += mean[LOW_STATES + i + 1]! * seasons[t * width + i + 1]!;
  }
  const sum = mean[0]! * low[LOW.row]! + mean[2]! * low[LOW.row + 2]! +
    mean[3]! * low[LOW.row + 3]!;
  return sum + (even + odd);
}

/** F·v of four low states, in place. */
function moveLow(v: Float32Array, from: number, low: Float32Array): void {
  const slope = v[from + 1]!;
  for (let k = 0; k < 4; k++) {
    v[from + k] = fround(
      fround(v[from + k]! * low[LOW.decays + k]!) + fround(slope * low[LOW.gains + k]!),
    );
  }
}

/** The sum of four lanes, as the kernel adds them. */
function lanesSum(lanes: Float32Array): number {
  return fround(fround(lanes[0]! + lanes[2]!) + fround(lanes[1]! + lanes[3]!));
}

const lanes = new Float32Array(4);

/** P ← F·(P − factor·column·columnᵀ)·Fᵀ + Q, next = (P − …)·row. */
function advance({ cov, column, row, next, low, noise }: PassArrays, factor: number): void {
  const blocks = 1 + noise.length / 4;
  for (let b = 0, start = 0; b < blocks; start += 16 * ++b) {
    for (let k = 0; k < 4; k++) {
      const from = start + k * 4 * (b + 1);
      const i = 4 * b + k;
      const scaled = fround(column[i]! * factor);
      lanes.fill(0);
      for (let j = 0; j < 4 * (b + 1); j++) {
        const less = fround(cov[from + j]! - fround(scaled * column[j]!));
        cov[from + j] = less;
        lanes[j & 3] = fround(lanes[j & 3]! + fround(less * row[j]!));
        if (j < 4 * b) next[j] = fround(next[j]! + fround(less * row[i]!));
      }
      next[i] = lanesSum(lanes);
      moveLow(cov, from, low);
      if (b > 0) cov[from + i] = fround(cov[from + i]! + noise[i - LOW_STATES]!);
    }
    if (b === 0) moveCorner(cov, low);
  }
}

/** The rest of F·P·Fᵀ + Q for the low states: F from the left, and the noise. */
function moveCorner(cov: Float32Array, low: Float32Array): void {
  for (let k = 0; k < 4; k++) {
    for (let j = 0; j < 4; j++) {
      let value = fround(cov[4 * k + j]! * low[LOW.decays + k]!);
      if (k === 0) value = fround(value + fround(cov[4 + j]! * low[LOW.gains]!));
      cov[4 * k + j] = fround(value + low[LOW.noise + 4 * k + j]!);
    }
  }
}

/** column ← F·column + Q·row; returns 1 + row·column. */
function columnAfter({ column, row, low, noise }: PassArrays): number {
  moveLow(column, 0, low);
  for (let m = 0; m < 4; m++) {
    const level = low[LOW.row + m]!;
    for (let k = 0; k < 4; k++) {
      column[k] = fround(column[k]! + fround(low[LOW.noise + 4 * m + k]! * level));
    }
  }
  for (let k = 0; k < 4; k++) lanes[k] = fround(column[k]! * low[LOW.row + k]!);
  for (let i = 4; i < column.length; i++) {
    column[i] = fround(column[i]! + fround(noise[i - 4]! * row[i]!));
    lanes[i & 3] = fround(lanes[i & 3]! + fround(column[i]! * row[i]!));
  }
  return fround(1 + lanesSum(lanes));
}
