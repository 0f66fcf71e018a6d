/**
 * HiPPO: online memory of each feature, from which the past can be drawn again at any time.
 *
 *   dx/dt = (A·x + B·u)/window        (LegS: over the time seen so far)        y = C·x
 *
 * Gu et al., "HiPPO: Recurrent Memory with Optimal Polynomial Projections" (arXiv 2008.07669); the
 * window in the scaling `lmu` is that of Legendre Memory Units (Voelker, Kajić and Eliasmith,
 * NeurIPS 2019). A and B are the measure's and are not learned. C reads the memory and may be
 * trained; it starts as the readout of a delay, y(t) ≈ u(t − delay·window), which for `legt` and
 * `lmu` is the rational function of their order that is closest to an exact delay.
 *
 * - measures with a window are time-invariant: op `shared_scan`, discretised by `discretization`,
 *   with elapsed times native (a step of another size is discretised anew);
 * - `legs` remembers everything and weighs it equally, at a resolution that shrinks with 1/t: op
 *   `legs_scan`, exact for a held input, elapsed times native. Its state carries the time seen.
 *
 * {@linkcode hippoCoefficients} gives the coefficients over a whole length,
 * {@linkcode hippoReconstruct} the past that coefficients stand for.
 */
import { InvalidValueError } from "../base/errors.ts";
import { nextUniform, type RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { add, legsScan, type OpInput, runOp, sharedScan } from "../ops/mod.ts";
import { type DiscreteSystem, discretizeDense } from "../ssm/discretize.ts";
import { legsHeldInto, legsQuadrature, legsStepInto } from "../ssm/legs_step.ts";
import { MEMORY_MEASURES, memoryBasis, type MemoryMeasure, memorySystem } from "../ssm/memory.ts";
import { reconstruct } from "../ssm/projection.ts";
import { expectShape } from "../tensor/shape.ts";
import { asDtype, type Dtype, type FloatArray, reshape, zeros } from "../tensor/tensor.ts";
import { type Tensor, tensorOf } from "../tensor/tensor.ts";
import { derived } from "./_helpers/derived.ts";
import { checkSize, filled } from "./_helpers/init.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand } from "./_helpers/tensors.ts";
import {
  bytesOfState,
  checkElapsed,
  type ForwardOptions,
  type ForwardParams,
  timed,
} from "./layer.ts";
import type { ForwardResult, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of a HiPPO memory. */
export interface HippoConfig {
  readonly feature: number;
  /** Coefficients of each feature; even for `fourier`. */
  readonly state: number;
  readonly measure: MemoryMeasure;
  /**
   * Length of the window in sampling periods, > 0; `lagt`: where the weight has fallen to 1/e;
   * without effect on `legs`.
   */
  readonly window: number;
  /** How a window's system becomes discrete; `legs` holds its input, always. */
  readonly discretization: "zoh" | "bilinear";
  /**
   * Only of `legs`: sampling periods of zeros that are taken to lie before the first sample, ≥ 0. 0
   * knows nothing of the time before, 1 is the convention of the published code.
   */
  readonly start: number;
  /**
   * Delays that C reads at first, as shares of the window (`legs`: of all time seen): one of each
   * feature, uniform in [delayMin, delayMax], within 0 to 1.
   */
  readonly delayMin: number;
  readonly delayMax: number;
}

/** Coefficients of a feature at most: what the ops' workgroups hold. */
const STATES_MAX = 256;

function validate(config: HippoConfig): void {
  checkSize("feature", config.feature);
  checkSize("state", config.state, STATES_MAX);
  if (!MEMORY_MEASURES.includes(config.measure)) {
    throw new InvalidValueError("measure", config.measure, `one of ${MEMORY_MEASURES.join(", ")}`);
  }
  if (config.measure === "fourier" && config.state % 2 !== 0) {
    throw new InvalidValueError("state", config.state, "even for fourier");
  }
  const { delayMin, delayMax } = config;
  if (!(delayMin >= 0 && delayMin <= 1)) {
    throw new InvalidValueError("delayMin", delayMin, "a number from 0 to 1");
  }
  if (!(delayMax >= delayMin && delayMax <= 1)) {
    throw new InvalidValueError("delayMax", delayMax, `a number from ${delayMin} to 1`);
  }
  if (!(config.start >= 0 && Number.isFinite(config.start))) {
    throw new InvalidValueError("start", config.start, "a finite number of at least 0");
  }
  if (!(config.window > 0 && Number.isFinite(config.window))) {
    throw new InvalidValueError("window", config.window, "a finite number above 0");
  }
  if (config.discretization !== "zoh" && config.discretization !== "bilinear") {
    throw new InvalidValueError("discretization", config.discretization, "zoh or bilinear");
  }
}

/**
 * Parameters:
 *
 *   C   readout, at first one delay of each feature's own memory   [feature, feature·state]
 */
function init(config: HippoConfig, random: RandomState): LayerParams<HippoConfig> {
  validate(config);
  const { measure, feature, state, delayMin, delayMax } = config;
  const ages = Array.from(
    { length: feature },
    () => delayMin + (delayMax - delayMin) * nextUniform(random),
  );
  const basis = memoryBasis(measure, state, ages);
  const C = filled([feature, feature * state], (i) => {
    const [row, column] = [Math.floor(i / (feature * state)), i % (feature * state)];
    return Math.floor(column / state) === row ? basis[row * state + column % state]! : 0;
  });
  return { config, tensors: { C } };
}

function discretized(config: HippoConfig, scale: number): DiscreteSystem {
  const { A, B } = memorySystem(config.measure, config.state);
  const { state: stateSize, discretization: method, window } = config;
  return discretizeDense(A, B, { stateSize, dt: scale / window, method });
}

/** The systems of the given elapsed times; equal times are worked out once. */
function systemsOf(
  config: HippoConfig,
  scales: ArrayLike<number>,
  rows: readonly number[],
): { A: Tensor; B: Tensor } {
  const { state } = config;
  const A = new Float64Array(scales.length * state * state);
  const B = new Float64Array(scales.length * state);
  const known = new Map<number, DiscreteSystem>();
  for (let i = 0; i < scales.length; i++) {
    let system = known.get(scales[i]!);
    if (system === undefined) known.set(scales[i]!, system = discretized(config, scales[i]!));
    A.set(system.Abar, i * state * state);
    B.set(system.Bbar, i * state);
  }
  return { A: tensorOf([...rows, state, state], A), B: tensorOf([...rows, state], B) };
}

/** Coefficients of a window's measure over a whole length. */
function scanWindow(
  device: Device,
  config: HippoConfig,
  u: OpInput,
  { state, dtScale }: ForwardOptions,
): HippoCoefficients {
  const { A, B } = systemsOf(config, dtScale?.data ?? [1], dtScale?.shape ?? []);
  const { states, state: x } = runOp(device, sharedScan, {
    u,
    A: asDtype(A, u.dtype),
    B: asDtype(B, u.dtype),
    x0: carried(state?.["x"], u.dtype),
  }, {});
  return { coefficients: states, state: { x } };
}

/** Coefficients of LegS over a whole length. */
function scanAll(
  device: Device,
  config: HippoConfig,
  u: OpInput,
  { state, dtScale }: ForwardOptions,
): HippoCoefficients {
  const [batch = 0, length = 0] = u.shape;
  const elapsed = new Float64Array(batch);
  const dt = new Float64Array(length * batch);
  const ends = new Float64Array(length * batch);
  for (let k = 0; k < length; k++) {
    for (let b = 0; b < batch; b++) {
      dt[k * batch + b] = dtScale ? dtScale.data[b * length + k]! : 1;
      ends[k * batch + b] = elapsed[b] = elapsed[b]! + dt[k * batch + b]!;
    }
  }
  const host = (data: Float64Array, shape: readonly number[]) =>
    asDtype(tensorOf(shape, data), u.dtype);
  const start = filled([batch], () => config.start);
  const b = operand(state?.["seen"] ?? start, u.dtype);
  const times = runOp(device, add, { a: host(ends, [length, batch]), b }, {}).out;
  const seen = runOp(device, add, { a: host(elapsed, [batch]), b }, {}).out;
  const { coefficients, state: x } = runOp(device, legsScan, {
    u,
    dt: host(dt, [length, batch]),
    times,
    x0: carried(state?.["x"], u.dtype),
  }, { state: config.state });
  return { coefficients, state: { x, seen } };
}

/** What {@linkcode hippoCoefficients} gives. */
export interface HippoCoefficients {
  /**                                                       [batch, length, feature, state] */
  readonly coefficients: DeviceTensor;
  /** As in {@linkcode ForwardResult}. */
  readonly state: { readonly [name: string]: DeviceTensor };
}

/**
 * The coefficients of every feature's past after each sample, on either device; on a tape's device
 * gradients pass to u and to the carried coefficients.
 *
 * @param u                                                        [batch, length, feature]
 * @throws {ShapeError} an axis of u, of the state or of dtScale differs
 * @throws {InvalidValueError} an elapsed time is negative or not finite
 */
export function hippoCoefficients(
  device: Device,
  config: HippoConfig,
  u: OpInput,
  options: ForwardOptions = {},
): HippoCoefficients {
  const [batch = 0, length = 0] = u.shape;
  expectShape("u", ["batch", "length", "feature"], [batch, length, config.feature], u.shape);
  checkElapsed(u, options);
  const scope = openScope(device);
  try {
    const result = config.measure === "legs"
      ? scanAll(scope, config, u, options)
      : scanWindow(scope, config, u, options);
    for (const tensor of [result.coefficients, ...Object.values(result.state)]) scope.keep(tensor);
    return result;
  } finally {
    scope.release();
  }
}

/**
 * The past that coefficients stand for.
 *
 * @param x     coefficients, such as the state's `x`                                [.., state]
 * @param ages  shares of the window (`legs`: of all time seen), 0 is now               [point]
 * @returns                                                                    [.., point] f64
 * @throws {InvalidValueError} an age is outside of the window
 * @throws {ShapeError} x has another number of coefficients than the configuration
 */
export function hippoReconstruct(
  config: HippoConfig,
  x: Tensor,
  ages: ArrayLike<number>,
): Tensor {
  const rows = x.shape.slice(0, -1);
  expectShape("x", rows.map((_, i) => `${i}`), [...rows, config.state], x.shape);
  const basis = memoryBasis(config.measure, config.state, ages);
  const data = reconstruct(Float64Array.from(x.data), basis, config.state);
  return tensorOf([...rows, ages.length], data);
}

function forward(
  device: Device,
  { config, tensors }: ForwardParams<HippoConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const scope = openScope(device);
  try {
    const { coefficients, state } = hippoCoefficients(scope, config, u, options);
    const [batch = 0, length = 0] = u.shape;
    const a = reshape(coefficients, [batch, length, config.feature * config.state]);
    const y = scope.keep(linear(scope, tensors, a, "C"));
    for (const tensor of Object.values(state)) scope.keep(tensor);
    return { y, state };
  } finally {
    scope.release();
  }
}

function initialState(config: HippoConfig, batch: number, dtype: Dtype = "f64"): LayerState {
  const x = zeros([batch, config.feature, config.state], dtype);
  if (config.measure !== "legs") return { x };
  return { x, seen: asDtype(filled([batch], () => config.start), dtype) };
}

/** next = Abar·x + Bbar·u for one row of coefficients. */
function advanceInto(next: Float64Array, x: FloatArray, u: number, system: DiscreteSystem): void {
  const size = next.length;
  for (let n = 0; n < size; n++) {
    let sum = system.Bbar[n]! * u;
    for (let k = 0; k < size; k++) sum += system.Abar[n * size + k]! * x[k]!;
    next[n] = sum;
  }
}

/** Advances the coefficients of every row in place. */
function advance(
  params: LayerParams<HippoConfig>,
  u: FloatArray,
  state: LayerState,
  dtScale: number,
): void {
  const { config } = params;
  const x = need(state, "x").data;
  const next = new Float64Array(config.state);
  const rowAt = (i: number) => x.subarray(i * config.state, (i + 1) * config.state);
  if (config.measure !== "legs") {
    const system = dtScale === 1
      ? derived(params, "system", () => discretized(config, 1))
      : discretized(config, dtScale);
    for (let i = 0; i < u.length; i++) {
      advanceInto(next, rowAt(i), u[i]!, system);
      rowAt(i).set(next);
    }
    return;
  }
  const seen = need(state, "seen").data;
  const held = new Float64Array(config.state);
  const quadrature = legsQuadrature(config.state);
  for (let b = 0; b < seen.length; b++) {
    seen[b] = seen[b]! + dtScale;
    const share = dtScale / seen[b]!;
    legsHeldInto(held, share);
    for (let i = b * config.feature; i < (b + 1) * config.feature; i++) {
      legsStepInto(next, rowAt(i), u[i]!, held, share, quadrature);
      rowAt(i).set(next);
    }
  }
}

function step(
  params: LayerParams<HippoConfig>,
  u: FloatArray,
  state: LayerState,
  dtScale = 1,
): FloatArray {
  const { feature } = params.config;
  advance(params, u, state, dtScale);
  const x = need(state, "x").data;
  const C = need(params.tensors, "C").data;
  const width = C.length / feature;
  const y = u.slice();
  for (let i = 0; i < u.length; i++) {
    const [row, d] = [Math.floor(i / feature) * width, i % feature * width];
    let sum = 0;
    for (let j = 0; j < width; j++) sum += C[d + j]! * x[row + j]!;
    y[i] = sum;
  }
  return y;
}

const EXAMPLE: HippoConfig = {
  feature: 3,
  state: 6,
  measure: "legs",
  window: 12,
  discretization: "zoh",
  start: 1,
  delayMin: 0,
  delayMax: 1,
};

/** HiPPO's online memory; see the head of this file. */
export const hippo: Layer<HippoConfig> = timed({
  name: "hippo",
  papers: [
    { title: "HiPPO: Recurrent Memory with Optimal Polynomial Projections", arxiv: "2008.07669" },
  ],
  validate,
  init,
  forward,
  initialState,
  step,
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: (config) =>
    config.measure === "legs" || config.discretization === "zoh" ||
    "the bilinear rule approximates the exponential anew in each half",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, start: 0.25, feature: 2, state: 9 },
    { ...EXAMPLE, measure: "legt" },
    { ...EXAMPLE, measure: "lmu", discretization: "bilinear" },
    { ...EXAMPLE, measure: "lagt", state: 5 },
    { ...EXAMPLE, measure: "fourier", window: 20 },
  ],
});
