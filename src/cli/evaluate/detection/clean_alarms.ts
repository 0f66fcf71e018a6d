/** Alarms of the default detector on clean streams: all of them are false. */
import { shareWork } from "../../work_pool.ts";
import { CLEAN_KINDS, cleanStream } from "./clean.ts";
import type { OnlineDetector } from "./detectors.ts";

/** Alarms of clean streams. */
export interface CleanFigures {
  /** Samples of a stream. */
  readonly length: number;
  /** By wanted rate, then kind of noise: alarms of each stream. */
  readonly alarms: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;
}

/** A piece of work: streams of a kind at a wanted rate of false alarms. */
export interface CleanWork {
  readonly kind: string;
  readonly falseAlarmRate: number;
  readonly length: number;
  readonly streams: number;
}

/** A share of what was wanted. */
export interface CleanShare {
  readonly times: number;
  /** Standard error of `times`, by how much streams differ. */
  readonly error: number;
}

/** Samples of a clean stream. */
export const CLEAN_LENGTH = 20_000;
/** So many alarms are wanted of a kind at least, since chance alone moves ten by a third. */
const ALARMS_WANTED = 50;
/** Streams of a kind at least: their spread is the standard error. */
const STREAMS_MIN = 5;

/** Streams of a kind that a wanted rate is measured on. */
export function cleanStreams(falseAlarmRate: number): number {
  return Math.max(STREAMS_MIN, Math.ceil(ALARMS_WANTED / (falseAlarmRate * CLEAN_LENGTH)));
}

/** Alarms of each stream. */
export function countCleanAlarms(detector: OnlineDetector, work: CleanWork): number[] {
  const { length, falseAlarmRate } = work;
  const kind = CLEAN_KINDS.find(({ name }) => name === work.kind);
  if (kind === undefined) throw new Error(`${work.kind} is no kind of clean stream`);
  const timesS = Float64Array.from({ length }, (_, i) => 60 * i);
  return Array.from({ length: work.streams }, (_, i) => {
    const seed = i + 1;
    const values = [cleanStream(kind, length, seed)];
    return detector.run(timesS, values, { seed, falseAlarmRate }).opened.length;
  });
}

/** Measures every kind at every rate, on workers side by side. */
export async function measureClean(
  rates: readonly number[],
  { length, streams, jobs }: {
    readonly length: number;
    readonly streams: (falseAlarmRate: number) => number;
    readonly jobs: number;
  },
): Promise<CleanFigures> {
  const work = rates.flatMap((falseAlarmRate) =>
    CLEAN_KINDS.map((kind): CleanWork => ({
      kind: kind.name,
      falseAlarmRate,
      length,
      streams: streams(falseAlarmRate),
    }))
  );
  const counts: (readonly number[])[] = new Array(work.length);
  await shareWork<CleanWork, readonly number[]>({
    open: () => new Worker(new URL("./clean_worker.ts", import.meta.url), { type: "module" }),
    jobs,
    work,
    onDone: (index, result) => counts[index] = result,
  });
  const alarms: Record<string, Record<string, readonly number[]>> = {};
  work.forEach(({ kind, falseAlarmRate }, i) => {
    (alarms[String(falseAlarmRate)] ??= {})[kind] = counts[i]!;
  });
  return { length, alarms };
}

/**
 * What was wanted of streams, and the alarms they have. With c_i alarms of the i-th of n streams,
 * and w wanted in all:
 *
 *   times = sum c_i / w        error = sqrt(n / (n − 1) · sum (c_i − mean)²) / w
 *
 * @param kinds  alarms of each stream, by kind: a kind's own mean is taken away   [kind][stream]
 */
export function cleanShare(
  kinds: readonly (readonly number[])[],
  { length, rate }: { readonly length: number; readonly rate: number },
): CleanShare {
  let [total, wanted, variance] = [0, 0, 0];
  for (const counts of kinds) {
    const sum = counts.reduce((all, count) => all + count, 0);
    const mean = sum / counts.length;
    const squares = counts.reduce((all, count) => all + (count - mean) ** 2, 0);
    total += sum;
    wanted += rate * length * counts.length;
    variance += squares * counts.length / (counts.length - 1);
  }
  return { times: total / wanted, error: Math.sqrt(variance) / wanted };
}
