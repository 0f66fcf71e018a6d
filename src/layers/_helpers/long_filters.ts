/**
 * Filters of long convolutions from few parameters, after Hyena and after SGConv; `long_conv.ts`
 * has their equations.
 */
import type { RandomState } from "../../base/random.ts";
import { type Device, openCpu } from "../../device/mod.ts";
import { add, gate, matmul, runOp } from "../../ops/mod.ts";
import type { OpInput } from "../../ops/mod.ts";
import { asDtype, type Dtype, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { derived } from "./derived.ts";
import { filled, normal, uniform } from "./init.ts";
import { need, operand } from "./tensors.ts";

/** What says which filters there are. */
export interface FilterConfig {
  readonly feature: number;
  readonly taps: number;
  readonly filter: "implicit" | "multiscale";
  /** Hidden features of the network that makes implicit filters. */
  readonly hidden: number;
  /** Frequencies of the positions that it sees. */
  readonly bands: number;
  /** Parameters of each scale of a multiscale filter. */
  readonly scaleSize: number;
}

type Tensors = Readonly<Record<string, OpInput>>;

/** A window's decay over the whole filter, from the slowest feature's to the fastest's. */
const DECAY_SLOW = Math.log(100) / 1.5;
const DECAY_FAST = Math.log(100) / 0.3;

/** Share by which a coarser scale is weaker. */
const SCALE_DECAY = 0.5;

/** Scales that cover all taps: sizes 1, 1, 2, 4, … times `scaleSize`. */
function scalesOf({ taps, scaleSize }: FilterConfig): number {
  let scales = 1;
  for (let covered = scaleSize; covered < taps; covered *= 2) scales++;
  return scales;
}

/** First parameters of `count` filters for each feature. */
export function filterTensors(
  config: FilterConfig,
  count: number,
  random: RandomState,
): Record<string, Tensor> {
  const { feature, hidden, bands, scaleSize } = config;
  const rows = count * feature;
  if (config.filter === "multiscale") {
    const weights = normal(random, [rows, scalesOf(config) * scaleSize]);
    return { scaleWeight: unitFilters(config, weights) };
  }
  const inputs = 2 * bands + 1;
  const linear = (out: number, fanIn: number) =>
    uniform(random, [out, fanIn], 1 / Math.sqrt(fanIn));
  return {
    positionProj: linear(hidden, inputs),
    positionBias: uniform(random, [hidden], 1 / Math.sqrt(inputs)),
    hiddenProj: linear(hidden, hidden),
    hiddenBias: uniform(random, [hidden], 1 / Math.sqrt(hidden)),
    filterProj: linear(rows, hidden),
  };
}

const host = openCpu({ collected: true });

/** Weights whose filters have the norm 1, as SGConv scales them at their start. */
function unitFilters(config: FilterConfig, weights: Tensor): Tensor {
  const [rows = 0, width = 0] = weights.shape;
  const { taps } = config;
  const spread = host.dataOf(
    runOp(host, matmul, { a: weights, b: scaleTable(config, false) }, {}).c,
  );
  const norms = Array.from(
    { length: rows },
    (_, row) => Math.hypot(...spread.subarray(row * taps, (row + 1) * taps)),
  );
  return filled(weights.shape, (i) => weights.data[i]! / norms[Math.floor(i / width)]!);
}

/** Position l, or, where the newest tap is to be the last, its mirror. */
function lagAt(l: number, taps: number, newestLast: boolean): number {
  return newestLast ? taps - 1 - l : l;
}

/** t = lag/taps with the cosines and sines of its first frequencies.  [taps, 2·bands + 1] */
function positionTable({ taps, bands }: FilterConfig, newestLast: boolean): Tensor {
  const width = 2 * bands + 1;
  return filled([taps, width], (i) => {
    const t = lagAt(Math.floor(i / width), taps, newestLast) / taps;
    const column = i % width;
    if (column === 0) return t;
    const angle = 2 * Math.PI * Math.ceil(column / 2) * t;
    return column % 2 === 1 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** exp(−rate·t), rates spread over the features.                     [count·feature, taps] */
function windowTable({ feature, taps }: FilterConfig, count: number, newestLast: boolean): Tensor {
  return filled([count * feature, taps], (i) => {
    const d = Math.floor(i / taps) % feature;
    const share = feature === 1 ? 0 : d / (feature - 1);
    const rate = DECAY_SLOW + share * (DECAY_FAST - DECAY_SLOW);
    return Math.exp(-rate * lagAt(i % taps, taps, newestLast) / taps);
  });
}

/**
 * Spreads the parameters of every scale over its taps by linear interpolation, a coarser scale
 * weaker by half.
 *
 * @returns                                                  [scales·scaleSize, taps]
 */
function scaleTable(config: FilterConfig, newestLast: boolean): Tensor {
  const { taps, scaleSize } = config;
  const scales = scalesOf(config);
  const data = new Float64Array(scales * scaleSize * taps);
  let start = 0;
  for (let s = 0; s < scales; s++) {
    const size = scaleSize * 2 ** Math.max(0, s - 1);
    for (let i = 0; i < size && start + i < taps; i++) {
      const place = Math.min(Math.max((i + 0.5) * scaleSize / size - 0.5, 0), scaleSize - 1);
      const left = Math.min(Math.floor(place), scaleSize - 1);
      const right = Math.min(left + 1, scaleSize - 1);
      const column = lagAt(start + i, taps, newestLast);
      const put = (row: number, share: number) => {
        const at = (s * scaleSize + row) * taps + column;
        data[at] = data[at]! + SCALE_DECAY ** s * share;
      };
      put(left, 1 - (place - left));
      put(right, place - left);
    }
    start += size;
  }
  return tensorOf([scales * scaleSize, taps], data);
}

/**
 * The filters, with the skip D added to the tap of lag 0.
 *
 * @param newestLast the tap of lag 0 is the last, as a short convolution takes them
 * @returns                                                        [count·feature, taps]
 */
export function filtersOf(
  device: Device,
  config: FilterConfig,
  tensors: Tensors,
  { count, newestLast, dtype }: { count: number; newestLast: boolean; dtype: Dtype },
): OpInput {
  const { taps, feature } = config;
  const of = (name: string) => operand(need(tensors, name), dtype);
  /** What depends on the configuration alone is made once. */
  const table = (name: string, make: () => Tensor) =>
    derived(config, `${name}, ${newestLast}, ${dtype}`, () => asDtype(make(), dtype));
  const first = table(
    "first",
    () => filled([1, taps], (l) => lagAt(l, taps, newestLast) === 0 ? 1 : 0),
  );
  const D = of("D");
  const column = { ...D, shape: [count * feature, 1] };
  const skip = runOp(device, matmul, { a: column, b: first }, {}).c;
  if (config.filter === "multiscale") {
    const b = table("scales", () => scaleTable(config, newestLast));
    const filters = runOp(device, matmul, { a: of("scaleWeight"), b }, {}).c;
    return runOp(device, add, { a: filters, b: skip }, {}).out;
  }
  const dense = (a: OpInput, weight: string, bias: string) => {
    const given = { a, b: of(weight), bias: of(bias) };
    return runOp(device, matmul, given, { transposeB: true, activation: "silu" }).c;
  };
  const positions = table("positions", () => positionTable(config, newestLast));
  const hidden = dense(positions, "positionProj", "positionBias");
  const b = dense(hidden, "hiddenProj", "hiddenBias");
  const raw = runOp(device, matmul, { a: of("filterProj"), b }, { transposeB: true }).c;
  const z = table(`window of ${count}`, () => windowTable(config, count, newestLast));
  const windowed = runOp(device, gate, { y: raw, z }, { activation: "identity" }).out;
  return runOp(device, add, { a: windowed, b: skip }, {}).out;
}
