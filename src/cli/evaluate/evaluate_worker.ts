/** The worker side of `runs.ts`: a window and settings in, what came of them out. */
import { evaluateWindow, type Outcome } from "./evaluate_window.ts";
import { settingNamed } from "./settings.ts";
import { openSubject, type Subject } from "./subject.ts";
import type { EvaluationWindow } from "./windows.ts";

/** A piece of work. */
export interface EvaluationWork {
  /** Model, peer or checkpoint: what `openSubject` opens. */
  readonly source: string;
  readonly settings: readonly string[];
  readonly window: EvaluationWindow;
}

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<{ index: number; work: EvaluationWork }>) => void) | null;
  postMessage(message: unknown): void;
};

let opened: Subject | undefined;

async function outcomesOf({ source, settings, window }: EvaluationWork): Promise<Outcome[]> {
  if (opened?.source !== source) opened = await openSubject(source) ?? undefined;
  if (opened === undefined) throw new Error(`${source} is not installed`);
  return evaluateWindow(opened, window, settings.map(settingNamed));
}

scope.onmessage = async ({ data: { index, work } }) => {
  scope.postMessage({ index, result: await outcomesOf(work) });
};
