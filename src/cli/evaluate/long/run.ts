/** Measures long horizons and keeps the result. */
import { cpus } from "node:os";
import { writeAtomic } from "../../../service/atomic_file.ts";
import { codeHash } from "../code_hash.ts";
import { textOf } from "../store.ts";
import { HORIZONS, type LongFigures, measureLong } from "./measure.ts";
import type { LongRecord } from "./page.ts";
import { readLongSeries } from "./series.ts";

const HASH_DIGITS = 16;

function pathOf(results: string): string {
  return `${results}/long_horizons.json`;
}

/** The kept result; null where there is none. */
export async function readLong(results: string): Promise<LongRecord | null> {
  const text = await textOf(pathOf(results));
  return text === null ? null : JSON.parse(text);
}

/**
 * Measures every horizon on the series of the data folder's `ett`.
 *
 * @returns null where no series is there
 */
export async function measureLongHorizons(given: {
  readonly data: string;
  readonly results: string;
  readonly commit: string;
  readonly onProgress: (done: number, total: number) => void;
}): Promise<LongRecord | null> {
  const all = await readLongSeries(`${given.data}/ett`);
  if (all.length === 0) return null;
  const total = all.length * HORIZONS.length;
  let done = 0;
  const figures: LongFigures[] = [];
  for (const series of all) {
    figures.push(...measureLong(series, () => given.onProgress(++done, total)));
  }
  const code = await codeHash([new URL("./measure.ts", import.meta.url)]);
  const record: LongRecord = {
    code: code.slice(0, HASH_DIGITS),
    commit: given.commit,
    machine: `${cpus()[0]?.model ?? "unknown"} x${cpus().length}`,
    date: new Date().toISOString(),
    figures,
  };
  await Deno.mkdir(given.results, { recursive: true });
  const text = `${JSON.stringify(record, null, 1)}\n`;
  await writeAtomic(pathOf(given.results), new TextEncoder().encode(text));
  return record;
}
