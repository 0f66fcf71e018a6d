/** Measures detectors on the labelled sets and on clean streams. */
import { CLEAN_KINDS, cleanStream } from "./clean.ts";
import type { OnlineDetector } from "./detectors.ts";
import type { LabelledSeries } from "./labelled.ts";
import { NAB_PROFILES, type NabFile, nabScore } from "./nab.ts";
import {
  averagePrecision,
  bestF1,
  budgetFlags,
  eventCounts,
  runsOf,
  volumeUnderSurface,
} from "./ranking.ts";

/** Ranking of the samples of one set, means over its series. */
export interface RankingFigures {
  readonly series: number;
  readonly aucPr: number;
  readonly vusPr: number;
  readonly f1: number;
}

/** Alarms of one set at one wanted rate of false alarms. */
export interface AlarmFigures {
  /** Samples that were scored, times channels counts once. */
  readonly samples: number;
  readonly anomalies: number;
  readonly anomaliesHit: number;
  readonly alarms: number;
  readonly alarmsRight: number;
  /** Samples from the first of an anomaly to its first alarm, where it has one.      [anomaly] */
  readonly delays: readonly number[];
}

/** How one detector did. */
export interface DetectorFigures {
  readonly name: string;
  readonly sets: Readonly<Record<string, RankingFigures>>;
  /** NAB's score by profile: one value a seed. */
  readonly nab: Readonly<Record<string, readonly number[]>>;
  /** By wanted rate, then set; empty of a detector that only scores. */
  readonly alarms: Readonly<Record<string, Readonly<Record<string, AlarmFigures>>>>;
  /** Events of the highest 0.5 % of samples of each series. */
  readonly budget: Omit<AlarmFigures, "delays" | "samples">;
  /** Alarms by wanted rate, then kind of noise, and samples a kind; null likewise. */
  readonly clean:
    | { readonly samples: number; readonly alarms: Record<string, Record<string, number>> }
    | null;
  /** Microseconds a sample and channel; by the clock that was given. */
  readonly microseconds: number;
  /** Bytes of state a channel, the most of all series; null likewise. */
  readonly stateBytes: number | null;
}

/** Wanted rates at which alarms are counted. */
export const RATES: readonly number[] = [1e-3, 3e-4, 1e-4];

/** Seeds of what is seeded. */
const SEEDS = [1, 2, 3];
const BUDGET = 0.005;

/** Length and number of the clean streams of a kind. */
export const CLEAN_LENGTH = 20_000;
const CLEAN_STREAMS = 5;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** What is scored of a series. */
function scored(series: LabelledSeries, column: Float64Array): Float64Array {
  return column.subarray(series.lead + series.start);
}

function hasAnomaly({ label, start }: LabelledSeries): boolean {
  return label.subarray(start).includes(1);
}

/** Alarms of one series among the samples that are scored. */
export function alarmFigures(series: LabelledSeries, opened: readonly number[]): AlarmFigures {
  const label = series.label.subarray(series.start);
  const at = opened.map((index) => index - series.lead - series.start).filter((i) => i >= 0);
  const runs = runsOf(label);
  const delays = runs.flatMap(([first, last]) => {
    const hit = at.find((i) => i >= first && i <= last);
    return hit === undefined ? [] : [hit - first];
  });
  return {
    samples: label.length,
    anomalies: runs.length,
    anomaliesHit: delays.length,
    alarms: at.length,
    alarmsRight: at.filter((i) => label[i] === 1).length,
    delays,
  };
}

function pooled(figures: readonly AlarmFigures[]): AlarmFigures {
  const sum = (key: "samples" | "anomalies" | "anomaliesHit" | "alarms" | "alarmsRight") =>
    figures.reduce((total, one) => total + one[key], 0);
  return {
    samples: sum("samples"),
    anomalies: sum("anomalies"),
    anomaliesHit: sum("anomaliesHit"),
    alarms: sum("alarms"),
    alarmsRight: sum("alarmsRight"),
    delays: figures.flatMap(({ delays }) => delays),
  };
}

function groupBySet<T>(
  all: readonly LabelledSeries[],
  make: (series: LabelledSeries) => T,
): Record<string, T[]> {
  const groups: Record<string, T[]> = {};
  for (const series of all) (groups[series.set] ??= []).push(make(series));
  return groups;
}

function mapValues<T, R>(record: Record<string, T>, make: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value)]));
}

function measureAlarms(
  detector: OnlineDetector,
  all: readonly LabelledSeries[],
): DetectorFigures["alarms"] {
  return Object.fromEntries(RATES.map((falseAlarmRate) => {
    const groups = groupBySet(all, (series) => {
      const { opened } = detector.run(series.timesS, series.values, {
        seed: SEEDS[0]!,
        falseAlarmRate,
      });
      return alarmFigures(series, opened);
    });
    return [String(falseAlarmRate), mapValues(groups, pooled)];
  }));
}

/** Alarms of clean streams, by wanted rate and kind. */
export function measureClean(
  detector: OnlineDetector,
  { length, streams }: { readonly length: number; readonly streams: number },
): NonNullable<DetectorFigures["clean"]> {
  const timesS = Float64Array.from({ length }, (_, i) => 60 * i);
  const alarms: Record<string, Record<string, number>> = {};
  for (const falseAlarmRate of RATES) {
    const counts: Record<string, number> = {};
    for (const kind of CLEAN_KINDS) {
      counts[kind.name] = 0;
      for (let seed = 1; seed <= streams; seed++) {
        const values = [cleanStream(kind, length, seed)];
        counts[kind.name]! += detector.run(timesS, values, { seed, falseAlarmRate }).opened.length;
      }
    }
    alarms[String(falseAlarmRate)] = counts;
  }
  return { samples: length * streams, alarms };
}

/** Measures one detector on series; `onProgress` is told of each piece of work done. */
export function measureDetector(
  detector: OnlineDetector,
  all: readonly LabelledSeries[],
  nowMs: () => number,
): DetectorFigures {
  const nab: Record<string, number[]> = mapValues({ ...NAB_PROFILES }, () => []);
  const rankings: Record<string, Omit<RankingFigures, "series">[]> = {};
  const budgets: AlarmFigures[] = [];
  let stateBytes: number | null = null;
  let ms = 0;
  let values = 0;
  for (const seed of detector.isSeeded ? SEEDS : [1]) {
    const nabFiles: NabFile[] = [];
    for (const series of all) {
      // Of other seeds only the flags of NAB are looked at.
      if (seed !== SEEDS[0] && series.set !== "nab") continue;
      const startMs = nowMs();
      const said = detector.run(series.timesS, series.values, {
        seed,
        falseAlarmRate: RATES.at(-1)!,
      });
      ms += nowMs() - startMs;
      values += series.timesS.length * series.values.length;
      if (series.set === "nab") {
        nabFiles.push({ score: said.flag.subarray(series.lead), windows: series.windows });
      }
      if (seed !== SEEDS[0]) continue;
      if (said.stateBytes !== null) {
        stateBytes = Math.max(stateBytes ?? 0, said.stateBytes / series.values.length);
      }
      if (!hasAnomaly(series)) continue;
      const label = series.label.subarray(series.start);
      const score = scored(series, said.score);
      (rankings[series.set] ??= []).push({
        aucPr: averagePrecision(label, score),
        vusPr: volumeUnderSurface(label, score),
        f1: bestF1(label, score),
      });
      const counts = eventCounts(label, budgetFlags(score, BUDGET));
      budgets.push({ ...counts, samples: label.length, delays: [] });
    }
    for (const [name, profile] of Object.entries(NAB_PROFILES)) {
      nab[name]!.push(nabScore(nabFiles, profile).score);
    }
  }
  const { anomalies, anomaliesHit, alarms, alarmsRight } = pooled(budgets);
  const isFlagging = stateBytes !== null;
  return {
    name: detector.name,
    sets: mapValues(rankings, (own) => ({
      series: own.length,
      aucPr: mean(own.map(({ aucPr }) => aucPr)),
      vusPr: mean(own.map(({ vusPr }) => vusPr)),
      f1: mean(own.map(({ f1 }) => f1)),
    })),
    nab,
    alarms: isFlagging ? measureAlarms(detector, all) : {},
    budget: { anomalies, anomaliesHit, alarms, alarmsRight },
    clean: isFlagging
      ? measureClean(detector, { length: CLEAN_LENGTH, streams: CLEAN_STREAMS })
      : null,
    microseconds: 1000 * ms / values,
    stateBytes,
  };
}
