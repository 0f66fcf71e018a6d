import { normalQuantile } from "../models/normal.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import type { ComponentsResult } from "../streams/engine.ts";
import { levelBounds, numberShape, type ProvenanceShape } from "./shapes.ts";

type Column = (number | null)[];

/** What past samples of a channel were made of, by column. */
export interface ChannelComponentsShape {
  timestamps: string[];
  /** Null where no value is stored: those times are filled by `signal`. */
  values: Column;
  signal: Column;
  /** Of the signal where a value is stored, of the value where none is. */
  intervals: Record<string, { lower: Column; upper: Column }>;
  level: Column;
  slope: Column;
  shortTerm: Column;
  seasons: { lengthS: number; values: Column }[];
  /** What the stream's covariates say; absent where it declares none for this channel. */
  covariates?: Column;
  /** value − signal. */
  remainder: Column;
  noiseDeviation: number | null;
}

/** A decomposition of the past as it is answered. */
export interface ComponentsShape {
  id: string;
  channels: Record<string, ChannelComponentsShape>;
  provenance: ProvenanceShape;
}

function column(values: Float64Array): Column {
  return Array.from(values, numberShape);
}

/** One side of an interval of `level` per cent. */
function boundOf({ values, parts, range }: ComponentsResult, quantile: number): Column {
  const factor = normalQuantile(quantile);
  return Array.from(parts.signal, (signal, t) => {
    const known = !Number.isNaN(values[t]!);
    const noise = known ? 0 : parts.noiseDeviation;
    const bound = signal + factor * Math.hypot(parts.signalDeviation[t]!, noise);
    if (known) return numberShape(bound);
    return numberShape(
      Math.min(range.upper ?? Infinity, Math.max(range.lower ?? -Infinity, bound)),
    );
  });
}

/** One channel as it is answered. */
export function channelComponentsShape(
  result: ComponentsResult,
  levels: readonly number[],
): ChannelComponentsShape {
  const { timesNs, values, parts, covariates } = result;
  return {
    timestamps: Array.from(timesNs, formatTimestamp),
    values: column(values),
    signal: column(parts.signal),
    intervals: Object.fromEntries(levels.map((level) => {
      const [lower, upper] = levelBounds(level).map((quantile) => boundOf(result, quantile));
      return [String(level), { lower: lower!, upper: upper! }];
    })),
    level: column(parts.level),
    slope: column(parts.slope),
    shortTerm: column(parts.shortTerm),
    seasons: parts.seasons.map((season) => ({
      lengthS: season.lengthS,
      values: column(season.values),
    })),
    ...(covariates === undefined ? {} : { covariates: column(covariates) }),
    remainder: column(values.map((value, t) => value - parts.signal[t]!)),
    noiseDeviation: numberShape(parts.noiseDeviation),
  };
}
