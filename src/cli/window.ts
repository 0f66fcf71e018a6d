import { InvalidValueError } from "../base/errors.ts";

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

/** The first sample's time: any instant will do, it only has to be a timestamp. */
export const WINDOW_START_NS = 1_577_836_800_000_000_000n;

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

/** Time stamp of a slot: the sampling periods since the first sample. */
export function slotNs(index: number, periodS: number): bigint {
  return WINDOW_START_NS + BigInt(Math.round(index * periodS * 1e9));
}
