/**
 * The score of the Numenta Anomaly Benchmark (Lavin and Ahmad 2015, arXiv 1510.03336), from its
 * definition.
 *
 * The earliest detection in a window earns s(p) / s(−1) with p = −(right − i + 1) / width; one
 * outside costs the weight of false positives times s(p), with p = (i − right) / (width − 1) of the
 * window before it, and the whole weight where there is none; a missed window costs the weight of
 * false negatives.
 *
 *   s(p) = 2 / (1 + exp(5 p)) − 1,     −1 beyond p = 3
 */
import type { Run } from "./ranking.ts";

/** What right and wrong detections weigh. */
export interface NabProfile {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly falseNegative: number;
}

/** NAB's own three profiles. */
export const NAB_PROFILES: Readonly<Record<string, NabProfile>> = {
  standard: { truePositive: 1, falsePositive: 0.11, falseNegative: 1 },
  "low FP": { truePositive: 1, falsePositive: 0.22, falseNegative: 1 },
  "low FN": { truePositive: 1, falsePositive: 0.11, falseNegative: 2 },
};

/** Detections of one file. */
export interface NabFile {
  readonly score: Float64Array;
  readonly windows: readonly Run[];
}

/** The best score over all thresholds, 0 = nothing found, 100 = perfect, and its threshold. */
export interface NabResult {
  readonly score: number;
  readonly threshold: number;
}

const PROBATION_SHARE = 0.15;
const PROBATION_MAX = 750;

/** Samples at the start of a file that are not scored. */
export function probation(length: number): number {
  return Math.min(Math.floor(PROBATION_SHARE * length), PROBATION_MAX);
}

function sigmoid(p: number): number {
  return p > 3 ? -1 : 2 / (1 + Math.exp(5 * p)) - 1;
}

/** What calling one sample earns; by window, since only the best of one counts. */
interface Reward {
  readonly score: number;
  /** Number of the window; −1 outside. */
  readonly window: number;
  readonly value: number;
}

function rewardsOf({ score, windows }: NabFile, firstWindow: number): Reward[] {
  const rewards: Reward[] = [];
  let next = 0;
  for (let i = 0; i < score.length; i++) {
    while (next < windows.length && i > windows[next]![1]) next++;
    if (i < probation(score.length)) continue;
    const window = windows[next];
    const before = windows[next - 1];
    if (window !== undefined && i >= window[0]) {
      const p = -(window[1] - i + 1) / (window[1] - window[0] + 1);
      rewards.push({
        score: score[i]!,
        window: firstWindow + next,
        value: sigmoid(p) / sigmoid(-1),
      });
    } else {
      const value = before === undefined ? -1 : sigmoid((i - before[1]) / (before[1] - before[0]));
      rewards.push({ score: score[i]!, window: -1, value });
    }
  }
  return rewards;
}

/** One threshold for all files, the best for a profile. */
export function nabScore(files: readonly NabFile[], profile: NabProfile): NabResult {
  let windowCount = 0;
  const rewards: Reward[] = [];
  for (const file of files) {
    rewards.push(...rewardsOf(file, windowCount));
    windowCount += file.windows.length;
  }
  rewards.sort((a, b) => b.score - a.score);
  const bestOfWindow = new Float64Array(windowCount).fill(-profile.falseNegative);
  const nothing = -profile.falseNegative * windowCount;
  let total = nothing;
  let best = { total, threshold: Infinity };
  for (let i = 0; i < rewards.length; i++) {
    const { score, window, value } = rewards[i]!;
    if (window < 0) {
      total += value * profile.falsePositive;
    } else {
      const earned = value * profile.truePositive;
      if (earned > bestOfWindow[window]!) {
        total += earned - bestOfWindow[window]!;
        bestOfWindow[window] = earned;
      }
    }
    if (rewards[i + 1]?.score === score) continue;
    if (total > best.total) best = { total, threshold: score };
  }
  const perfect = profile.truePositive * windowCount;
  return {
    score: 100 * (best.total - nothing) / (perfect - nothing),
    threshold: best.threshold,
  };
}

/** What a file costs of the 100 points at a threshold; the three together are what it loses. */
export interface NabLoss {
  /** Windows without a detection. */
  readonly missed: number;
  readonly missedPoints: number;
  /** Of windows whose first detection is not at their start. */
  readonly latePoints: number;
  /** Detections outside of windows. */
  readonly wrong: number;
  readonly wrongPoints: number;
}

/** What each file loses at one threshold. */
export function nabLosses(
  files: readonly NabFile[],
  profile: NabProfile,
  threshold: number,
): NabLoss[] {
  const all = files.reduce((sum, { windows }) => sum + windows.length, 0);
  const points = 100 / (all * (profile.truePositive + profile.falseNegative));
  return files.map((file) => {
    const best = new Float64Array(file.windows.length).fill(-1);
    let [wrong, wrongCost] = [0, 0];
    for (const { score, window, value } of rewardsOf(file, 0)) {
      if (score < threshold) continue;
      if (window >= 0) {
        best[window] = Math.max(best[window]!, value);
      } else {
        wrong++;
        wrongCost -= value * profile.falsePositive;
      }
    }
    const hit = best.filter((value) => value >= 0);
    const missed = best.length - hit.length;
    const late = hit.reduce((sum, value) => sum + profile.truePositive * (1 - value), 0);
    return {
      missed,
      missedPoints: points * missed * (profile.truePositive + profile.falseNegative),
      latePoints: points * late,
      wrong,
      wrongPoints: points * wrongCost,
    };
  });
}
