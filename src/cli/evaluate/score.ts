/**
 * The scores of the evaluation kit, for one window and for tasks of many.
 *
 *   MASE = mean |y − median| / scale,   scale = mean |y_t − y_{t−m}| over the context
 *   WQL  = Σ 2·pinball_q(y, ŷ_q) / (9 Σ |y|)   over windows, leads and the deciles q
 *
 * A task's MASE is the mean of its windows', its WQL the quotient of two sums; a total is the
 * geometric mean over tasks of the ratio to Seasonal Naive, as GIFT-Eval takes it. A window whose
 * scale is 0 has no MASE. Missing targets count for nothing.
 */

/** The quantiles of a scored forecast. */
export const SCORED_QUANTILES: Float64Array = Float64Array.from(
  [0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975],
);

/** First leads of the groups in which errors are kept by lead, in samples. */
export const LEAD_GROUPS: readonly number[] = [1, 2, 3, 5, 9, 17, 33, 65];

const WIDTH = SCORED_QUANTILES.length;
const MEDIAN = 5;
const DECILES = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Sums of one group of leads. */
export interface LeadSums {
  readonly count: number;
  /** Σ |y − median| / scale. */
  readonly error: number;
  /** Targets inside the 80 % interval. */
  readonly inside80: number;
}

/** What one window adds to its task. */
export interface WindowScore {
  readonly task: string;
  /** Null where the scale is 0. */
  readonly mase: number | null;
  /** Σ 2·pinball / 9, and Σ |y|. */
  readonly loss: number;
  readonly magnitude: number;
  /** Shares of the targets inside the intervals; null where there is no target. */
  readonly inside80: number | null;
  readonly inside95: number | null;
  readonly leads: readonly LeadSums[];
}

/** What is scored. */
export interface Scored {
  readonly task: string;
  /** NaN where nothing was measured.                                                    [lead] */
  readonly target: Float64Array;
  /** Row-major.                                                               [lead, quantile] */
  readonly rows: Float64Array;
  /** Leads in samples, from 1; may be fractional.                                       [lead] */
  readonly leads: Float64Array;
  readonly scale: number;
}

/** mean |y_t − y_{t−m}|, m = 1 where the context is no longer than m; NaN of a single sample. */
export function scaleOf(context: Float64Array, season: number): number {
  const m = context.length > season ? season : 1;
  let sum = 0;
  for (let t = m; t < context.length; t++) sum += Math.abs(context[t]! - context[t - m]!);
  return sum / (context.length - m);
}

/** Whether a forecast is complete: every value a finite number. */
export function isComplete(rows: Float64Array | null, leads: number): boolean {
  return rows !== null && rows.length === leads * WIDTH && rows.every(Number.isFinite);
}

function groupOf(lead: number): number {
  let group = 0;
  while (group + 1 < LEAD_GROUPS.length && lead >= LEAD_GROUPS[group + 1]!) group++;
  return group;
}

/** Scores one forecast; rows that decrease along the quantiles are sorted first. */
export function scoreWindow({ task, target, rows, leads, scale }: Scored): WindowScore {
  const groups = LEAD_GROUPS.map(() => ({ count: 0, error: 0, inside80: 0 }));
  let [count, error, loss, magnitude, inside80, inside95] = [0, 0, 0, 0, 0, 0];
  for (let lead = 0; lead < target.length; lead++) {
    const y = target[lead]!;
    if (!Number.isFinite(y)) continue;
    const row = rows.slice(lead * WIDTH, (lead + 1) * WIDTH).sort();
    const distance = Math.abs(y - row[MEDIAN]!);
    count++;
    error += distance;
    magnitude += Math.abs(y);
    for (const q of DECILES) {
      const quantile = SCORED_QUANTILES[q]!;
      const residual = y - row[q]!;
      loss += 2 * Math.max(quantile * residual, (quantile - 1) * residual) / DECILES.length;
    }
    const isInside80 = y >= row[1]! && y <= row[9]!;
    if (isInside80) inside80++;
    if (y >= row[0]! && y <= row[WIDTH - 1]!) inside95++;
    const group = groups[groupOf(leads[lead]!)]!;
    group.count++;
    if (scale > 0) group.error += distance / scale;
    if (isInside80) group.inside80++;
  }
  const share = (value: number) => count > 0 ? value / count : null;
  return {
    task,
    mase: scale > 0 && count > 0 ? error / count / scale : null,
    loss,
    magnitude,
    inside80: share(inside80),
    inside95: share(inside95),
    leads: groups,
  };
}

/** The scores of a task. */
export interface TaskScore {
  readonly windows: number;
  readonly mase: number;
  readonly wql: number;
  readonly cover80: number;
  readonly cover95: number;
  readonly leads: readonly LeadSums[];
}

function mean(values: readonly (number | null)[]): number {
  const known = values.filter((value) => value !== null);
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Scores by task, in the order in which the tasks come. */
export function taskScores(scores: readonly WindowScore[]): Record<string, TaskScore> {
  const tasks = new Map<string, WindowScore[]>();
  for (const score of scores) tasks.set(score.task, [...tasks.get(score.task) ?? [], score]);
  return Object.fromEntries(
    [...tasks].map(([task, own]) => [task, {
      windows: own.length,
      mase: mean(own.map(({ mase }) => mase)),
      wql: sum(own.map(({ loss }) => loss)) / sum(own.map(({ magnitude }) => magnitude)),
      cover80: mean(own.map(({ inside80 }) => inside80)),
      cover95: mean(own.map(({ inside95 }) => inside95)),
      leads: LEAD_GROUPS.map((_, g) => ({
        count: sum(own.map(({ leads }) => leads[g]!.count)),
        error: sum(own.map(({ leads }) => leads[g]!.error)),
        inside80: sum(own.map(({ leads }) => leads[g]!.inside80)),
      })),
    }]),
  );
}

/** Scores over all tasks. */
export interface Total {
  /** Geometric means over tasks of the ratio to the baseline. */
  readonly mase: number;
  readonly wql: number;
  /** Plain means over tasks. */
  readonly cover80: number;
  readonly cover95: number;
}

/** What a total needs of a task. */
export type TaskFigures = Pick<TaskScore, "mase" | "wql" | "cover80" | "cover95">;

/** Geometric mean; NaN of none. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(sum(values.map(Math.log)) / values.length);
}

/**
 * Totals of scores beside those of a baseline; only tasks that both have are taken, and none whose
 * figure is 0.
 */
export function totalOf(
  tasks: Readonly<Record<string, TaskFigures>>,
  baseline: Readonly<Record<string, Pick<TaskFigures, "mase" | "wql">>>,
): Total {
  const names = Object.keys(tasks).filter((name) => Object.hasOwn(baseline, name));
  const ratio = (key: "mase" | "wql") =>
    geometricMean(
      names.map((name) => tasks[name]![key] / baseline[name]![key])
        .filter((value) => value > 0 && Number.isFinite(value)),
    );
  const plain = (key: "cover80" | "cover95") => mean(names.map((name) => tasks[name]![key]));
  return {
    mase: ratio("mase"),
    wql: ratio("wql"),
    cover80: plain("cover80"),
    cover95: plain("cover95"),
  };
}
