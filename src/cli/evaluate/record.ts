/** Results as they are kept: one JSON object a line, one line a model and setting. */
import { median } from "./median.ts";
import type { Outcome } from "./evaluate_window.ts";
import { type TaskFigures, taskScores } from "./score.ts";
import { MAIN_SETTINGS } from "./settings.ts";

/** Scores of a task as they are kept. */
export interface KeptScore extends TaskFigures {
  readonly windows: number;
  /** In the main settings: count, error and hits of each group of leads (`score.ts`). */
  readonly leads?: readonly (readonly [count: number, error: number, inside80: number])[];
}

/** How one model or peer did on one set of windows in one setting. */
export interface AccuracyRecord {
  /** Name of the set of windows. */
  readonly set: string;
  readonly setting: string;
  /** Model or peer. */
  readonly model: string;
  readonly version: string;
  readonly isPeer: boolean;
  /** Hash of the code that forecasts and scores, and of the windows. */
  readonly code: string;
  readonly commit: string;
  readonly machine: string;
  readonly date: string;
  /** Windows that the setting says something of, and those where the model failed. */
  readonly windows: number;
  readonly failed: number;
  /** Fit and forecast of a window, in milliseconds. */
  readonly msMedian: number;
  readonly msMean: number;
  readonly stateBytesMean: number | null;
  readonly stateBytesMax: number | null;
  readonly tasks: Readonly<Record<string, KeptScore>>;
}

/** What a record says of where it comes from. */
export type RecordOrigin = Pick<
  AccuracyRecord,
  "set" | "model" | "version" | "isPeer" | "code" | "commit" | "machine" | "date"
>;

/** Sums up the outcomes of one setting. */
export function recordOf(
  origin: RecordOrigin,
  setting: string,
  outcomes: readonly Outcome[],
): AccuracyRecord {
  const times = outcomes.map(({ ms }) => ms);
  const bytes = outcomes.map(({ stateBytes }) => stateBytes).filter((size) => size !== null);
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    ...origin,
    setting,
    windows: outcomes.length,
    failed: outcomes.filter(({ fault }) => fault !== null).length,
    msMedian: median(times),
    msMean: mean(times),
    stateBytesMean: bytes.length > 0 ? Math.round(mean(bytes)) : null,
    stateBytesMax: bytes.length > 0 ? Math.max(...bytes) : null,
    tasks: keptScores(outcomes, MAIN_SETTINGS.includes(setting)),
  };
}

function keptScores(outcomes: readonly Outcome[], isByLead: boolean): Record<string, KeptScore> {
  const tasks = taskScores(outcomes.map(({ score }) => score));
  return Object.fromEntries(
    Object.entries(tasks).map(([name, { leads, ...figures }]) => [name, {
      ...figures,
      ...(isByLead && {
        leads: leads.map(({ count, error, inside80 }) => [count, error, inside80] as const),
      }),
    }]),
  );
}

/** By what a record is told from others: a later one takes its place. */
function keyOf({ set, setting, model }: AccuracyRecord): string {
  return JSON.stringify([set, setting, model]);
}

/** Records with later ones in the place of earlier ones, in the order of set, model, setting. */
export function mergeRecords(
  before: readonly AccuracyRecord[],
  after: readonly AccuracyRecord[],
): AccuracyRecord[] {
  const records = new Map([...before, ...after].map((record) => [keyOf(record), record]));
  const order = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0;
  return [...records.values()].sort((a, b) =>
    order(a.set, b.set) || order(a.model, b.model) || order(a.setting, b.setting)
  );
}

/** Six digits are more than repeats agree on. */
function rounded(_key: string, value: unknown): unknown {
  if (typeof value !== "number" || Number.isInteger(value)) return value;
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : null;
}

/** One record a line. */
export function formatRecords(records: readonly AccuracyRecord[]): string {
  return records.map((record) => JSON.stringify(record, rounded) + "\n").join("");
}

/**
 * Reads what {@linkcode formatRecords} wrote.
 *
 * @throws {SyntaxError} a line is no record; the message names file and line
 */
export function parseRecords(text: string, path: string): AccuracyRecord[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch {
      throw new SyntaxError(`${path}, line ${i + 1}: not JSON`);
    }
    const { set, setting, model, tasks } = record as Partial<AccuracyRecord>;
    const isRecord = [set, setting, model].every((name) => typeof name === "string") &&
      typeof tasks === "object";
    if (!isRecord) throw new SyntaxError(`${path}, line ${i + 1}: no record of accuracy`);
    return [record as AccuracyRecord];
  });
}
