import type { Clock } from "../base/clock.ts";
import type { Segment } from "../signal/segment.ts";
import type { Store, StreamRecord } from "../stores/store.ts";
import { columnsShape, numberShape, timeShape } from "./shapes.ts";

/** Last samples of each stream that a listing shows. */
export const SPARKLINE_SAMPLES = 48;

/** Channels of each stream that a listing shows; a stream may have a thousand. */
export const SPARKLINE_CHANNELS_MAX = 8;

/** A stream is stale when nothing came for this many of its typical periods, ... */
const STALE_PERIODS = 10;
/** ... and for this long at least. */
const STALE_NS_MIN = 60_000_000_000n;

const DAY_NS = 86_400_000_000_000n;

/** One stream in an overview. */
export interface StreamEntryShape {
  id: string;
  model: string;
  channels: string[];
  labels: Record<string, string>;
  sampleCount: number;
  firstTimestamp: string | null;
  lastTimestamp: string | null;
  logOffset: number;
  status: "live" | "stale" | "empty";
  lastValues: Record<string, number | null>;
  sparkline: Record<string, (number | null)[]>;
  alarms24h: number;
}

/** One page of an overview. */
export interface ListingShape {
  streams: StreamEntryShape[];
  /** What to give as `after` for the next page; null at the end. */
  next: string | null;
}

/** Median step of the last samples: robust against one gap. */
export function typicalStepNs(tail: Segment): bigint {
  const { timestampsNs } = tail;
  const steps: bigint[] = [];
  for (let i = 1; i < timestampsNs.length; i++) steps.push(timestampsNs[i]! - timestampsNs[i - 1]!);
  steps.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return steps[steps.length >> 1] ?? 0n;
}

function statusOf(record: StreamRecord, tail: Segment | null, nowNs: bigint) {
  if (record.lastNs === null || tail === null) return "empty";
  const patienceNs = typicalStepNs(tail) * BigInt(STALE_PERIODS);
  const limitNs = patienceNs > STALE_NS_MIN ? patienceNs : STALE_NS_MIN;
  return nowNs - record.lastNs > limitNs ? "stale" : "live";
}

function lastValues(tail: Segment): Record<string, number | null> {
  return Object.fromEntries(
    tail.channels.map((name, i) => {
      const last = tail.values[i]!.findLast((value) => !Number.isNaN(value));
      return [name, numberShape(last ?? NaN)];
    }),
  );
}

function entryShape(
  record: StreamRecord,
  tail: Segment | null,
  alarms24h: number,
  nowNs: bigint,
): StreamEntryShape {
  const shown: Segment | null = tail === null ? null : {
    ...tail,
    channels: tail.channels.slice(0, SPARKLINE_CHANNELS_MAX),
    values: tail.values.slice(0, SPARKLINE_CHANNELS_MAX),
  };
  return {
    id: record.id,
    model: record.settings.model,
    channels: [...record.channels],
    labels: { ...record.settings.labels },
    sampleCount: record.logOffset,
    firstTimestamp: timeShape(record.firstNs),
    lastTimestamp: timeShape(record.lastNs),
    logOffset: record.logOffset,
    status: statusOf(record, tail, nowNs),
    lastValues: shown === null ? {} : lastValues(shown),
    sparkline: shown === null ? {} : columnsShape(shown),
    alarms24h,
  };
}

/** One page of the streams in the order of their names, with what an overview shows of each. */
export async function listStreams(
  store: Store,
  clock: Clock,
  options: { readonly after?: string; readonly limit: number },
): Promise<ListingShape> {
  const records = await store.listStreams(options);
  const ids = records.map((record) => record.id);
  const nowNs = clock.nowNs();
  const [tails, alarms] = await Promise.all([
    store.readTails(ids, SPARKLINE_SAMPLES),
    store.countEvents(ids, nowNs - DAY_NS),
  ]);
  return {
    streams: records.map((record, i) => entryShape(record, tails[i]!, alarms[i]!, nowNs)),
    next: records.length < options.limit ? null : ids.at(-1) ?? null,
  };
}
