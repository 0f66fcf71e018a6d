import type { PackedWork } from "./packed_cov.ts";
import { type StructuralLayout, THETA } from "./structural_layout.ts";

/** An innovation beyond this many running scales is clipped. */
const CLIP_SCALES = 4;

/** Mean |x| of a standard normal is 1 / 1.2533. */
export const SCALE_OF_MEAN_ABS = 1.2533;

const LEVEL_START_VARIANCE = 100;
const SLOPE_START_LOG10 = -1;
const SCALE_WARM_UP = 8;
const SCALE_FORGETTING = 0.995;
const SCALE_FORGETTING_FROM = 200;

/** A layout with its parameters in natural units, and the transition of the last step length. */
export type StructuralModel = {
  readonly layout: StructuralLayout;
  readonly theta: Float64Array;
  readonly damping: number;
  readonly levelVariance: number;
  readonly slopeVariance: number;
  readonly ouVariance: Float64Array;
  /** Random-walk variance per slot of each season state. */
  readonly seasonVariance: Float64Array;
  readonly transition: Transition;
};

/** The exact transition over `dt` slots. */
export type Transition = {
  dt: number;
  /** Share of the slope that reaches the level. */
  gain: number;
  /** Damping of the slope. */
  decay: number;
  levelNoise: number;
  crossNoise: number;
  slopeNoise: number;
  ouDecay: Float64Array;
  ouNoise: Float64Array;
};

/**
 * Puts a parameter vector to a layout.
 *
 * @param theta  at the positions of {@linkcode THETA}; variances are over the noise's  [THETA.size]
 */
export function structuralModel(layout: StructuralLayout, theta: Float64Array): StructuralModel {
  const levelVariance = 10 ** theta[THETA.level]!;
  const ouCount = layout.kind.tausSlots.length;
  const ouVariance = new Float64Array(ouCount);
  for (let k = 0; k < ouCount; k++) ouVariance[k] = 10 ** theta[THETA.ou + k]!;
  const seasonVariance = new Float64Array(layout.omegas.length);
  for (let i = 0; i < seasonVariance.length; i++) {
    seasonVariance[i] = 10 ** theta[THETA.season + layout.seasonIndex[i]!]!;
  }
  return {
    layout,
    theta,
    damping: theta[THETA.damping]!,
    levelVariance,
    slopeVariance: layout.kind.slope ? (1 + levelVariance) * 10 ** theta[THETA.slope]! : 0,
    ouVariance,
    seasonVariance,
    transition: {
      dt: NaN,
      gain: 0,
      decay: 1,
      levelNoise: 0,
      crossNoise: 0,
      slopeNoise: 0,
      ouDecay: new Float64Array(ouCount),
      ouNoise: new Float64Array(ouCount),
    },
  };
}

/** Share of the slope that reaches the level over `dt` slots: phi·(1 − phi^dt) / (1 − phi). */
export function slopeGain(damping: number, dt: number): number {
  return damping * (1 - damping ** dt) / (1 - damping);
}

/**
 * Sets the model's transition to `dt` slots; does nothing when it is that already.
 *
 * The noise of slope and level is that of an integrated Ornstein–Uhlenbeck process, so that two
 * half steps give the same covariance as one whole step.
 */
export function setTransition(model: StructuralModel, dt: number): Transition {
  const tr = model.transition;
  if (tr.dt === dt) return tr;
  tr.dt = dt;
  tr.levelNoise = model.levelVariance * dt;
  if (model.layout.kind.slope) {
    const phi = model.damping;
    const kappa = -Math.log(phi);
    const sigma2 = model.slopeVariance * 2 * kappa / (1 - phi * phi);
    const alpha = kappa * phi / (1 - phi);
    const one = 1 - phi ** dt;
    const two = 1 - phi ** (2 * dt);
    tr.gain = slopeGain(phi, dt);
    tr.decay = phi ** dt;
    tr.slopeNoise = sigma2 * two / (2 * kappa);
    tr.crossNoise = alpha * sigma2 / kappa * (one / kappa - two / (2 * kappa));
    const integrated = dt - 2 * one / kappa + two / (2 * kappa);
    tr.levelNoise += Math.max(0, alpha * alpha * sigma2 / (kappa * kappa) * integrated);
  }
  const taus = model.layout.kind.tausSlots;
  for (let k = 0; k < taus.length; k++) {
    const decay = Math.exp(-dt / taus[k]!);
    tr.ouDecay[k] = decay;
    tr.ouNoise[k] = model.ouVariance[k]! * (1 - decay * decay);
  }
  return tr;
}

/** What a filter carries: plain data. */
export type StructuralState = {
  /** [size] */
  mean: Float64Array;
  /** Packed lower triangle.                                                [size·(size + 1) / 2] */
  cov: Float64Array;
  /** Slot time of the state. */
  u: number;
  /** Running mean of |innovation| / sqrt(its variance): sum and weight. */
  scaleSum: number;
  scaleWeight: number;
};

/** A filter before its first sample, at slot time `u`, around `level`. */
export function structuralStart(
  model: StructuralModel,
  u: number,
  level: number,
): StructuralState {
  const { layout } = model;
  const n = layout.size;
  const cov = new Float64Array(n * (n + 1) / 2);
  const put = (i: number, variance: number) => cov[i * (i + 1) / 2 + i] = variance;
  put(0, LEVEL_START_VARIANCE + 10 * model.levelVariance);
  if (layout.kind.slope) put(1, (1 + model.levelVariance) * 10 ** SLOPE_START_LOG10);
  for (let k = 0; k < model.ouVariance.length; k++) put(layout.ouStart + k, model.ouVariance[k]!);
  for (let i = 0; i < layout.omegas.length; i++) {
    put(layout.seasonStart + i, layout.startVariance[i]!);
  }
  const mean = new Float64Array(n);
  mean[0] = level;
  return { mean, cov, u, scaleSum: 0, scaleWeight: 0 };
}

/** Time update of the mean over the model's current transition.                         [size] */
export function advanceMean(model: StructuralModel, mean: Float64Array): void {
  const { layout, transition } = model;
  if (layout.kind.slope) {
    mean[0] = mean[0]! + transition.gain * mean[1]!;
    mean[1] = mean[1]! * transition.decay;
  }
  for (let k = 0; k < transition.ouDecay.length; k++) {
    mean[layout.ouStart + k] = mean[layout.ouStart + k]! * transition.ouDecay[k]!;
  }
}

/**
 * Time update of the covariance over the model's current transition.
 *
 * @param cov  lower triangle, row by row, in units of the noise's variance              [packed]
 */
export function advanceCov(model: StructuralModel, cov: Float64Array): void {
  const { layout, transition: tr } = model;
  const n = layout.size;
  if (layout.kind.slope) {
    const { gain, decay } = tr;
    const p10 = cov[1]!;
    const p11 = cov[2]!;
    cov[0] = cov[0]! + 2 * gain * p10 + gain * gain * p11 + tr.levelNoise;
    cov[1] = decay * (p10 + gain * p11) + tr.crossNoise;
    cov[2] = decay * decay * p11 + tr.slopeNoise;
    for (let i = 2, at = 3; i < n; at += ++i) {
      cov[at] = cov[at]! + gain * cov[at + 1]!;
      cov[at + 1] = decay * cov[at + 1]!;
    }
  } else {
    cov[0] = cov[0]! + tr.levelNoise;
  }
  for (let k = 0; k < tr.ouDecay.length; k++) {
    const o = layout.ouStart + k;
    const decay = tr.ouDecay[k]!;
    const row = o * (o + 1) / 2;
    for (let j = 0; j < o; j++) cov[row + j] = cov[row + j]! * decay;
    cov[row + o] = cov[row + o]! * decay * decay + tr.ouNoise[k]!;
    for (let i = o + 1, at = row + o + 1 + o; i < n; at += ++i) cov[at] = cov[at]! * decay;
  }
  const dt = tr.dt;
  const { seasonStart } = layout;
  const season = model.seasonVariance;
  for (let i = seasonStart, at = seasonStart * (seasonStart + 3) / 2; i < n; i++, at += i + 1) {
    cov[at] = cov[at]! + season[i - seasonStart]! * dt;
  }
}

/** Time update of a state to slot time `u` (not earlier than the state's). */
export function predictTo(model: StructuralModel, state: StructuralState, u: number): void {
  const dt = u - state.u;
  if (dt <= 0) return;
  setTransition(model, dt);
  advanceMean(model, state.mean);
  advanceCov(model, state.cov);
  state.u = u;
}

/**
 * Mean of the observation at the state's own slot time.
 *
 * @param mean  [size]
 * @param row   the observation row at that time                                           [size]
 */
export function observedMean(mean: Float64Array, row: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < mean.length; i++) sum += mean[i]! * row[i]!;
  return sum;
}

/** What one measurement update found; reused, never kept. */
export type Innovation = {
  /** What was expected of the observation. */
  mean: number;
  /** Observation minus that. */
  value: number;
  /** Variance of it, in units of the noise variance. */
  variance: number;
};

/**
 * Robust measurement update at the state's slot time.
 *
 * @param work  the observation row there in `row`, scratch in `column`, and the kernels for `cov`
 * @param out   receives the unclipped innovation and its variance
 * @param isKeptInF32  whether the covariance is left as it will be kept, rounded to f32
 */
export function observe(
  state: StructuralState,
  work: PackedWork,
  value: number,
  out: Innovation,
  isKeptInF32 = false,
): void {
  const { cov } = state;
  const { kernels, row, column } = work;
  const size = row.length;
  kernels.covTimesRow(cov, row, column, size);
  let variance = 1;
  for (let i = 0; i < size; i++) variance += column[i]! * row[i]!;
  out.variance = variance;
  observeInMean(state, row, column, value, out);
  if (isKeptInF32) kernels.subtractOuterRounded(cov, column, 1 / variance, size);
  else kernels.subtractOuter(cov, column, 1 / variance, 1, size);
}

/**
 * The part of a measurement update that the mean takes, where covariance times row and the
 * innovation's variance are known.
 *
 * @param column  covariance times row                                                    [size]
 * @param out     has the variance; receives the unclipped innovation
 */
export function observeInMean(
  state: StructuralState,
  row: Float64Array,
  column: Float64Array,
  value: number,
  out: Innovation,
): void {
  const { mean } = state;
  const { variance } = out;
  const expected = observedMean(mean, row);
  const innovation = value - expected;
  out.mean = expected;
  out.value = innovation;
  const used = clipInnovation(state, innovation, Math.sqrt(variance));
  const gain = used / variance;
  for (let i = 0; i < mean.length; i++) mean[i] = mean[i]! + column[i]! * gain;
}

/** Clips an innovation at the running scale, which it then updates. */
export function clipInnovation(
  state: { scaleSum: number; scaleWeight: number },
  innovation: number,
  deviation: number,
): number {
  let used = innovation;
  let size = Math.abs(innovation) / deviation;
  if (state.scaleWeight > SCALE_WARM_UP) {
    const limit = CLIP_SCALES * SCALE_OF_MEAN_ABS * state.scaleSum / state.scaleWeight;
    if (size > limit) {
      used = innovation * limit / size;
      size = limit;
    }
  }
  const keep = state.scaleWeight > SCALE_FORGETTING_FROM ? SCALE_FORGETTING : 1;
  state.scaleSum = state.scaleSum * keep + size;
  state.scaleWeight = state.scaleWeight * keep + 1;
  return used;
}

/** Running scale of the innovations, in units of their own deviation. */
export function innovationScale(
  state: Pick<StructuralState, "scaleSum" | "scaleWeight">,
): number {
  return SCALE_OF_MEAN_ABS * state.scaleSum / (state.scaleWeight + 1e-12);
}
