import { shareWork } from "../work_pool.ts";
import type { Outcome } from "./evaluate_window.ts";
import type { EvaluationWork } from "./evaluate_worker.ts";
import { type AccuracyRecord, recordOf, type RecordOrigin } from "./record.ts";
import type { EvaluationWindow } from "./windows.ts";

/** What is measured in one go: one model or peer on one set, in settings that share contexts. */
export interface Run {
  readonly origin: RecordOrigin;
  /** What `openSubject` opens the model or peer by. */
  readonly source: string;
  readonly settings: readonly string[];
  readonly windows: readonly EvaluationWindow[];
  readonly jobs: number;
  readonly onProgress?: (done: number) => void;
  /** Told of each window that could not be forecast. */
  readonly onFault?: (id: string, outcome: Outcome) => void;
}

/** Forecasts and scores every window in each setting; one record a setting. */
export async function evaluateRun(run: Run): Promise<AccuracyRecord[]> {
  const { origin, source, settings, windows, jobs } = run;
  const outcomes: Outcome[][] = new Array(windows.length);
  let done = 0;
  await shareWork<EvaluationWork, Outcome[]>({
    open: () => new Worker(new URL("./evaluate_worker.ts", import.meta.url), { type: "module" }),
    jobs,
    work: windows.map((window) => ({ source, settings, window })),
    onDone(index, result) {
      outcomes[index] = result;
      for (const outcome of result) {
        if (outcome.fault !== null) run.onFault?.(windows[index]!.id, outcome);
      }
      run.onProgress?.(++done);
    },
  });
  return settings.flatMap((setting) => {
    const own = outcomes.flat().filter((outcome) => outcome.setting === setting);
    return own.length > 0 ? [recordOf(origin, setting, own)] : [];
  });
}
