/** What the page asks of the records. */
import type { AccuracyRecord, KeptScore } from "./record.ts";
import { geometricMean, LEAD_GROUPS, type Total, totalOf } from "./score.ts";
import { SETTINGS } from "./settings.ts";
import { BASELINE } from "./subject.ts";

/** Figures of peers that were measured elsewhere: `bench/results/accuracy_peers.json`. */
export interface PublishedPeers {
  readonly origin: string;
  readonly total: Readonly<Record<string, PublishedTotal>>;
  /** MASE and WQL by task and peer. */
  readonly tasks: Readonly<Record<string, Readonly<Record<string, readonly [number, number]>>>>;
}

/** Totals of a peer: ratios to Seasonal Naive, coverages, times in milliseconds. */
export interface PublishedTotal extends Total {
  readonly failed: number;
  readonly msMedian: number | null;
  readonly msMean: number | null;
}

/** Records, looked up. */
export class Figures {
  readonly #records: readonly AccuracyRecord[];
  readonly set: string;

  constructor(records: readonly AccuracyRecord[], set: string) {
    this.#records = records.filter((record) => record.set === set);
    this.set = set;
  }

  get records(): readonly AccuracyRecord[] {
    return this.#records;
  }

  record(model: string, setting: string): AccuracyRecord | undefined {
    return this.#records.find((one) => one.model === model && one.setting === setting);
  }

  /** Names of what was measured in a setting, models first, then peers, by their MASE. */
  names(setting: string): string[] {
    const mase = (name: string) => this.total(name, setting)?.mase ?? Infinity;
    return this.#records.filter((record) => record.setting === setting)
      .toSorted((a, b) => Number(a.isPeer) - Number(b.isPeer) || mase(a.model) - mase(b.model))
      .map(({ model }) => model);
  }

  /** Seasonal Naive in the setting that a setting is compared with. */
  baseline(setting: string): AccuracyRecord | undefined {
    const wanted = SETTINGS.find(({ name }) => name === setting)?.baseline ?? setting;
    return this.record(BASELINE, wanted);
  }

  /** Totals of a model in a setting; undefined where they were not measured. */
  total(model: string, setting: string): Total | undefined {
    const record = this.record(model, setting);
    const baseline = this.baseline(setting);
    if (record === undefined || baseline === undefined) return undefined;
    return totalOf(record.tasks, baseline.tasks);
  }

  /** Ratio of a task's MASE or WQL to the baseline's. */
  ratio(model: string, setting: string, task: string, key: "mase" | "wql"): number {
    const own = this.record(model, setting)?.tasks[task]?.[key] ?? NaN;
    return own / (this.baseline(setting)?.tasks[task]?.[key] ?? NaN);
  }
}

/** Tasks in which a model is worse than something by more than a share, in MASE. */
export function losses(
  tasks: Readonly<Record<string, Pick<KeptScore, "mase">>>,
  against: Readonly<Record<string, number>>,
  share: number,
): string[] {
  return Object.keys(tasks).filter((task) => tasks[task]!.mase > against[task]! * (1 + share));
}

/** The least MASE of all peers on each task, measured or published. */
export function bestPeer(
  published: PublishedPeers | null,
  figures: Figures,
): Record<string, number> {
  const best: Record<string, number> = {};
  const take = (task: string, mase: number) => {
    if (mase < (best[task] ?? Infinity)) best[task] = mase;
  };
  for (const [task, peers] of Object.entries(published?.tasks ?? {})) {
    for (const [mase] of Object.values(peers)) take(task, mase);
  }
  for (const { isPeer, setting, tasks } of figures.records) {
    if (!isPeer || setting !== "given") continue;
    for (const [task, { mase }] of Object.entries(tasks)) take(task, mase);
  }
  return best;
}

/** Error and coverage in one group of leads. */
export interface LeadFigure {
  /** First lead of the group, in samples. */
  readonly lead: number;
  /** Geometric mean over tasks of the ratio to the baseline's error at these leads. */
  readonly error: number;
  /** Mean over tasks. */
  readonly cover80: number;
}

/** Errors by lead beside the baseline's. */
export function byLead(record: AccuracyRecord, baseline: AccuracyRecord): LeadFigure[] {
  return LEAD_GROUPS.map((lead, group) => {
    const ratios: number[] = [];
    const covers: number[] = [];
    for (const [task, { leads }] of Object.entries(record.tasks)) {
      const own = leads?.[group];
      const other = baseline.tasks[task]?.leads?.[group];
      if (own === undefined || other === undefined || own[0] === 0) continue;
      covers.push(own[2] / own[0]);
      const ratio = own[1] / other[1];
      if (ratio > 0 && Number.isFinite(ratio)) ratios.push(ratio);
    }
    const sum = covers.reduce((total, value) => total + value, 0);
    return { lead, error: geometricMean(ratios), cover80: sum / covers.length };
  });
}
