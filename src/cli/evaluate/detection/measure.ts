/** Measures detectors on the labelled sets. */
import type { OnlineDetector } from "./detectors.ts";
import type { LabelledSeries } from "./labelled.ts";
import { NAB_PROFILES, type NabFile, type NabLoss, nabLosses, nabScore } from "./nab.ts";
import {
  averagePrecision,
  bestF1,
  budgetFlags,
  eventCounts,
  heldInRuns,
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

/** What one labelled series costs of the mean of the sets. */
export interface SeriesFigures {
  readonly set: string;
  readonly name: string;
  readonly aucPr: number;
  /** AUC-PR if each anomaly kept its highest score throughout. */
  readonly aucPrHeld: number;
}

/** What one file of NAB loses: each seed's at its own best threshold, standard profile. */
export interface NabFileFigures {
  readonly name: string;
  readonly windows: number;
  readonly losses: readonly NabLoss[];
}

/** How one detector did. */
export interface DetectorFigures {
  readonly name: string;
  readonly sets: Readonly<Record<string, RankingFigures>>;
  readonly series: readonly SeriesFigures[];
  readonly nabFiles: readonly NabFileFigures[];
  /** NAB's score by profile: one value a seed. */
  readonly nab: Readonly<Record<string, readonly number[]>>;
  /** By wanted rate, then set; empty of a detector that only scores. */
  readonly alarms: Readonly<Record<string, Readonly<Record<string, AlarmFigures>>>>;
  /** Events of the highest 0.5 % of samples of each series. */
  readonly budget: Omit<AlarmFigures, "delays" | "samples">;
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

function rankingOf(label: Uint8Array, score: Float64Array) {
  return {
    aucPr: averagePrecision(label, score),
    aucPrHeld: averagePrecision(label, heldInRuns(label, score)),
    vusPr: volumeUnderSurface(label, score),
    f1: bestF1(label, score),
  };
}

function nabFilesOf(
  all: readonly LabelledSeries[],
  losses: readonly (readonly NabLoss[])[],
): NabFileFigures[] {
  return all.filter(({ set }) => set === "nab").map(({ name, windows }, i) => ({
    name,
    windows: windows.length,
    losses: losses.map((files) => files[i]!),
  }));
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
  const own: SeriesFigures[] = [];
  const losses: NabLoss[][] = [];
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
      const ranking = rankingOf(label, score);
      const { set, name } = series;
      own.push({ set, name, aucPr: ranking.aucPr, aucPrHeld: ranking.aucPrHeld });
      (rankings[set] ??= []).push(ranking);
      const counts = eventCounts(label, budgetFlags(score, BUDGET));
      budgets.push({ ...counts, samples: label.length, delays: [] });
    }
    for (const [name, profile] of Object.entries(NAB_PROFILES)) {
      const { score, threshold } = nabScore(nabFiles, profile);
      nab[name]!.push(score);
      if (name === "standard") losses.push(nabLosses(nabFiles, profile, threshold));
    }
  }
  const { anomalies, anomaliesHit, alarms, alarmsRight } = pooled(budgets);
  const isFlagging = stateBytes !== null;
  return {
    name: detector.name,
    sets: mapValues(rankings, (some) => ({
      series: some.length,
      aucPr: mean(some.map(({ aucPr }) => aucPr)),
      vusPr: mean(some.map(({ vusPr }) => vusPr)),
      f1: mean(some.map(({ f1 }) => f1)),
    })),
    series: own,
    nabFiles: nabFilesOf(all, losses),
    nab,
    alarms: isFlagging ? measureAlarms(detector, all) : {},
    budget: { anomalies, anomaliesHit, alarms, alarmsRight },
    microseconds: 1000 * ms / values,
    stateBytes,
  };
}
