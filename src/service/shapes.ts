import { formatTimestamp } from "../signal/timestamp.ts";
import type { Segment } from "../signal/segment.ts";
import type {
  AlarmEnd,
  AlarmEvent,
  AppendResult,
  FlagSettings,
  IssuedForecast,
  StreamRecord,
} from "../stores/store.ts";
import type { Applied, StreamState } from "../streams/engine.ts";

/** What the service answers, as plain data ready for JSON: times ISO 8601, missing values null. */

/** Proof of what an answer was computed from. */
export interface ProvenanceShape {
  modelHash: string;
  stateHash: string;
  appliedOffset: number;
  logOffset?: number;
  origin?: string;
}

/** One future time of a forecast. */
export interface ForecastPointShape {
  timestamp: string;
  median: number | null;
  /** By quantile, as text. */
  quantiles: Record<string, number | null>;
  /** Lower and upper bound by level in per cent. */
  intervals: Record<string, [number | null, number | null]>;
}

/** A forecast with its proof. */
export interface ForecastShape {
  id: string;
  origin: string;
  horizon: number;
  quantiles: number[];
  channels: Record<string, ForecastPointShape[]>;
  /** The points of the first channel. */
  forecast: ForecastPointShape[];
  provenance: ProvenanceShape;
}

/** One alarm with its proof. */
export interface AnomalyShape {
  timestamp: string;
  score: number;
  flag: number;
  p: number | null;
  reason: string | null;
  /** Counts the alarms of the stream's state. */
  number: number | null;
  channels: string[];
  values: (number | null)[];
  expected: (number | null)[];
  /** Frequencies of the band that changed, in Hz; of spectra only. */
  bandHz?: [number, number];
  provenance: ProvenanceShape;
}

/** A value that contradicts the stored one, which stays. */
export interface ConflictShape {
  timestamp: string;
  channel: string;
  stored: number;
  given: number;
}

/** What became of one stream's samples. */
export interface IngestShape {
  id: string;
  accepted: number;
  duplicates: number;
  late: number;
  rejected: number;
  conflicts?: ConflictShape[];
  logOffset: number;
  appliedOffset?: number;
  /** What is odd about the samples, which are stored all the same. */
  note?: string;
}

/** Share of past values inside their interval of a level. */
export interface CoverageShape {
  level: number;
  value: number | null;
  count: number;
}

/** The same of one channel, with the mean width of the newest intervals in its unit. */
export interface ChannelCoverageShape extends CoverageShape {
  width: number | null;
}

/** What the model says of one channel. */
export interface ChannelSummaryShape {
  periodS: number | null;
  seasons: number[];
  coverage: ChannelCoverageShape[];
  weights: Record<string, number>;
}

/** A stream's settings and log. */
export interface StreamShape {
  id: string;
  model: string;
  horizon: number;
  detect: boolean;
  channels: string[];
  ranges: Record<string, { lower?: number; upper?: number; missing?: number[] }>;
  declaredSeasons: number[];
  flags: FlagSettings;
  covariates: string[];
  labels: Record<string, string>;
  sampleCount: number;
  firstTimestamp: string | null;
  lastTimestamp: string | null;
  logOffset: number;
  createdAt: string;
}

/** A stream's settings, log and state. */
export interface StreamStateShape extends StreamShape {
  appliedOffset: number;
  modelHash: string;
  stateHash: string;
  stateBytes: number;
  periodS: number | null;
  seasons: number[];
  coverage: CoverageShape[];
  perChannel: Record<string, ChannelSummaryShape>;
  failed: string | null;
}

/** Missing and non-finite numbers are null in JSON. */
export function numberShape(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Nanoseconds since the epoch as ISO 8601. */
export function timeShape(timestampNs: bigint | null): string | null {
  return timestampNs === null ? null : formatTimestamp(timestampNs);
}

/** A quantile as the key of an object: the shortest decimal that is meant. */
export function quantileKey(quantile: number): string {
  return String(Number(quantile.toPrecision(12)));
}

/** The quantiles that bound a central interval of `level` per cent. */
export function levelBounds(level: number): [number, number] {
  const tail = Number(((100 - level) / 200).toPrecision(12));
  return [tail, Number((1 - tail).toPrecision(12))];
}

/**
 * A forecast as it is answered.
 *
 * @param levels  central intervals to name, in per cent; their bounds are among the quantiles
 */
export function forecastShape(
  forecast: IssuedForecast,
  levels: readonly number[],
  logOffset?: number,
): ForecastShape {
  const quantiles = [...forecast.quantiles];
  const keys = quantiles.map(quantileKey);
  const median = keys.indexOf("0.5");
  const bounds = levels.map((level) => {
    const [low, high] = levelBounds(level);
    return [
      String(level),
      keys.indexOf(quantileKey(low)),
      keys.indexOf(quantileKey(high)),
    ] as const;
  }).filter(([, low, high]) => low >= 0 && high >= 0);
  const channels: Record<string, ForecastPointShape[]> = {};
  for (const [name, values] of Object.entries(forecast.values)) {
    channels[name] = Array.from(forecast.timesNs, (timestampNs, row) => {
      const at = (column: number) => numberShape(values[row * keys.length + column]!);
      return {
        timestamp: formatTimestamp(timestampNs),
        median: median < 0 ? null : at(median),
        quantiles: Object.fromEntries(keys.map((key, column) => [key, at(column)])),
        intervals: Object.fromEntries(
          bounds.map(([level, low, high]) => [level, [at(low), at(high)]]),
        ),
      };
    });
  }
  const origin = formatTimestamp(forecast.originNs);
  return {
    id: forecast.streamId,
    origin,
    horizon: forecast.timesNs.length,
    quantiles,
    channels,
    forecast: Object.values(channels)[0] ?? [],
    provenance: {
      modelHash: forecast.modelHash,
      stateHash: forecast.stateHash,
      appliedOffset: forecast.appliedOffset,
      ...(logOffset === undefined ? {} : { logOffset }),
      origin,
    },
  };
}

/** What is known of an alarm after it opened, as subscribers hear it. */
export interface RevisionShape {
  /** Of the alarm, which keeps it. */
  number: number;
  /** What it turned out to be. */
  reason: string;
  /** Smallest chance so far. */
  p: number;
  /** False where it is over. */
  isOpen: boolean;
}

/** An alarm that ended or was revised, as it is told. */
export function revisionShape({ number, reason, p, isOpen = false }: AlarmEnd): RevisionShape {
  return { number, reason, p, isOpen };
}

/** An alarm as it is answered. */
export function anomalyShape(alarm: AlarmEvent): AnomalyShape {
  return {
    timestamp: formatTimestamp(alarm.timestampNs),
    score: alarm.score,
    flag: alarm.flag,
    p: alarm.p ?? null,
    reason: alarm.reason ?? null,
    number: alarm.number ?? null,
    channels: [...alarm.channels],
    values: [...alarm.value],
    expected: [...alarm.expected],
    ...(alarm.bandHz === undefined ? {} : { bandHz: [...alarm.bandHz] as [number, number] }),
    provenance: {
      modelHash: alarm.modelHash,
      stateHash: alarm.stateHash,
      appliedOffset: alarm.appliedOffset,
    },
  };
}

/** The outcome of an append as it is answered. */
export function ingestShape(
  result: AppendResult,
  note: string | null = null,
  appliedOffset?: number,
): IngestShape {
  const { conflicts } = result;
  return {
    id: result.streamId,
    accepted: result.accepted,
    duplicates: result.duplicates,
    late: result.late,
    rejected: result.rejected,
    ...(conflicts.length === 0 ? {} : {
      conflicts: conflicts.map(({ timestampNs, channel, stored, given }) => ({
        timestamp: formatTimestamp(timestampNs),
        channel,
        stored,
        given,
      })),
    }),
    logOffset: result.logOffset,
    ...(appliedOffset === undefined ? {} : { appliedOffset }),
    ...(note === null ? {} : { note }),
  };
}

/** Settings and log of a stream as they are answered. */
export function streamShape(record: StreamRecord): StreamShape {
  const { settings } = record;
  return {
    id: record.id,
    model: settings.model,
    horizon: settings.horizon,
    detect: settings.detect,
    channels: [...record.channels],
    ranges: Object.fromEntries(
      Object.entries(settings.channels).map(([name, { missing, ...bounds }]) => [
        name,
        missing === undefined ? bounds : { ...bounds, missing: [...missing] },
      ]),
    ),
    declaredSeasons: [...settings.seasonsS],
    flags: { ...settings.flags },
    covariates: [...settings.covariates ?? []],
    labels: { ...settings.labels },
    sampleCount: record.logOffset,
    firstTimestamp: timeShape(record.firstNs),
    lastTimestamp: timeShape(record.lastNs),
    logOffset: record.logOffset,
    createdAt: formatTimestamp(record.createdNs),
  };
}

function coverageShape(coverage: StreamState["coverage"]): CoverageShape[] {
  return coverage.map(({ level, value, count }) => ({ level, value: numberShape(value), count }));
}

/** A stream with its state as it is answered. */
export function streamStateShape(record: StreamRecord, state: StreamState): StreamStateShape {
  const perChannel: Record<string, ChannelSummaryShape> = {};
  for (const [name, summary] of Object.entries(state.perChannel)) {
    perChannel[name] = {
      periodS: summary.periodS,
      seasons: [...summary.seasonsS],
      coverage: summary.coverage.map(({ level, value, count, width }) => ({
        ...{ level, count },
        value: numberShape(value),
        width: numberShape(width),
      })),
      weights: { ...summary.weights },
    };
  }
  return {
    ...streamShape(record),
    appliedOffset: state.appliedOffset,
    modelHash: state.modelHash,
    stateHash: state.stateHash,
    stateBytes: state.stateBytes,
    periodS: state.periodS,
    seasons: [...state.seasonsS],
    coverage: coverageShape(state.coverage),
    perChannel,
    failed: state.failed,
  };
}

/** Columns of a segment by channel. */
export function columnsShape(segment: Segment): Record<string, (number | null)[]> {
  return Object.fromEntries(
    segment.channels.map((name, i) => [name, Array.from(segment.values[i]!, numberShape)]),
  );
}

/** One absorbed sample and its one-step prediction, by channel. */
export interface SampleShape {
  timestamp: string;
  values: Record<string, number | null>;
  expected: Record<string, number | null>;
  scale: Record<string, number | null>;
  score: number | null;
}

/** One absorbed sample with what was predicted before it was seen. */
export function sampleShape(applied: Applied, row: number): SampleShape {
  const { segment } = applied;
  const byChannel = (columns: readonly Float64Array[]) =>
    Object.fromEntries(segment.channels.map((name, i) => [name, numberShape(columns[i]![row]!)]));
  return {
    timestamp: formatTimestamp(segment.timestampsNs[row]!),
    values: byChannel(segment.values),
    expected: byChannel(applied.expected),
    scale: byChannel(applied.scale),
    score: numberShape(applied.score[row]!),
  };
}
