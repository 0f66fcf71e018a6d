/**
 * Multi-head damped moving averages: the real diagonal system of Mega.
 *
 *   h[k] = α·β·u[k] + (1 − α·δ)·h[k−1],   y[k] = Σ η·h[k]       `state` averages for each feature
 *   out  = silu(y + omega·u)
 *
 * with α = σ(alpha) and δ = σ(delta). Ma et al., "Mega: Moving Average Equipped Gated Attention"
 * (arXiv 2209.10655), section 3.1; the skip and the activation are of the published code. An
 * average is a mode of S4D whose frequency is 0: with z = log(1 − α·δ) and a step of 1 the held
 * system of S4D is this one ({@linkcode dampedEmaSystem}, `tests/layers/damped_ema_test.ts`).
 * Mega's attention over the averages is a layer of its own: `["damped_ema", "attention"]`.
 *
 * Irregular samples: an input lasts for its elapsed time of s sampling periods, so the past is
 * multiplied by (1 − α·δ)^s, and what the input adds is that of s samples of its value.
 *
 * The carried state is h.
 */
import type { RandomState } from "../base/random.ts";
import { type Device, openCpu, openScope } from "../device/mod.ts";
import { activation, emaSystem, linearScan, runOp } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { type Dtype, type FloatArray, tensorOf, zeros } from "../tensor/tensor.ts";
import { floatArray } from "../tensor/tensor.ts";
import { derived, madeFor, madeOnHost } from "./_helpers/derived.ts";
import { checkSize, filled, normal } from "./_helpers/init.ts";
import { asComplex, realPart } from "./_helpers/pairs.ts";
import { need, operand, spreadSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of a layer of damped averages. */
export interface DampedEmaConfig {
  /** Width of input and output. */
  readonly feature: number;
  /** Averages of each feature; Mega has 16. */
  readonly state: number;
}

/** Deviations of the first parameters in the published code. */
const LOGIT_DEVIATION = 0.2;
const BETA_DEVIATION = 0.02;

function validate(config: DampedEmaConfig): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state);
}

/**
 * Parameters: alpha, delta, beta, eta [feature, state], omega [feature].
 *
 * As in the published code beta starts near 1 and −1 in turn, and eta with the deviation
 * 1/√state, by which the code divides the sum.
 */
function init(config: DampedEmaConfig, random: RandomState): LayerParams<DampedEmaConfig> {
  validate(config);
  const { feature, state } = config;
  const drawn = normal(random, [feature, state], BETA_DEVIATION).data;
  return {
    config,
    tensors: {
      alpha: normal(random, [feature, state], LOGIT_DEVIATION),
      delta: normal(random, [feature, state], LOGIT_DEVIATION),
      beta: filled([feature, state], (i) => drawn[i]! + (i % state % 2 === 0 ? 1 : -1)),
      eta: normal(random, [feature, state], 1 / Math.sqrt(state)),
      omega: normal(random, [feature]),
    },
  };
}

/** The averages as a diagonal system.                            A, B, C [feature, state] c64 */
function systemBy({ tensors }: ForwardParams<DampedEmaConfig>, form: "discrete" | "continuous") {
  return (device: Device, dtype: Dtype) => {
    const of = (name: string) => operand(need(tensors, name), dtype);
    const averages = { alpha: of("alpha"), delta: of("delta"), beta: of("beta") };
    const { A, B } = runOp(device, emaSystem, averages, { form });
    return { A, B, C: asComplex(device, of("eta")) };
  };
}

/**
 * The averages as a system of the scans: discrete (Abar and Bbar), or in continuous time for a hold
 * over steps of one sampling period (lambda and B).
 *
 * @returns A, B, C, with imaginary parts of 0                        [feature, state] c64
 */
export function dampedEmaSystem(
  params: LayerParams<DampedEmaConfig>,
  form: "discrete" | "continuous",
) {
  return madeOnHost(params, form, systemBy(params, form));
}

function forward(
  device: Device,
  params: ForwardParams<DampedEmaConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { dtype } = u;
  const { dtScale } = options;
  const scope = openScope(device);
  try {
    const h = options.state?.["h"];
    const form = dtScale === undefined ? "discrete" : "continuous";
    const given = {
      u,
      ...madeFor(scope, params, form, dtype, systemBy(params, form)),
      D: operand(need(tensors, "omega"), dtype),
      x0: h && asComplex(scope, operand(h, dtype)),
    };
    const conjugatePairs = false;
    const ones = new Float64Array(config.feature).fill(1);
    const scanned = dtScale === undefined
      ? runOp(scope, linearScan, given, { variant: "lti", conjugatePairs })
      : runOp(scope, linearScan, { ...given, dt: spreadSteps(dtScale, ones, dtype) }, {
        variant: "perStep",
        discretization: "zoh",
        conjugatePairs,
      });
    const { y } = runOp(scope, activation, { x: scanned.y }, { kind: "silu" });
    return { y: scope.keep(y), state: { h: scope.keep(realPart(scope, scanned.state)) } };
  } finally {
    scope.release();
  }
}

function initialState(
  { feature, state }: DampedEmaConfig,
  batch: number,
  dtype: Dtype = "f64",
): LayerState {
  return { h: zeros([batch, feature, state], dtype) };
}

/** What is kept of each average and what a unit of input adds.            [feature, state] */
interface Averages {
  readonly kept: Float64Array;
  readonly added: Float64Array;
}

/** The averages over a step of `scale` sampling periods, without their imaginary parts. */
function averagesAfter(params: LayerParams<DampedEmaConfig>, scale: number): Averages {
  const regular = derived(params, "averages", (): Averages => {
    const { A, B } = dampedEmaSystem(params, "discrete");
    const real = (data: FloatArray) => Float64Array.from(data).filter((_, i) => i % 2 === 0);
    return { kept: real(A.data), added: real(B.data) };
  });
  if (scale === 1) return regular;
  const { A } = dampedEmaSystem(params, "continuous");
  const kept = regular.kept.map((_, i) => Math.exp(scale * A.data[2 * i]!));
  const added = regular.added.map((value, i) =>
    value * Math.expm1(scale * A.data[2 * i]!) / Math.expm1(A.data[2 * i]!)
  );
  return { kept, added };
}

/** The activation of a step runs as the twin of its op. */
const host = openCpu({ collected: true });

function step(
  params: LayerParams<DampedEmaConfig>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  const { config: { state: width }, tensors } = params;
  const { data: h, dtype } = need(state, "h");
  const { kept, added } = averagesAfter(params, dtScale);
  const eta = need(tensors, "eta").data;
  const omega = need(tensors, "omega").data;
  const y = floatArray(dtype, u.length);
  for (let i = 0; i < u.length; i++) {
    const d = i % omega.length;
    let sum = omega[d]! * u[i]!;
    for (let n = 0; n < width; n++) {
      const next = kept[d * width + n]! * h[i * width + n]! + added[d * width + n]! * u[i]!;
      h[i * width + n] = next;
      sum += eta[d * width + n]! * next;
    }
    y[i] = sum;
  }
  return host.dataOf(runOp(host, activation, { x: tensorOf([y.length], y) }, { kind: "silu" }).y);
}

/** Multi-head damped averages; see the head of this file. */
export const dampedEma: Layer<DampedEmaConfig> = timed({
  name: "damped_ema",
  papers: [
    { title: "Mega: Moving Average Equipped Gated Attention", arxiv: "2209.10655" },
  ],
  validate,
  init,
  forward,
  initialState,
  step,
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => true,
  examples: [{ feature: 3, state: 4 }, { feature: 2, state: 1 }],
});
