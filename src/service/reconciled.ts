import { InvalidValueError, LimitError, NotFoundError } from "../base/errors.ts";
import type { Store, StreamRecord } from "../stores/store.ts";
import type { Aggregate, DrawRequest } from "../streams/answers.ts";
import { type Engine, FORECAST_QUANTILES_MAX, type ForecastResult } from "../streams/engine.ts";
import { type AggregateShape, aggregateShape } from "./answer_shapes.ts";
import {
  type Hierarchy,
  readHierarchy,
  reconcile,
  type Reconciliation,
  sumUp,
} from "./hierarchy.ts";
import { addDraws, drawnQuantile, drawScores, momentsOf, SCORE_LEVELS } from "./part_draws.ts";
import { errorCorrelations, sharedLead, sharedPasts } from "./shared_errors.ts";
import {
  type ForecastPointShape,
  forecastShape,
  numberShape,
  type ProvenanceShape,
} from "./shapes.ts";

/** Values of one reconciliation: streams · times. */
export const RECONCILED_VALUES_MAX = 50_000;

/** Quantiles of one reconciliation: beside them a forecast is asked for its whole distribution. */
export const RECONCILED_QUANTILES_MAX = FORECAST_QUANTILES_MAX - SCORE_LEVELS.length;

/** Joint draws of the parts of sums: fewer where many values are asked for. */
const [DRAWS_MIN, DRAWS_MAX] = [400, 2_000];
const DRAWN_VALUES_MAX = 10_000_000;

/** Of the draws: the same states give the same answer. */
const SEED = 0;

/** What is told of windows: what adds up over parts, as the largest and the smallest do not. */
export const RECONCILED_AGGREGATES = ["total", "mean"] as const satisfies readonly Aggregate[];

/** What is asked of forecasts that add up. */
export interface ReconciledQuestion {
  /** Parts by the name of their sum. */
  readonly sums: ReadonlyMap<string, readonly string[]>;
  readonly method: Reconciliation;
  readonly horizon?: number;
  readonly timesNs?: BigInt64Array;
  readonly quantiles: Float64Array;
  readonly levels: readonly number[];
  /** Channel of every stream; default: each one's first. */
  readonly channel?: string | undefined;
  /** Told of windows of the times; default none. */
  readonly aggregates?: readonly (typeof RECONCILED_AGGREGATES)[number][];
  /** Times of a window; at most as many as are asked for, default all of them. */
  readonly window?: number;
}

/** One time of a node's forecast. */
export interface ReconciledPointShape extends ForecastPointShape {
  /** Mean of its distribution: that of a sum is the sum of its parts' means. */
  mean: number | null;
}

/** One node's forecast. */
export interface ReconciledNodeShape {
  /** Whether it is a stream with a forecast of its own. */
  isStream: boolean;
  /** Its own means before; null where it has none. */
  base: (number | null)[] | null;
  forecast: ReconciledPointShape[];
  /** Where they were asked for. */
  aggregates?: AggregateShape[];
  provenance: ProvenanceShape | null;
}

/** Forecasts that add up. */
export interface ReconciledShape {
  method: Reconciliation;
  nodes: Record<string, ReconciledNodeShape>;
}

/** Distributions of a node, one a row: of its values at times, or of its totals of windows. */
interface Distributions {
  /** At {@linkcode SCORE_LEVELS}.                                               [row, level] */
  readonly levels: Float64Array;
  /** At the quantiles of the question.                                       [row, quantile] */
  readonly quantiles: Float64Array;
  readonly means: Float64Array;
  readonly variances: Float64Array;
}

/** A node with its own forecast. */
interface Base {
  readonly record: StreamRecord;
  readonly channel: string;
  readonly forecast: ForecastResult;
  readonly times: Distributions;
  /** Of the windows that are asked for. */
  readonly totals: Distributions;
}

/** Times whose values are put together. */
interface Window {
  readonly from: number;
  readonly count: number;
}

async function recordsOf(
  store: Store,
  { nodes, bottoms }: Hierarchy,
): Promise<Map<string, StreamRecord>> {
  const records = new Map<string, StreamRecord>();
  for (const name of nodes) {
    const record = await store.getStream(name);
    if (record !== null) records.set(name, record);
    else if (bottoms.includes(name)) throw new NotFoundError("stream", name);
  }
  return records;
}

function channelOf(record: StreamRecord, asked: string | undefined): string {
  const channel = asked ?? record.channels[0];
  if (channel !== undefined && record.channels.includes(channel)) return channel;
  throw new InvalidValueError("channel", channel ?? "", `one of stream "${record.id}"`);
}

function checkSize(question: ReconciledQuestion, streams: number, times: number): void {
  if (streams * times > RECONCILED_VALUES_MAX) {
    throw new LimitError(
      "RECONCILED_VALUES_MAX",
      RECONCILED_VALUES_MAX,
      streams * times,
      "horizon",
    );
  }
  const quantiles = question.quantiles.length;
  if (quantiles <= RECONCILED_QUANTILES_MAX) return;
  const name = "RECONCILED_QUANTILES_MAX";
  throw new LimitError(name, RECONCILED_QUANTILES_MAX, quantiles, "quantiles");
}

/** @param rows  values at the quantiles that were asked for, by row */
function distributionsOf(
  rows: readonly Float64Array[],
  asked: Float64Array,
  quantiles: Float64Array,
): Distributions {
  const at = (wanted: Float64Array) => {
    const columns = Array.from(wanted, (quantile) => asked.indexOf(quantile));
    return Float64Array.from(rows.flatMap((row) => columns.map((column) => row[column]!)));
  };
  const levels = at(SCORE_LEVELS);
  const width = SCORE_LEVELS.length;
  const moments = rows.map((_, i) => momentsOf(levels.subarray(i * width, (i + 1) * width)));
  return {
    levels,
    quantiles: at(quantiles),
    means: Float64Array.from(moments, ({ mean }) => mean),
    variances: Float64Array.from(moments, ({ variance }) => variance),
  };
}

function baseOf(
  record: StreamRecord,
  channel: string,
  forecast: ForecastResult,
  quantiles: Float64Array,
): Base {
  const { quantiles: asked, values, timesNs, answers } = forecast;
  const rows = Array.from(
    timesNs,
    (_, t) => values[channel]!.subarray(t * asked.length, (t + 1) * asked.length),
  );
  const totals = answers?.[channel]?.aggregates.map((answer) => answer.quantiles) ?? [];
  return {
    ...{ record, channel, forecast },
    times: distributionsOf(rows, asked, quantiles),
    totals: distributionsOf(totals, asked, quantiles),
  };
}

/** Windows of the question, one after the other: none where nothing is asked of them. */
function windowsOf({ aggregates = [], window }: ReconciledQuestion, times: number): Window[] {
  if (aggregates.length === 0) return [];
  const count = window ?? times;
  return Array.from(
    { length: Math.ceil(times / count) },
    (_, i) => ({ from: i * count, count: Math.min(count, times - i * count) }),
  );
}

/** Forecasts of all streams at the same times: those after the newest sample of any of them. */
async function basesOf(
  engine: Engine,
  records: ReadonlyMap<string, StreamRecord>,
  question: ReconciledQuestion,
): Promise<Map<string, Base>> {
  const { horizon, timesNs, quantiles, channel, aggregates = [], window } = question;
  const all = [...records.values()];
  checkSize(question, all.length, timesNs?.length ?? horizon ?? 1);
  const newest = all.reduce((a, b) => (b.lastNs ?? 0n) > (a.lastNs ?? 0n) ? b : a);
  const asked = Float64Array.from(new Set([...SCORE_LEVELS, ...quantiles])).sort();
  const draws: { draws?: DrawRequest } = aggregates.length === 0 ? {} : {
    draws: {
      ...{ paths: 0, seed: SEED, aggregates: ["total"], thresholds: [] },
      ...(window === undefined ? {} : { window }),
    },
  };
  const ask = (record: StreamRecord, times: { horizon?: number; timesNs?: BigInt64Array }) =>
    engine.forecast(record.id, {
      ...times,
      ...draws,
      quantiles: asked,
      channels: [channelOf(record, channel)],
    });
  const first = await ask(newest, {
    ...(horizon === undefined ? {} : { horizon }),
    ...(timesNs === undefined ? {} : { timesNs }),
  });
  checkSize(question, all.length, first.timesNs.length);
  const bases = new Map<string, Base>();
  for (const record of all) {
    const forecast = record === newest ? first : await ask(record, { timesNs: first.timesNs });
    bases.set(record.id, baseOf(record, channelOf(record, channel), forecast, quantiles));
  }
  return bases;
}

/** Bounds of a part's channel. */
function boundsOf({ record, channel }: Base): { readonly lower: number; readonly upper: number } {
  const { lower = -Infinity, upper = Infinity } = record.settings.channels[channel] ?? {};
  return { lower, upper };
}

/** What the bounds of its parts allow a node to be: infinite where one of them has none. */
function reachOf(
  { bottoms, summing }: Hierarchy,
  bases: ReadonlyMap<string, Base>,
  node: number,
): { readonly lower: number; readonly upper: number } {
  const reach = { lower: 0, upper: 0 };
  bottoms.forEach((name, b) => {
    const count = summing[node * bottoms.length + b]!;
    if (count === 0) return;
    const { lower, upper } = boundsOf(bases.get(name)!);
    reach.lower += count * lower;
    reach.upper += count * upper;
  });
  return reach;
}

/** Means of all nodes that add up; parts stay within the bounds of their channels. */
function meansOf(
  hierarchy: Hierarchy,
  bases: ReadonlyMap<string, Base>,
  times: number,
  method: Reconciliation,
): Float64Array {
  const { nodes, bottoms } = hierarchy;
  const means = new Float64Array(nodes.length * times).fill(NaN);
  const variances = new Float64Array(nodes.length).fill(1);
  nodes.forEach((name, i) => {
    const base = bases.get(name);
    if (base === undefined) return;
    means.set(base.times.means, i * times);
    variances[i] = base.times.variances.reduce((sum, variance) => sum + variance / times, 0);
  });
  const own = reconcile(hierarchy, means, variances, method);
  bottoms.forEach((name, b) => {
    const { lower, upper } = boundsOf(bases.get(name)!);
    for (let t = b * times; t < (b + 1) * times; t++) {
      own[t] = Math.min(upper, Math.max(lower, own[t]!));
    }
  });
  return sumUp(hierarchy, own);
}

/** Lets other requests have their turn: many parts at many times take seconds. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Quantiles of nodes, as distances from their means. */
interface Spreads {
  /** [row, quantile] */
  of(node: number, rows: "times" | "totals"): Promise<Float64Array>;
}

/** A stream keeps its own. */
function ownSpread({ quantiles, means }: Distributions): Float64Array {
  const width = quantiles.length / means.length;
  return quantiles.map((value, at) => value - means[Math.floor(at / width)]!);
}

/**
 * A sum that is no stream has those of its parts' joint draws, which go together as their errors
 * did in the past: those of a window's total as errors at the time in its middle.
 */
async function spreadsOf(
  { store, engine }: { readonly store: Store; readonly engine: Engine },
  { nodes, bottoms, summing }: Hierarchy,
  bases: ReadonlyMap<string, Base>,
  quantiles: Float64Array,
  windows: readonly Window[],
): Promise<Spreads> {
  const parts = bottoms.map((name) => bases.get(name)!);
  const [{ forecast: { timesNs } }] = parts as [Base];
  const sums = nodes.filter((name) => !bases.has(name)).length;
  const rows = timesNs.length + windows.length;
  const wanted = Math.floor(DRAWN_VALUES_MAX / Math.max(1, sums * rows));
  const count = 2 * (Math.min(DRAWS_MAX, Math.max(DRAWS_MIN, wanted)) >> 1);
  const pasts = sums === 0 ? null : await sharedPasts({ store, engine }, parts);
  const scores = new Map<number, Float64Array>();
  const leadsOf = (times: Iterable<bigint>) =>
    pasts === null ? [] : Array.from(times, (timeNs) => sharedLead(pasts, timeNs));
  const leads = {
    times: leadsOf(timesNs),
    totals: leadsOf(windows.map((window) => timesNs[window.from + (window.count >> 1)]!)),
  };
  for (const lead of new Set([...leads.times, ...leads.totals])) {
    await turn();
    const correlations = errorCorrelations(pasts!.series, lead);
    scores.set(lead, drawScores(correlations, parts.length, count, SEED));
  }
  const drawn = (node: number, rows: "times" | "totals"): Float64Array => {
    const out = new Float64Array(leads[rows].length * quantiles.length);
    leads[rows].forEach((lead, row) => {
      const draws = new Float64Array(count);
      const joint = scores.get(lead)!;
      parts.forEach((part, p) => {
        const times = summing[node * parts.length + p]!;
        if (times === 0) return;
        const [from, to] = [row * SCORE_LEVELS.length, (row + 1) * SCORE_LEVELS.length];
        const own = part[rows].levels.subarray(from, to);
        addDraws(draws, own, joint.subarray(p * count, (p + 1) * count), times);
      });
      const mean = draws.reduce((sum, draw) => sum + draw / count, 0);
      draws.sort();
      quantiles.forEach((quantile, q) => {
        out[row * quantiles.length + q] = drawnQuantile(draws, quantile) - mean;
      });
    });
    return out;
  };
  return {
    async of(node, rows) {
      await turn();
      const base = bases.get(nodes[node]!);
      return base === undefined ? drawn(node, rows) : ownSpread(base[rows]);
    },
  };
}

/** What is told of a node's windows. */
interface NodeWindows {
  readonly windows: readonly Window[];
  /** Means of the node.                                                               [time] */
  readonly means: Float64Array;
  /** Quantiles of the totals, as distances from their means.              [window, quantile] */
  readonly spread: Float64Array;
  /** What one time's value can be. */
  readonly reach: { readonly lower: number; readonly upper: number };
}

/** Totals, or means, of a node's windows: a total's mean is the sum of its times' means. */
function nodeAggregates(
  { aggregates = [], quantiles, levels }: ReconciledQuestion,
  timesNs: BigInt64Array,
  { windows, means, spread, reach }: NodeWindows,
): AggregateShape[] {
  return aggregates.flatMap((aggregate) =>
    windows.map(({ from, count }, w) => {
      const mean = means.subarray(from, from + count).reduce((sum, one) => sum + one, 0);
      const share = aggregate === "total" ? 1 : 1 / count;
      const own = spread.subarray(w * quantiles.length, (w + 1) * quantiles.length)
        .map((distance) =>
          share * Math.min(count * reach.upper, Math.max(count * reach.lower, mean + distance))
        );
      const answer = { ...{ aggregate, from, count }, mean: share * mean, quantiles: own };
      return aggregateShape({ timesNs, quantiles }, answer, levels);
    })
  );
}

/**
 * Forecasts of streams and of their sums that add up.
 *
 * @throws {NotFoundError} a part is no stream
 * @throws {InvalidValueError | LimitError} the sums or the question cannot be
 */
export async function reconciledForecasts(
  parts: { readonly store: Store; readonly engine: Engine },
  question: ReconciledQuestion,
): Promise<ReconciledShape> {
  const hierarchy = readHierarchy(question.sums);
  const records = await recordsOf(parts.store, hierarchy);
  const bases = await basesOf(parts.engine, records, question);
  const [any] = bases.values();
  const { timesNs } = any!.forecast;
  const times = timesNs.length;
  const means = meansOf(hierarchy, bases, times, question.method);
  const width = question.quantiles.length;
  const windows = windowsOf(question, times);
  const spreads = await spreadsOf(parts, hierarchy, bases, question.quantiles, windows);
  const nodes: Record<string, ReconciledNodeShape> = {};
  for (const [i, name] of hierarchy.nodes.entries()) {
    const reach = reachOf(hierarchy, bases, i);
    const { lower, upper } = reach;
    const own = means.subarray(i * times, (i + 1) * times);
    const values = (await spreads.of(i, "times")).map((distance, at) =>
      Math.min(upper, Math.max(lower, own[Math.floor(at / width)]! + distance))
    );
    const base = bases.get(name);
    const { forecast, provenance } = forecastShape(
      {
        ...any!.forecast,
        ...base?.forecast,
        quantiles: question.quantiles,
        values: { [name]: values },
      },
      question.levels,
      base?.record.logOffset,
    );
    nodes[name] = {
      isStream: base !== undefined,
      base: base === undefined ? null : Array.from(base.times.means, numberShape),
      forecast: forecast.map((point, t) => ({
        ...point,
        mean: numberShape(own[t]!),
      })),
      ...(windows.length === 0 ? {} : {
        aggregates: nodeAggregates(question, timesNs, {
          ...{ windows, reach, means: own },
          spread: await spreads.of(i, "totals"),
        }),
      }),
      provenance: base === undefined ? null : provenance,
    };
  }
  return { method: question.method, nodes };
}
