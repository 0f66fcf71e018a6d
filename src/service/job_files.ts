/**
 * The folder of a job: all that it needs to go on after a restart. What the job learns from and
 * the network that it begins with are copies, so that nothing that happens to a stream or a model
 * meanwhile changes what a job makes.
 */
import { packTree, unpackTree } from "../base/tree.ts";
import { linesUpTo, type TrainingLine } from "../training/metrics_lines.ts";
import type { TuningSeries } from "../training/tuning.ts";
import { readIfThere, removeIfThere, writeAtomic } from "./atomic_file.ts";
import { type JobRecord, parseRecord } from "./job_record.ts";

/** Names of what a job's folder holds. */
export const JOB_FILES = {
  record: "job.json",
  metrics: "metrics.jsonl",
  series: "series.bin",
  base: "base.safetensors",
  checkpoint: "checkpoint.safetensors",
} as const;

/** Rows of a job's series: what a stream or a file gave. */
export interface JobRows {
  readonly channels: readonly string[];
  /** Increasing.                                                                      [length] */
  readonly timestampsNs: BigInt64Array;
  /** NaN is a missing value.                                                 [channel][length] */
  readonly values: readonly Float64Array[];
  /** Season lengths in seconds, where declared; empty = found. */
  readonly seasonsS: readonly number[];
}

const encoder = new TextEncoder();

/** The series of rows, each from its first value on; those without a value are left out. */
export function seriesOfRows({ timestampsNs, values, seasonsS }: JobRows): TuningSeries[] {
  return values.flatMap((column) => {
    const rows = [...column.keys()].filter((row) => !Number.isNaN(column[row]!));
    const [first] = rows;
    if (first === undefined) return [];
    const startNs = timestampsNs[first]!;
    return [{
      timesS: Float64Array.from(rows, (row) => Number(timestampsNs[row]! - startNs) / 1e9),
      values: Float64Array.from(rows, (row) => column[row]!),
      seasonsS,
    }];
  });
}

/** The files of one job. */
export class JobFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  #at(file: keyof typeof JOB_FILES): string {
    return `${this.path}/${JOB_FILES[file]}`;
  }

  /** Writes all that a job begins with; its record comes last, so that what has one is whole. */
  async create(record: JobRecord, rows: JobRows, base: Uint8Array): Promise<void> {
    await Deno.mkdir(this.path, { recursive: true });
    const { channels, timestampsNs, values, seasonsS } = rows;
    const series = packTree({
      channels: [...channels],
      timestampsNs,
      values: [...values],
      seasonsS: [...seasonsS],
    });
    await writeAtomic(this.#at("series"), series);
    await writeAtomic(this.#at("base"), base);
    await this.saveRecord(record);
  }

  saveRecord(record: JobRecord): Promise<void> {
    return writeAtomic(this.#at("record"), encoder.encode(`${JSON.stringify(record, null, 2)}\n`));
  }

  /**
   * The record; null where the folder never got one.
   *
   * @throws {SyntaxError | InvalidValueError} it is damaged
   */
  async readRecord(): Promise<JobRecord | null> {
    const bytes = await readIfThere(this.#at("record"));
    return bytes === null ? null : parseRecord(new TextDecoder().decode(bytes));
  }

  /** What the job learns from. @throws {SyntaxError} the file is damaged */
  async readRows(): Promise<JobRows> {
    return unpackTree(await Deno.readFile(this.#at("series"))) as unknown as JobRows;
  }

  readBase(): Promise<Uint8Array<ArrayBuffer>> {
    return Deno.readFile(this.#at("base"));
  }

  readCheckpoint(): Promise<Uint8Array<ArrayBuffer> | null> {
    return readIfThere(this.#at("checkpoint"));
  }

  saveCheckpoint(bytes: Uint8Array): Promise<void> {
    return writeAtomic(this.#at("checkpoint"), bytes);
  }

  /** Lines of the metrics up to a step; the file keeps those alone. */
  async cutLines(step: number): Promise<TrainingLine[]> {
    const lines = await this.readLines(step);
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
    await writeAtomic(this.#at("metrics"), encoder.encode(text));
    return lines;
  }

  async readLines(step = Infinity): Promise<TrainingLine[]> {
    const bytes = await readIfThere(this.#at("metrics"));
    return bytes === null ? [] : linesUpTo(new TextDecoder().decode(bytes), step);
  }

  addLine(line: TrainingLine): void {
    const text = `${JSON.stringify(line)}\n`;
    Deno.writeTextFileSync(this.#at("metrics"), text, { append: true });
  }

  /** Removes what only a job under way needs. */
  async removeWork(): Promise<void> {
    for (const file of ["series", "base", "checkpoint"] as const) {
      await removeIfThere(this.#at(file));
    }
  }

  remove(): Promise<void> {
    return removeIfThere(this.path);
  }
}
