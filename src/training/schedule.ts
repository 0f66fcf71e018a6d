/** Learning rates over the steps of a training. */
import { InvalidValueError } from "../base/errors.ts";

/** A schedule; steps count from 0. */
export type Schedule =
  /** The same rate throughout. */
  | { readonly kind: "constant"; readonly rate: number }
  /** Linear rise over `warmup` steps, then half a cosine down to `floor` at `steps`. */
  | {
    readonly kind: "warmupCosine";
    readonly rate: number;
    readonly warmup: number;
    readonly steps: number;
    readonly floor?: number;
    /** Share of the rate at step 0 of the rise; default that of one step, 1/warmup. */
    readonly from?: number;
  }
  /** Linear rise, a plateau, and over the last `decay` steps a linear fall to `floor`. */
  | {
    readonly kind: "warmupStableDecay";
    readonly rate: number;
    readonly warmup: number;
    readonly steps: number;
    readonly decay: number;
    readonly floor?: number;
  };

/**
 * The rate of a step.
 *
 *   rise     rate·(step + 1)/warmup, or from `from` rate·(from + (1 − from)·step/warmup)
 *   cosine   floor + (rate − floor)·(1 + cos(π·(step − warmup)/(steps − warmup)))/2
 *
 * The s4 repository's CosineWarmup, and torch's LambdaLR, LinearLR and CosineAnnealingLR, are of
 * this form (SGDR, arXiv 1608.03983, equation 5, without restarts); the plateau is that of
 * warmup-stable-decay (arXiv 2404.06395, section 4).
 *
 * @throws {InvalidValueError} step is not an integer of at least 0
 */
export function rateAt(schedule: Schedule, step: number): number {
  if (!(Number.isInteger(step) && step >= 0)) {
    throw new InvalidValueError("step", step, "an integer of at least 0");
  }
  if (schedule.kind === "constant") return schedule.rate;
  const { rate, warmup, steps, floor = 0 } = schedule;
  if (step < warmup) {
    const from = schedule.kind === "warmupCosine" ? schedule.from : undefined;
    if (from === undefined) return rate * (step + 1) / warmup;
    return rate * (from + (1 - from) * step / warmup);
  }
  if (schedule.kind === "warmupCosine") {
    const done = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
    return floor + (rate - floor) * (1 + Math.cos(Math.PI * done)) / 2;
  }
  const left = Math.max(0, steps - step);
  return left >= schedule.decay ? rate : floor + (rate - floor) * left / schedule.decay;
}
