/** Follows streams with models and keeps what came of it. */
import { writeAtomic } from "../../../service/atomic_file.ts";
import { shareWork } from "../../work_pool.ts";
import { codeHash } from "../code_hash.ts";
import { textOf } from "../store.ts";
import { drawnStreams, realStreams } from "./series.ts";
import type { Followed } from "./stream.ts";
import type { LiveWork } from "./worker.ts";

/** What one model came to on all streams. */
export interface LiveRecord {
  readonly model: string;
  readonly version: string;
  /** Hash of the code that forecasts and judges. */
  readonly code: string;
  readonly commit: string;
  readonly machine: string;
  readonly date: string;
  readonly streams: readonly Followed[];
}

const HASH_DIGITS = 16;
const DIGITS = 5;

function pathOf(results: string): string {
  return `${results}/live_streams.json`;
}

/** The kept results, one a model; none where there is no file. */
export async function readLive(results: string): Promise<LiveRecord[]> {
  const text = await textOf(pathOf(results));
  return text === null ? [] : JSON.parse(text);
}

function rounded(_key: string, value: unknown): unknown {
  if (typeof value !== "number" || Number.isInteger(value)) return value;
  return Number.isFinite(value) ? Number(value.toPrecision(DIGITS)) : null;
}

async function keepLive(results: string, record: LiveRecord): Promise<void> {
  const others = (await readLive(results)).filter(({ model }) => model !== record.model);
  const records = [...others, record].toSorted((a, b) => a.model < b.model ? -1 : 1);
  await Deno.mkdir(results, { recursive: true });
  const lines = records.map((one) => JSON.stringify(one, rounded));
  await writeAtomic(pathOf(results), new TextEncoder().encode(`[\n${lines.join(",\n")}\n]\n`));
}

/** What follows and judges, and what is followed. */
const CODE = ["./follow.ts", "./series.ts", "../../../models/mod.ts"];

/**
 * Follows the measured streams of the data folder, where it is there, and the drawn ones.
 *
 * @param sample  only every so many streams are followed, and nothing is kept
 * @returns null where the same version and code was measured before
 */
export async function measureLiveStreams(
  origin: Omit<LiveRecord, "code" | "streams">,
  { data, results, jobs, sample, onProgress }: {
    readonly data: string;
    readonly results: string;
    readonly jobs: number;
    readonly sample: number;
    readonly onProgress: (done: number, total: number) => void;
  },
): Promise<LiveRecord | null> {
  const urls = CODE.map((path) => new URL(path, import.meta.url));
  const code = (await codeHash(urls)).slice(0, HASH_DIGITS);
  const isKept = (await readLive(results)).some((record) =>
    record.model === origin.model && record.version === origin.version && record.code === code
  );
  if (isKept && sample === 1) return null;
  const streams = [...await realStreams(data), ...drawnStreams()]
    .filter((_, i) => i % sample === 0);
  const followed: Followed[] = new Array(streams.length);
  let done = 0;
  await shareWork<LiveWork, Followed>({
    open: () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }),
    jobs,
    work: streams.map((stream) => ({ model: origin.model, stream })),
    onDone(index, result) {
      followed[index] = result;
      onProgress(++done, streams.length);
    },
  });
  const record = { ...origin, code, streams: followed };
  if (sample === 1) await keepLive(results, record);
  return record;
}
