import type { AccuracyRecord, KeptScore } from "../../../src/cli/evaluate/record.ts";
import { LEAD_GROUPS } from "../../../src/cli/evaluate/score.ts";

/** A score whose every figure follows from one number. */
export function keptScore(mase: number): KeptScore {
  return {
    windows: 2,
    mase,
    wql: mase / 10,
    cover80: 0.8,
    cover95: 0.95,
    leads: LEAD_GROUPS.map((_, g) => g < 3 ? [10, 10 * mase, 8] as const : [0, 0, 0] as const),
  };
}

/** A record of tasks whose MASE are given. */
export function record(
  model: string,
  setting: string,
  tasks: Readonly<Record<string, number>>,
  changes: Partial<AccuracyRecord> = {},
): AccuracyRecord {
  return {
    set: "dev",
    setting,
    model,
    version: "1",
    isPeer: false,
    code: "c0de",
    commit: "1234567",
    machine: "a machine",
    date: "2026-11-22T00:00:00.000Z",
    windows: 4,
    failed: 0,
    msMedian: 2,
    msMean: 3,
    stateBytesMean: 1000,
    stateBytesMax: 2000,
    tasks: Object.fromEntries(Object.entries(tasks).map(([name, mase]) => [name, keptScore(mase)])),
    ...changes,
  };
}
