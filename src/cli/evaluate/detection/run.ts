/** Measures detection and keeps the result. */
import { cpus } from "node:os";
import { writeAtomic } from "../../../service/atomic_file.ts";
import { codeHash } from "../code_hash.ts";
import { textOf } from "../store.ts";
import { measureChanges } from "./changes.ts";
import { CLEAN_LENGTH, cleanStreams, measureClean } from "./clean_alarms.ts";
import { ONLINE_DETECTORS } from "./detectors.ts";
import { type LabelledSeries, labelledSeries } from "./labelled.ts";
import { measureDetector, RATES } from "./measure.ts";
import type { DetectionRecord } from "./page.ts";

const HASH_DIGITS = 16;
/** Streams of each kind that changes. */
const CHANGED_STREAMS = 8;

function pathOf(results: string): string {
  return `${results}/detection.json`;
}

/** The kept result; null where there is none. */
export async function readDetection(results: string): Promise<DetectionRecord | null> {
  const text = await textOf(pathOf(results));
  return text === null ? null : JSON.parse(text);
}

/**
 * Measures every detector on the labelled series of a data folder, and on clean streams.
 *
 * @returns null where the data is not there
 */
export async function measureDetection(given: {
  readonly data: string;
  readonly results: string;
  readonly commit: string;
  /** Workers for the clean streams. */
  readonly jobs: number;
  readonly nowMs: () => number;
  readonly onProgress: (done: number) => void;
}): Promise<DetectionRecord | null> {
  if (await textOf(`${given.data}/nab/windows.json`) === null) return null;
  const all: LabelledSeries[] = [];
  for await (const series of labelledSeries(given.data)) all.push(series);
  const detectors = ONLINE_DETECTORS.map((detector, i) => {
    const figures = measureDetector(detector, all, given.nowMs);
    given.onProgress(i + 1);
    return figures;
  });
  const code = await codeHash(
    ["./measure.ts", "./clean_worker.ts", "./changes.ts"].map((file) =>
      new URL(file, import.meta.url)
    ),
  );
  const record: DetectionRecord = {
    code: code.slice(0, HASH_DIGITS),
    commit: given.commit,
    machine: `${cpus()[0]?.model ?? "unknown"} x${cpus().length}`,
    date: new Date().toISOString(),
    detectors,
    clean: await measureClean(RATES, {
      length: CLEAN_LENGTH,
      streams: cleanStreams,
      jobs: given.jobs,
    }),
    changes: measureChanges(CHANGED_STREAMS),
  };
  await Deno.mkdir(given.results, { recursive: true });
  const text = `${JSON.stringify(record, null, 1)}\n`;
  await writeAtomic(pathOf(given.results), new TextEncoder().encode(text));
  return record;
}
