import { seasonalNaive } from "../peers/seasonal_naive.ts";
import { isComplete, SCORED_QUANTILES, scoreWindow, type WindowScore } from "./score.ts";
import { gridOf, type Setting, type Trial, trialOf } from "./settings.ts";
import type { Fitted, Subject } from "./subject.ts";
import type { EvaluationWindow } from "./windows.ts";

/** How a subject did on one window in one setting. */
export interface Outcome {
  readonly setting: string;
  readonly score: WindowScore;
  /** Why Seasonal Naive was scored in its place; null where it was not. */
  readonly fault: string | null;
  /** Fit and forecast together, in milliseconds. */
  readonly ms: number;
  readonly stateBytes: number | null;
}

/** A fit that settings with the same context share. */
interface Kept {
  readonly fitted: Fitted | null;
  readonly fault: string | null;
  readonly ms: number;
}

function faultOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function fitOf(subject: Subject, trial: Trial): Kept {
  const startMs = performance.now();
  try {
    return { fitted: subject.fit(trial), fault: null, ms: performance.now() - startMs };
  } catch (cause) {
    return { fitted: null, fault: faultOf(cause), ms: performance.now() - startMs };
  }
}

/** Seasonal Naive at the leads of a trial: what a failed forecast counts as. */
function substitute(trial: Trial): Float64Array {
  const { season, horizon, origin, step, asked } = trial;
  const width = SCORED_QUANTILES.length;
  const rows = seasonalNaive({
    context: gridOf(trial),
    season,
    horizon,
    quantiles: SCORED_QUANTILES,
  });
  const out = new Float64Array(asked.length * width);
  asked.forEach((slot, row) => {
    // A hair beyond a whole lead is that lead.
    const at = Math.max(0, Math.ceil((slot - origin) / step - 1e-6) - 1);
    out.set(rows.subarray(at * width, (at + 1) * width), row * width);
  });
  return out;
}

/** What came of one trial, with the forecast itself; null where Seasonal Naive took its place. */
export type TrialOutcome = Omit<Outcome, "setting"> & { readonly rows: Float64Array | null };

function outcomeOf(trial: Trial, kept: Kept): TrialOutcome {
  let rows: Float64Array | null = null;
  let { fault, ms } = kept;
  if (kept.fitted !== null) {
    const startMs = performance.now();
    try {
      rows = kept.fitted.forecast(trial.asked);
    } catch (cause) {
      fault = faultOf(cause);
    }
    ms += performance.now() - startMs;
  }
  if (!isComplete(rows, trial.asked.length)) rows = null;
  if (rows === null) fault ??= "the forecast is not finite";
  return {
    rows,
    score: scoreWindow({
      task: trial.task,
      target: trial.target,
      rows: rows ?? substitute(trial),
      leads: trial.asked.map((slot) => (slot - trial.origin) / trial.step),
      scale: trial.scale,
    }),
    fault,
    ms,
    stateBytes: kept.fitted?.stateBytes ?? null,
  };
}

/** Fits a subject to a trial, forecasts, and scores the forecast. */
export function outcomeOfTrial(subject: Subject, trial: Trial): TrialOutcome {
  return outcomeOf(trial, fitOf(subject, trial));
}

/**
 * Forecasts a window in each of the settings that say something of it, and scores the forecasts.
 * Settings that show the same context share the fit.
 */
export function evaluateWindow(
  subject: Subject,
  window: EvaluationWindow,
  settings: readonly Setting[],
): Outcome[] {
  const fits = new Map<string, Kept>();
  const outcomes: Outcome[] = [];
  for (const setting of settings) {
    const trial = trialOf(window, setting);
    if (trial === null) continue;
    const kept = fits.get(trial.contextKey) ?? fitOf(subject, trial);
    fits.set(trial.contextKey, kept);
    const { rows: _, ...outcome } = outcomeOf(trial, kept);
    outcomes.push({ setting: setting.name, ...outcome });
  }
  return outcomes;
}
