import { InvalidValueError } from "../base/errors.ts";
import { fnv1a32 } from "../base/hash.ts";
import { nextUniform, seedRandom } from "../base/random.ts";
import { modelNamed } from "../models/mod.ts";
import { csv } from "../protocols/csv.ts";
import { decodeBody } from "../protocols/protocol.ts";
import { type Segment, timesS } from "../signal/segment.ts";

/** A window of the evaluation kit, without its target. */
export interface Window {
  readonly id: string;
  readonly freq: string;
  /** Season length in samples; 1 = none. */
  readonly m: number;
  /** Leads to forecast. */
  readonly h: number;
  readonly context: readonly (number | null)[];
}

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

/** The first sample's time: any instant will do, it only has to be a timestamp. */
const START_NS = 1_577_836_800_000_000_000n;

const UNIT_S: Readonly<Record<string, number>> = {
  S: 1,
  T: 60,
  H: 3600,
  D: 86_400,
  W: 604_800,
  M: 2_629_800,
  Q: 7_889_400,
  Y: 31_557_600,
};

/** Sampling period of a `freq` such as "H", "15T" or "128Hz", in seconds; 1 where it says none. */
export function periodOfFreq(freq: string): number {
  const rate = /^(\d+(?:\.\d+)?)Hz$/.exec(freq);
  if (rate !== null && Number(rate[1]) > 0) return 1 / Number(rate[1]);
  const unit = /^(\d*)([STHDWMQY])$/.exec(freq);
  if (unit === null) return 1;
  return Math.max(1, Number(unit[1] || 1)) * UNIT_S[unit[2]!]!;
}

/**
 * Reads one line of a windows file; `target` is left alone.
 *
 * @throws {InvalidValueError} the line is no window; the message names line and field
 */
export function parseWindow(line: string, lineNumber: number): Window {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    throw new InvalidValueError(`line ${lineNumber}`, line, "a JSON object");
  }
  if (typeof parsed !== "object" || parsed === null) {
    throw new InvalidValueError(`line ${lineNumber}`, line, "a JSON object");
  }
  const { id, freq, m, h, context } = parsed as Record<string, unknown>;
  const wrong = (field: string, value: unknown, expectation: string) =>
    new InvalidValueError(`line ${lineNumber}: ${field}`, value, expectation);
  if (typeof id !== "string") throw wrong("id", id, "a text");
  if (typeof h !== "number" || !Number.isInteger(h) || h < 1) {
    throw wrong("h", h, "a whole number of at least 1");
  }
  if (!Array.isArray(context) || context.length === 0) {
    throw wrong("context", context, "a list of numbers");
  }
  for (const value of context) {
    if (value !== null && typeof value !== "number") throw wrong("context", value, "numbers, null");
  }
  return {
    id,
    freq: typeof freq === "string" ? freq : "",
    m: typeof m === "number" && m >= 1 ? m : 1,
    h,
    context: context as (number | null)[],
  };
}

function nsAt(index: number, periodS: number): bigint {
  return START_NS + BigInt(Math.round(index * periodS * 1e9));
}

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
    rows.push(`${nsAt(index + shift, periodS)},${value ?? ""}`);
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
  const targets = BigInt64Array.from({ length: window.h }, (_, l) => nsAt(n + l, periodS));
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
