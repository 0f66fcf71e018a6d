import { InvalidValueError } from "../../base/errors.ts";
import { parseWindow, type Window } from "../window.ts";

/** A window with what came after it: what a forecast is scored against. */
export interface EvaluationWindow extends Window {
  /** Name of the group of windows that is scored together. */
  readonly task: string;
  /** What followed the context; null where nothing was measured.                      [lead] */
  readonly target: readonly (number | null)[];
}

/**
 * Reads one line of a windows file, `target` and `task` included.
 *
 * @throws {InvalidValueError} the line is no window; the message names line and field
 */
export function parseEvaluationWindow(line: string, lineNumber: number): EvaluationWindow {
  const window = parseWindow(line, lineNumber);
  const { task, target } = JSON.parse(line) as Record<string, unknown>;
  if (typeof task !== "string") {
    throw new InvalidValueError(`line ${lineNumber}: task`, task, "a text");
  }
  const isTarget = Array.isArray(target) && target.length === window.h &&
    target.every((value) => value === null || Number.isFinite(value));
  if (!isTarget) {
    throw new InvalidValueError(`line ${lineNumber}: target`, target, `${window.h} numbers, null`);
  }
  return { ...window, task, target: target as (number | null)[] };
}
