import { InvalidValueError, LimitError, NotFoundError } from "../base/errors.ts";
import type { Store, StreamRecord } from "../stores/store.ts";
import type { Engine, ForecastResult } from "../streams/engine.ts";
import {
  type Hierarchy,
  readHierarchy,
  reconcile,
  type Reconciliation,
  sumUp,
} from "./hierarchy.ts";
import {
  type ForecastPointShape,
  forecastShape,
  numberShape,
  type ProvenanceShape,
} from "./shapes.ts";

/** Values of one reconciliation: streams · times. */
export const RECONCILED_VALUES_MAX = 50_000;

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
}

/** One node's forecast. */
export interface ReconciledNodeShape {
  /** Whether it is a stream with a forecast of its own. */
  isStream: boolean;
  /** Its own medians before; null where it has none. */
  base: (number | null)[] | null;
  forecast: ForecastPointShape[];
  provenance: ProvenanceShape | null;
}

/** Forecasts that add up. */
export interface ReconciledShape {
  method: Reconciliation;
  nodes: Record<string, ReconciledNodeShape>;
}

const LOW = 0.1;
const HIGH = 0.9;

/** A node with its own forecast at the quantiles of the question, and 0.1, 0.5 and 0.9. */
interface Base {
  readonly record: StreamRecord;
  readonly channel: string;
  readonly forecast: ForecastResult;
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

/** Forecasts of all streams at the same times: those after the newest sample of any of them. */
async function basesOf(
  engine: Engine,
  records: ReadonlyMap<string, StreamRecord>,
  { horizon, timesNs, quantiles, channel }: ReconciledQuestion,
): Promise<Map<string, Base>> {
  const all = [...records.values()];
  const newest = all.reduce((a, b) => (b.lastNs ?? 0n) > (a.lastNs ?? 0n) ? b : a);
  const asked = Float64Array.from(new Set([LOW, 0.5, HIGH, ...quantiles])).sort();
  const ask = (record: StreamRecord, times: { horizon?: number; timesNs?: BigInt64Array }) =>
    engine.forecast(record.id, {
      ...times,
      quantiles: asked,
      channels: [channelOf(record, channel)],
    });
  const first = await ask(newest, {
    ...(horizon === undefined ? {} : { horizon }),
    ...(timesNs === undefined ? {} : { timesNs }),
  });
  const count = first.timesNs.length * all.length;
  if (count > RECONCILED_VALUES_MAX) {
    throw new LimitError("RECONCILED_VALUES_MAX", RECONCILED_VALUES_MAX, count, "horizon");
  }
  const bases = new Map<string, Base>();
  for (const record of all) {
    const forecast = record === newest ? first : await ask(record, { timesNs: first.timesNs });
    bases.set(record.id, { record, channel: channelOf(record, channel), forecast });
  }
  return bases;
}

/** A quantile of a base's own forecast.                                                 [time] */
function columnOf({ forecast, channel }: Base, quantile: number): Float64Array {
  const { quantiles, values, timesNs } = forecast;
  const q = quantiles.indexOf(quantile);
  return Float64Array.from(
    timesNs,
    (_, t) => values[channel]![t * quantiles.length + q]!,
  );
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

/** Points of all nodes that add up; parts stay within the bounds of their channels. */
function pointsOf(
  hierarchy: Hierarchy,
  bases: ReadonlyMap<string, Base>,
  times: number,
  method: Reconciliation,
): Float64Array {
  const { nodes, bottoms } = hierarchy;
  const points = new Float64Array(nodes.length * times).fill(NaN);
  const variances = new Float64Array(nodes.length).fill(1);
  nodes.forEach((name, i) => {
    const base = bases.get(name);
    if (base === undefined) return;
    points.set(columnOf(base, 0.5), i * times);
    const [low, high] = [columnOf(base, LOW), columnOf(base, HIGH)];
    variances[i] = high.reduce((sum, value, t) => sum + (value - low[t]!) ** 2, 0) / times;
  });
  const own = reconcile(hierarchy, points, variances, method);
  bottoms.forEach((name, b) => {
    const { lower, upper } = boundsOf(bases.get(name)!);
    for (let t = b * times; t < (b + 1) * times; t++) {
      own[t] = Math.min(upper, Math.max(lower, own[t]!));
    }
  });
  return sumUp(hierarchy, own);
}

/**
 * Distances of a quantile from the median: a stream's own; of another sum those of its parts, whose
 * errors are taken to be independent.                                                    [time]
 */
function widthOf(
  hierarchy: Hierarchy,
  bases: ReadonlyMap<string, Base>,
  node: number,
  quantile: number,
): Float64Array {
  const own = (base: Base) => {
    const median = columnOf(base, 0.5);
    return columnOf(base, quantile).map((value, t) => value - median[t]!);
  };
  const base = bases.get(hierarchy.nodes[node]!);
  if (base !== undefined) return own(base);
  const { bottoms, summing } = hierarchy;
  const parts = bottoms.map((name, b) =>
    [summing[node * bottoms.length + b]!, own(bases.get(name)!)] as const
  );
  return parts[0]![1].map((_, t) =>
    Math.sign(quantile - 0.5) *
    Math.sqrt(parts.reduce((sum, [count, width]) => sum + (count * width[t]!) ** 2, 0))
  );
}

/**
 * Forecasts of streams and of their sums that add up.
 *
 * @throws {NotFoundError} a part is no stream
 * @throws {InvalidValueError | LimitError} the sums or the question cannot be
 */
export async function reconciledForecasts(
  { store, engine }: { readonly store: Store; readonly engine: Engine },
  question: ReconciledQuestion,
): Promise<ReconciledShape> {
  const hierarchy = readHierarchy(question.sums);
  const records = await recordsOf(store, hierarchy);
  const bases = await basesOf(engine, records, question);
  const [any] = bases.values();
  const { timesNs } = any!.forecast;
  const times = timesNs.length;
  const points = pointsOf(hierarchy, bases, times, question.method);
  const width = question.quantiles.length;
  const nodes: Record<string, ReconciledNodeShape> = {};
  hierarchy.nodes.forEach((name, i) => {
    const values = new Float64Array(times * width);
    const { lower, upper } = reachOf(hierarchy, bases, i);
    question.quantiles.forEach((quantile, q) => {
      const distances = widthOf(hierarchy, bases, i, quantile);
      for (let t = 0; t < times; t++) {
        const value = points[i * times + t]! + distances[t]!;
        values[t * width + q] = Math.min(upper, Math.max(lower, value));
      }
    });
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
      base: base === undefined ? null : Array.from(columnOf(base, 0.5), numberShape),
      forecast,
      provenance: base === undefined ? null : provenance,
    };
  });
  return { method: question.method, nodes };
}
