import { kalmanFilter, type KalmanFiltered, totalLogLik } from "../../ssm/kalman.ts";
import { kalmanFilterParallel, kalmanSmootherParallel } from "../../ssm/kalman_parallel.ts";
import { kalmanForecast } from "../../ssm/kalman_forecast.ts";
import { kalmanSmoother } from "../../ssm/kalman_smoother.ts";
import {
  approximateDiffuseStart,
  exactDiffuseStart,
  type KalmanStart,
  type KalmanSystem,
  stationaryStart,
} from "../../ssm/kalman_system.ts";
import { fitVariances } from "../../ssm/maximum_likelihood.ts";
import { isTrend, type StructuralSpec, structuralSystem } from "../../ssm/structural.ts";
import type { Computed, Widened } from "./compare.ts";
import {
  type GoldenCase,
  type GoldenTensor,
  numberOf,
  tensorOfCase,
  textOf,
  valuesOf,
} from "./golden_file.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { answerByOps, type KalmanAnswer, sizesRefused } from "./kalman_ops.ts";
import { fartherOf } from "./tensors.ts";

/**
 * Filter, smoother, disturbances, likelihood, forecasts and maximum likelihood: in f64
 * sequentially, as scans and by the ops' twins, of which the farthest value counts; on a GPU by
 * the ops.
 */
export const kalmanGroup: GroupRunner = {
  group: "kalman",
  onGpu: true,
  run(golden, on) {
    return golden.scalars["spec"] !== undefined
      ? maximumLikelihood(golden, on)
      : smooth(golden, on);
  },
  rules: {
    ignored(golden, tensor, index) {
      const mask = golden.tensors.get("mask");
      if (mask === undefined || !/^forecast_error(_tail)?$/.test(tensor)) return false;
      // A tail starts late: its last row is the series' last.
      const skipped = mask.values.length - tensorOfCase(golden, tensor).values.length;
      return mask.values[skipped + index] === 1;
    },
    widened: approximateStartRounding,
  },
};

/** Units of rounding that two ways of computing the same smoothed covariance may differ by. */
const ROUNDING_UNITS = 32;

/**
 * Under an approximate diffuse start the smoothed covariance P − P·N·P of the first times is the
 * small difference of numbers near the start variance κ: N is formed from terms up to 1/H, with an
 * error of ε/H, which P·N·P multiplies by κ². The manifest leaves these times out of its other
 * tensors (their tails begin later) but not out of this one; its own reference is off by as much.
 */
function approximateStartRounding(golden: GoldenCase, tensor: GoldenTensor): Widened | undefined {
  const tail = golden.tensors.get("filtered_state_cov_tail");
  if (tensor.name !== "smoothed_state_cov" || tail === undefined) return undefined;
  if (golden.scalars["initialization"] !== "approx") return undefined;
  const variance = numberOf(golden, "approximate_diffuse_variance", DIFFUSE_VARIANCE);
  const noise = Math.max(...valuesOf(golden, "H"));
  return {
    count: tensor.values.length - tail.values.length,
    allowed: (ROUNDING_UNITS * Number.EPSILON * variance ** 2) / noise,
    reason: "its first times carry the rounding of the approximate diffuse start",
  };
}

/** Samples of a chunk of the scans: several chunks in every case. */
const SCAN_CHUNK = 7;

/** Loss of log likelihood that an own optimiser may have against the reference's. */
const OPTIMUM_MARGIN = 1e-3;

/** The variance of an approximate diffuse start where a case does not name it. */
const DIFFUSE_VARIANCE = 1e6;

function systemOf(golden: GoldenCase): KalmanSystem {
  const Z = tensorOfCase(golden, "Z");
  const R = tensorOfCase(golden, "R");
  const [, observed = 0, state = 0] = Z.shape;
  return {
    sizes: { state, observed, noise: R.shape[2] ?? 0 },
    A: valuesOf(golden, "T"),
    C: Z.values,
    G: R.values,
    processCov: valuesOf(golden, "Q"),
    observationCov: valuesOf(golden, "H"),
    stateIntercept: valuesOf(golden, "c"),
    observationIntercept: valuesOf(golden, "d"),
  };
}

/** A given start, the one that the case names, or the stationary one where P1 is an output. */
function startOf(golden: GoldenCase, system: KalmanSystem): KalmanStart {
  const { state } = system.sizes;
  const { initialization } = golden.scalars;
  if (initialization === "exact") return exactDiffuseStart(state);
  if (initialization === "approx") {
    const variance = numberOf(golden, "approximate_diffuse_variance", DIFFUSE_VARIANCE);
    return approximateDiffuseStart(state, variance);
  }
  const cov = golden.tensors.get("P1");
  if (cov?.role === "input" || cov?.role === "param") {
    return { mean: valuesOf(golden, "a1"), cov: cov.values };
  }
  return stationaryStart(system);
}

async function smooth(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const system = systemOf(golden);
  const start = startOf(golden, system);
  const observations = valuesOf(golden, "endog");
  const refused = sizesRefused(on, system);
  if (refused !== null) return { unsupported: refused };
  if (on.dtype === "f32") {
    const values = valuesOfAnswer(golden, await answerByOps(on, system, start, observations));
    return { values: { ...values, ...startValues(start) } };
  }
  const filtered = kalmanFilter(system, start, observations);
  const smoothed = kalmanSmoother(system, filtered, observations);
  const values = valuesOfAnswer(golden, { filtered, smoothed });
  const others = [
    await unlessRefused(() => answerByOps(on, system, start, observations)),
    await unlessRefused(() => scanned(system, start, observations)),
  ];
  for (const other of others) {
    if (other === undefined) continue;
    for (const [name, value] of Object.entries(valuesOfAnswer(golden, other))) {
      const reference = golden.tensors.get(name)?.values;
      if (reference?.length !== value.length) continue;
      values[name] = fartherOf(reference, values[name]!, value);
    }
  }
  return { values: { ...values, ...startValues(start) } };
}

/** The start is worked out in f64, whatever runs from it. */
function startValues(start: KalmanStart): Record<string, Float64Array> {
  return { a1: start.mean, P1: start.cov };
}

/** The answer of the scans. */
function scanned(system: KalmanSystem, start: KalmanStart, observations: Float64Array) {
  const filtered = kalmanFilterParallel(system, start, observations, SCAN_CHUNK);
  const smoothed = kalmanSmootherParallel(system, filtered, observations, SCAN_CHUNK);
  return { filtered, smoothed };
}

/** Another form's answer; undefined where a covariance is singular that this form must invert. */
async function unlessRefused<T>(answer: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** An answer by the names of a case. A scan has no disturbances. */
function valuesOfAnswer(
  golden: GoldenCase,
  { filtered, smoothed }: Pick<KalmanAnswer, "filtered"> & {
    readonly smoothed: Partial<KalmanAnswer["smoothed"]>;
  },
): Record<string, Float64Array> {
  const burn = numberOf(golden, "burn", 0);
  const named: Record<string, Float64Array | undefined> = {
    predicted_state: filtered.predictedMean,
    predicted_state_cov: filtered.predictedCov,
    filtered_state: filtered.filteredMean,
    filtered_state_cov: filtered.filteredCov,
    forecast: filtered.forecast,
    forecast_error: filtered.innovation,
    forecast_error_cov: filtered.innovationCov,
    llf_obs: filtered.logLik,
    kalman_gain: filtered.gain,
    loglike: new Float64Array([totalLogLik(filtered, burn)]),
    smoothed_state: smoothed.mean,
    smoothed_state_cov: smoothed.cov,
    smoothed_state_disturbance: smoothed.processNoise,
    smoothed_state_disturbance_cov: smoothed.processNoiseCov,
    smoothed_measurement_disturbance: smoothed.observationNoise,
    smoothed_measurement_disturbance_cov: smoothed.observationNoiseCov,
  };
  const values = Object.fromEntries(
    Object.entries(named).filter((entry): entry is [string, Float64Array] =>
      entry[1] !== undefined
    ),
  );
  addCutsInto(values, golden, filtered);
  return values;
}

/** Tails (after a start whose variance drowns everything), heads, and forecasts of some length. */
function addCutsInto(
  values: Record<string, Float64Array>,
  golden: GoldenCase,
  filtered: KalmanFiltered,
): void {
  for (const { name, values: expected } of golden.tensors.values()) {
    const whole = name.endsWith("_tail") ? values[name.slice(0, -"_tail".length)] : undefined;
    if (whole !== undefined) values[name] = whole.slice(whole.length - expected.length);
  }
  const head = golden.tensors.get("predicted_diffuse_state_cov");
  if (head !== undefined) {
    values["predicted_diffuse_state_cov"] = filtered.predictedDiffuseCov
      .slice(0, head.values.length);
  }
  const horizon = golden.tensors.get("oos_mean")?.shape[0];
  if (horizon !== undefined) {
    const { mean, cov } = kalmanForecast(systemOf(golden), filtered, horizon);
    values["oos_mean"] = mean;
    values["oos_cov"] = cov;
  }
}

/** The reference's long names of the trends. */
const TREND_NAMES: Readonly<Record<string, string>> = {
  "deterministic constant": "dconstant",
  "local level": "llevel",
  "random walk": "rwalk",
  "deterministic trend": "dtrend",
  "local linear deterministic trend": "lldtrend",
  "random walk with drift": "rwdrift",
  "local linear trend": "lltrend",
  "smooth trend": "strend",
  "random trend": "rtrend",
};

function specOf(golden: GoldenCase): StructuralSpec | undefined {
  const named = textOf(golden, "spec");
  const trend = Object.hasOwn(TREND_NAMES, named) ? TREND_NAMES[named]! : named;
  const seasons = golden.scalars["freq_seasonal"] ?? [];
  if (!isTrend(trend) || !Array.isArray(seasons)) return undefined;
  const known = seasons.every(({ period, harmonics }) => period > 0 && harmonics > 0);
  return known ? { trend, seasons } : undefined;
}

/** The variance that a text such as "approximate, variance 1e6" names. */
function startVariance(golden: GoldenCase): number {
  const named = String(golden.scalars["diffuse"] ?? "").match(/variance ([\d.e+]+)/)?.[1];
  return named === undefined ? DIFFUSE_VARIANCE : Number(named);
}

/** The search itself runs in f64 on the host; all that follows from its case is the device's. */
async function maximumLikelihood(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const spec = specOf(golden);
  if (spec === undefined) return { unsupported: `structural model "${golden.scalars["spec"]}"` };
  const system = systemOf(golden);
  const refused = sizesRefused(on, system);
  if (refused !== null) return { unsupported: refused };
  const observations = valuesOf(golden, "endog");
  const start = golden.scalars["use_exact_diffuse"] === true
    ? exactDiffuseStart(system.sizes.state)
    : approximateDiffuseStart(system.sizes.state, startVariance(golden));
  const burn = numberOf(golden, "burn", 0);
  const answer = (of: KalmanSystem) => answerOf(on, of, start, observations);
  const { filtered, smoothed } = await answer(system);
  const { mean, cov } = kalmanForecast(
    system,
    filtered,
    golden.tensors.get("forecast_mean")?.shape[0] ?? 0,
  );
  const fit = fitVariances({
    systemOf: (variances) => structuralSystem(spec, variances),
    start,
    observations,
    burn,
    count: valuesOf(golden, "params").length,
  });
  const logLik = totalLogLik(filtered, burn);
  if (fit.logLik < logLik - OPTIMUM_MARGIN) {
    throw new RangeError(
      `${golden.name}: own optimum ${fit.logLik} is below the reference's ${logLik}`,
    );
  }
  const other = await answer(structuralSystem(spec, valuesOf(golden, "params_other")));
  return {
    values: {
      params: fit.variances,
      loglike: new Float64Array([logLik]),
      loglike_other: new Float64Array([totalLogLik(other.filtered, burn)]),
      smoothed_state: smoothed.mean,
      filtered_state: filtered.filteredMean,
      forecast_mean: mean,
      forecast_var: cov,
    },
  };
}

/** Sequentially in f64, or by the ops where they run on a GPU. */
async function answerOf(
  on: GoldenDevice,
  system: KalmanSystem,
  start: KalmanStart,
  observations: Float64Array,
): Promise<KalmanAnswer> {
  if (on.dtype === "f32") return await answerByOps(on, system, start, observations);
  const filtered = kalmanFilter(system, start, observations);
  return { filtered, smoothed: kalmanSmoother(system, filtered, observations) };
}
