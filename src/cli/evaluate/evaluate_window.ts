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
    const at = Math.ceil((slot - origin) / step) - 1;
    out.set(rows.subarray(at * width, (at + 1) * width), row * width);
  });
  return out;
}

function outcomeOf(setting: Setting, trial: Trial, kept: Kept): Outcome {
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
  const isGood = isComplete(rows, trial.asked.length);
  if (!isGood) fault ??= "the forecast is not finite";
  return {
    setting: setting.name,
    score: scoreWindow({
      task: trial.task,
      target: trial.target,
      rows: isGood ? rows! : substitute(trial),
      leads: trial.asked.map((slot) => (slot - trial.origin) / trial.step),
      scale: trial.scale,
    }),
    fault,
    ms,
    stateBytes: kept.fitted?.stateBytes ?? null,
  };
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
    outcomes.push(outcomeOf(setting, trial, kept));
  }
  return outcomes;
}
