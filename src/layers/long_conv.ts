/**
 * Long convolutions: filters of thousands of taps made from few parameters, between gates.
 *
 *   [z, g_1, …, g_order] = short convolution of inProj·u
 *   z   ← g_n ∘ (filter_n * z + D_n·z)         n = 1 … order
 *   out = outProj·z
 *
 * That is the operator of Hyena (Poli et al., arXiv 2302.10866, definition 3.1). With `order` 0
 * there are no projections and no gates, out = outProj·(filter * u + D·u), as in SGConv (Li et al.,
 * arXiv 2210.09298). The filters are either
 *
 *   implicit     a network of the position, times a window that decays: filter[l] = exp(−rate·t)·
 *                W·silu(W·silu(W·[t, cos 2πt, sin 2πt, …] + b) + b), t = l/taps   (Hyena, 3.3)
 *   multiscale   runs of `scaleSize` parameters, spread over 1, 1, 2, 4, … times as many taps, each
 *                weaker by half than the one before                              (SGConv, 3)
 *
 * Differences: Hyena's network has sines for activations; here the cosines and sines of the
 * position bring the high frequencies in.
 *
 * A convolution has no short state: what is carried are the last taps − 1 inputs of every filter,
 * a window of a limited size ({@linkcode LONG_CONV_TAPS_MAX}), and a step costs O(taps). Filters of
 * up to 64 taps run as short convolutions; longer ones by FFT over the length and what was carried
 * in, whose rounding reaches all outputs, those before a sample too: some 1e-16 of the largest in
 * f64, 1e-7 in f32.
 *
 * Irregular samples: taps count samples, whatever time has passed.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openCpu, openScope } from "../device/mod.ts";
import { carryPast, conv1d, fftConv, gate, matmul, runOp, slice } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { asDtype, type Dtype, type FloatArray, reshape, tensorOf } from "../tensor/tensor.ts";
import { floatArray, type Tensor, zeros } from "../tensor/tensor.ts";
import { madeFor, madeOnHost } from "./_helpers/derived.ts";
import { checkSize, filled, normal, uniform } from "./_helpers/init.ts";
import { type FilterConfig, filtersOf, filterTensors } from "./_helpers/long_filters.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand } from "./_helpers/tensors.ts";
import { slideInto } from "./_helpers/window.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of a layer of long convolutions. */
export interface LongConvConfig extends FilterConfig {
  /** Gates, each after a long convolution; 0: one long convolution without gates. */
  readonly order: number;
  /** Taps of the short convolutions of the projections. */
  readonly width: number;
}

/** Longest filter: the state holds so many samples of each feature, less one. */
export const LONG_CONV_TAPS_MAX = 65_536;

/** Most gates of one layer. */
const ORDER_MAX = 4;

/** The longest filter that runs as a short convolution, whose op has this limit. */
const DIRECT_TAPS_MAX = 64;

function validate(config: LongConvConfig): void {
  checkSize("feature", config.feature);
  checkSize("taps", config.taps, LONG_CONV_TAPS_MAX);
  checkSize("width", config.width, DIRECT_TAPS_MAX);
  checkSize("hidden", config.hidden);
  checkSize("bands", config.bands);
  checkSize("scaleSize", config.scaleSize);
  const { order, filter } = config;
  if (!(Number.isInteger(order) && order >= 0 && order <= ORDER_MAX)) {
    throw new InvalidValueError("order", order, `an integer from 0 to ${ORDER_MAX}`);
  }
  if (filter !== "implicit" && filter !== "multiscale") {
    throw new InvalidValueError("filter", filter, "implicit or multiscale");
  }
}

/** Long convolutions of a layer. */
function countOf({ order }: LongConvConfig): number {
  return Math.max(1, order);
}

/**
 * Parameters, linear weights as [out, in], `count` = max(1, order):
 *
 *   inProj [(order + 1)·feature, feature], shortWeight [(order + 1)·feature, width], shortBias
 *                                                                        (with order above 0)
 *   positionProj [hidden, 2·bands + 1], hiddenProj [hidden, hidden], positionBias, hiddenBias
 *   [hidden], filterProj [count·feature, hidden]                                   (implicit)
 *   scaleWeight [count·feature, scales·scaleSize]                                (multiscale)
 *   D [count·feature]     outProj [feature, feature]
 */
function init(config: LongConvConfig, random: RandomState): LayerParams<LongConvConfig> {
  validate(config);
  const { feature, order, width } = config;
  const rows = (order + 1) * feature;
  const bound = 1 / Math.sqrt(feature);
  return {
    config,
    tensors: {
      ...(order > 0 && {
        inProj: uniform(random, [rows, feature], bound),
        shortWeight: uniform(random, [rows, width], 1 / Math.sqrt(width)),
        shortBias: filled([rows], () => 0),
      }),
      ...filterTensors(config, countOf(config), random),
      D: normal(random, [countOf(config) * feature]),
      outProj: uniform(random, [feature, feature], bound),
    },
  };
}

type Params = ForwardParams<LongConvConfig>;

/** The filter of every long convolution by its number, D within.           [feature, taps] */
function filtersBy({ config, tensors }: Params, newestLast: boolean) {
  const { feature, taps } = config;
  const count = countOf(config);
  return (device: Device, dtype: Dtype): Record<string, OpInput> => {
    const all = filtersOf(device, config, tensors, { count, newestLast, dtype });
    if (count === 1) return { filter0: all };
    const x = reshape(all, [count * feature * taps]);
    const size = feature * taps;
    return Object.fromEntries(Array.from({ length: count }, (_, n) => {
      const { out } = runOp(device, slice, { x }, { start: n * size, count: size });
      return [`filter${n}`, reshape(out, [feature, taps])];
    }));
  };
}

/**
 * The filters of a layer, D within the tap of lag 0.
 *
 * @returns                                               [count, feature, taps], lag 0 first
 */
export function longConvFilters(params: LayerParams<LongConvConfig>): Tensor {
  const { feature, taps } = params.config;
  const filters = madeOnHost(params, "filters", filtersBy(params, false));
  const size = feature * taps;
  return filled(
    [countOf(params.config), feature, taps],
    (i) => need(filters, `filter${Math.floor(i / size)}`).data[i % size]!,
  );
}

function isDirect({ taps }: LongConvConfig): boolean {
  return taps <= DIRECT_TAPS_MAX;
}

/** One long convolution, going on from the inputs that were carried in. */
function convolve(
  device: Device,
  u: OpInput,
  filter: OpInput,
  x0: OpInput | undefined,
): { y: DeviceTensor; state: DeviceTensor } {
  const [feature = 0, taps = 0] = filter.shape;
  if (taps <= DIRECT_TAPS_MAX) {
    return runOp(device, conv1d, { u, weight: filter, x0 }, { activation: "identity" });
  }
  const past = taps - 1;
  const [batch = 0, length = 0] = u.shape;
  const { joined, state } = runOp(device, carryPast, { u, x0 }, { past });
  if (x0 === undefined) return { y: runOp(device, fftConv, { u, kernel: filter }, {}).y, state };
  const { y } = runOp(device, fftConv, { u: joined, kernel: filter }, {});
  const x = reshape(y, [batch, (past + length) * feature]);
  const range = { start: past * feature, count: length * feature };
  return { y: reshape(runOp(device, slice, { x }, range).out, u.shape), state };
}

function forward(
  device: Device,
  params: Params,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config, tensors } = params;
  const { feature, order } = config;
  const { dtype } = u;
  const scope = openScope(device);
  const param = (name: string) => operand(need(tensors, name), dtype);
  try {
    const direct = isDirect(config);
    const make = filtersBy(params, direct);
    const filters = madeFor(scope, params, `filters, ${direct}`, dtype, make);
    const state: Record<string, DeviceTensor> = {};
    let z: OpInput = u;
    let gateAt = (_n: number): OpInput => u;
    if (order > 0) {
      const short = runOp(scope, conv1d, {
        u: linear(scope, tensors, u, "inProj"),
        weight: param("shortWeight"),
        bias: param("shortBias"),
        x0: carried(options.state?.["short"], dtype),
      }, { activation: "identity" });
      state["short"] = scope.keep(short.state);
      gateAt = (n) =>
        runOp(scope, slice, { x: short.y }, { start: n * feature, count: feature }).out;
      z = gateAt(0);
    }
    for (let n = 0; n < countOf(config); n++) {
      const x0 = carried(options.state?.[`past${n}`], dtype);
      const long = convolve(scope, z, need(filters, `filter${n}`), x0);
      state[`past${n}`] = scope.keep(long.state);
      z = order === 0
        ? long.y
        : runOp(scope, gate, { y: long.y, z: gateAt(n + 1) }, { activation: "identity" }).out;
    }
    return { y: scope.keep(linear(scope, tensors, z, "outProj")), state };
  } finally {
    scope.release();
  }
}

function initialState(config: LongConvConfig, batch: number, dtype: Dtype = "f64"): LayerState {
  const { feature, order, taps, width } = config;
  const state: Record<string, Tensor> = {};
  if (order > 0) state["short"] = zeros([batch, (order + 1) * feature, width - 1], dtype);
  for (let n = 0; n < countOf(config); n++) {
    state[`past${n}`] = zeros([batch, feature, taps - 1], dtype);
  }
  return state;
}

/** The projections of a step run as the twins of their ops. */
const host = openCpu({ collected: true });

function linearRows(x: FloatArray, weight: Tensor): FloatArray {
  const { dtype } = tensorOf([x.length], x);
  const a = tensorOf([x.length / weight.shape[1]!, weight.shape[1]!], x);
  const b = asDtype(weight, dtype);
  return host.dataOf(runOp(host, matmul, { a, b }, { transposeB: true }).c);
}

function step(params: LayerParams<LongConvConfig>, u: FloatArray, state: LayerState): FloatArray {
  const { config: { feature, order }, tensors } = params;
  const { dtype } = need(state, "past0");
  const filters = madeOnHost(params, "newest last", filtersBy(params, true));
  const projected = floatArray(dtype, u.length * (order + 1));
  if (order > 0) {
    const raw = linearRows(u, need(tensors, "inProj"));
    const { data: weight } = need(tensors, "shortWeight");
    const { data: bias } = need(tensors, "shortBias");
    slideInto(projected, need(state, "short").data, raw, weight);
    for (let i = 0; i < raw.length; i++) projected[i] = projected[i]! + bias[i % bias.length]!;
  }
  /** Feature d of the n-th part of the row of input i. */
  const partAt = (n: number, i: number) => {
    const d = i % feature;
    return projected[(i - d) * (order + 1) + n * feature + d]!;
  };
  let z = order === 0 ? u : u.map((_, i) => partAt(0, i));
  for (let n = 0; n < countOf(params.config); n++) {
    const y = floatArray(dtype, u.length);
    slideInto(y, need(state, `past${n}`).data, z, need(filters, `filter${n}`).data);
    if (order > 0) { for (let i = 0; i < y.length; i++) y[i] = y[i]! * partAt(n + 1, i); }
    z = y;
  }
  return linearRows(z, need(tensors, "outProj"));
}

const EXAMPLE: LongConvConfig = {
  feature: 3,
  taps: 13,
  filter: "implicit",
  hidden: 5,
  bands: 2,
  scaleSize: 4,
  order: 2,
  width: 3,
};

/** Long convolutions between gates; see the head of this file. */
export const longConv: Layer<LongConvConfig> = timed({
  name: "long_conv",
  papers: [
    {
      title: "Hyena Hierarchy: Towards Larger Convolutional Language Models",
      arxiv: "2302.10866",
    },
    {
      title: "What Makes Convolutional Models Great on Long Sequence Modeling?",
      arxiv: "2210.09298",
    },
  ],
  validate,
  init,
  forward,
  initialState,
  step,
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "taps count samples, whatever time has passed",
  examples: [
    EXAMPLE,
    { ...EXAMPLE, filter: "multiscale", order: 0, taps: 50 },
    { ...EXAMPLE, feature: 2, taps: 64, order: 1, width: 1 },
  ],
});
