import { InvalidValueError } from "../base/errors.ts";
import { fnv1a32 } from "../base/hash.ts";
import { nextUniform, seedRandom } from "../base/random.ts";
import { modelNamed } from "../models/mod.ts";
import { csv } from "../protocols/csv.ts";
import { decodeBody } from "../protocols/protocol.ts";
import { type Segment, timesS } from "../signal/segment.ts";
import { periodOfFreq, slotNs, type Window } from "./window.ts";

/** `season`: the window's `m` is declared; `none`: seasons are found. */
export type SeasonHint = "season" | "none";

/** What is done to the timestamps: nothing, ±30 % of a period, or every fifth sample is lost. */
export type Perturbation = "none" | "jitter" | "drop";

/** One window and how it is to be forecast. */
export interface WindowTask {
  readonly window: Window;
  readonly model: string;
  readonly hint: SeasonHint;
  readonly perturb: Perturbation;
  readonly seed: number;
}

/** A forecast as the kit's scorer reads it. */
export interface WindowForecast {
  readonly id: string;
  readonly model: string;
  /** [quantile][lead]; null where the window could not be forecast. */
  readonly q: readonly (readonly number[])[] | null;
  readonly ms: number;
  readonly error?: string;
}

/** The quantiles of the format. */
export const WINDOW_QUANTILES: Float64Array = Float64Array.from(
  [0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975],
);

const JITTER_SHARE = 0.3;
const DROP_SHARE = 0.2;

/** The context as a CSV file, with perturbed timestamps or missing rows where asked for. */
export function contextAsCsv(task: WindowTask): string {
  const { window, perturb } = task;
  const periodS = periodOfFreq(window.freq);
  const random = seedRandom((fnv1a32(window.id) ^ task.seed) >>> 0);
  const rows = ["timestamp,value"];
  window.context.forEach((value, index) => {
    // One draw a sample whatever is done with it, so that the perturbations are comparable.
    const draw = nextUniform(random);
    if (perturb === "drop" && draw < DROP_SHARE) return;
    const shift = perturb === "jitter" ? (2 * draw - 1) * JITTER_SHARE : 0;
    rows.push(`${slotNs(index + shift, periodS)},${value ?? ""}`);
  });
  return rows.join("\n") + "\n";
}

function readContext(task: WindowTask): Segment {
  const bytes = new TextEncoder().encode(contextAsCsv(task));
  const { segments } = decodeBody(csv, bytes, { streamId: "window", precision: "ns" });
  const segment = segments[0];
  if (segment === undefined) throw new InvalidValueError("context", "", "at least one row");
  return segment;
}

function quantilesOf(task: WindowTask, segment: Segment): number[][] {
  const { window } = task;
  const periodS = periodOfFreq(window.freq);
  const epochNs = segment.timestampsNs[0]!;
  const model = modelNamed(task.model);
  const config = {
    epochNs,
    horizon: window.h,
    lower: null,
    upper: null,
    seed: fnv1a32(window.id),
    seasonsS: task.hint === "season" ? [window.m * periodS] : [],
  };
  const times = timesS(segment.timestampsNs, epochNs);
  const state = model.stateOfContext(config, times, segment.values[0]!);
  const n = window.context.length;
  const targets = BigInt64Array.from({ length: window.h }, (_, l) => slotNs(n + l, periodS));
  const rows = model.forecast(state, timesS(targets, epochNs), WINDOW_QUANTILES);
  const width = WINDOW_QUANTILES.length;
  return Array.from(
    { length: width },
    (_, q) => Array.from({ length: window.h }, (_, l) => rows[l * width + q]!),
  );
}

/** Forecasts one window; the time is that of fit and forecast, without reading the CSV. */
export function forecastWindow(task: WindowTask): WindowForecast {
  const { window, model } = task;
  let startMs = performance.now();
  try {
    const segment = readContext(task);
    startMs = performance.now();
    const q = quantilesOf(task, segment);
    return { id: window.id, model, q, ms: performance.now() - startMs };
  } catch (cause) {
    const error = cause instanceof Error ? cause.message : String(cause);
    return { id: window.id, model, q: null, ms: performance.now() - startMs, error };
  }
}
