/**
 * The folder of a backtest: its record, the samples that it needs until it is over, and what it
 * found. What has a record is whole, and a record that says `finished` has its outcome.
 */
import { z } from "zod";
import { parseBy } from "../base/parse.ts";
import { packTree, unpackTree } from "../base/tree.ts";
import type { Segment } from "../signal/segment.ts";
import { readIfThere, removeIfThere, writeAtomic } from "./atomic_file.ts";
import { BACKTEST_PICTURES, type BacktestOutcome } from "./backtest_port.ts";
import { sampleSource } from "./sample_source.ts";

/** States of a backtest; the first two go on after a restart. */
export const BACKTEST_STATES = ["queued", "running", "finished", "canceled", "failed"] as const;

/** Names of what a backtest's folder holds. */
export const BACKTEST_FILES = {
  record: "backtest.json",
  samples: "samples.bin",
  outcome: "outcome.json",
} as const;

const recordSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{16}$/, "16 hexadecimal digits"),
  /** Larger than those of the backtests that were asked for before. */
  order: z.int().min(1),
  /** Starts so far: a backtest that ends the process is not started for ever. */
  attempts: z.int().min(0),
  state: z.enum(BACKTEST_STATES),
  source: sampleSource,
  channels: z.array(z.string()),
  rows: z.int().min(0),
  horizon: z.int().min(1),
  origins: z.int().min(1),
  models: z.array(z.string()),
  /** Bounds of the channels that have some; records of before had none. */
  ranges: z.record(
    z.string(),
    z.strictObject({ lower: z.number().optional(), upper: z.number().optional() }),
  ).default({}),
  /** Declared seasons in seconds; records of before had none. */
  seasonsS: z.array(z.number()).default([]),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  error: z.string().nullable(),
});

/** A backtest as it is kept on disk. */
export type BacktestRecord = z.infer<typeof recordSchema>;

/** Pages, pictures and names are checked; figures are taken as this program wrote them. */
const outcomeSchema = z.strictObject({
  report: z.looseObject({
    horizon: z.int(),
    origins: z.array(z.int()),
    baseline: z.string(),
    channels: z.array(z.looseObject({
      name: z.string(),
      forecasters: z.array(z.looseObject({ name: z.string() })),
    })),
  }),
  page: z.string(),
  pictures: z.record(z.string(), z.record(z.enum(BACKTEST_PICTURES), z.string())),
});

const encoder = new TextEncoder();

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The files of one backtest. */
export class BacktestFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  #at(file: keyof typeof BACKTEST_FILES): string {
    return `${this.path}/${BACKTEST_FILES[file]}`;
  }

  /** Writes all that a backtest begins with; its record comes last. */
  async create(record: BacktestRecord, segment: Segment): Promise<void> {
    await Deno.mkdir(this.path, { recursive: true });
    const { streamId, channels, timestampsNs, values } = segment;
    const samples = packTree({
      streamId,
      channels: [...channels],
      timestampsNs,
      values: [...values],
    });
    await writeAtomic(this.#at("samples"), samples);
    await this.saveRecord(record);
  }

  saveRecord(record: BacktestRecord): Promise<void> {
    return writeAtomic(this.#at("record"), encoder.encode(`${JSON.stringify(record)}\n`));
  }

  saveOutcome(outcome: BacktestOutcome): Promise<void> {
    return writeAtomic(this.#at("outcome"), encoder.encode(JSON.stringify(outcome)));
  }

  /**
   * The record; null where the folder never got one.
   *
   * @throws {SyntaxError | InvalidValueError} it is damaged
   */
  async readRecord(): Promise<BacktestRecord | null> {
    const bytes = await readIfThere(this.#at("record"));
    return bytes === null ? null : parseBy(recordSchema, JSON.parse(textOf(bytes)), "backtest");
  }

  /** @throws {SyntaxError} the file is damaged */
  async readSamples(): Promise<Segment> {
    return unpackTree(await Deno.readFile(this.#at("samples"))) as unknown as Segment;
  }

  /** @throws {SyntaxError | InvalidValueError} the file is damaged */
  async readOutcome(): Promise<BacktestOutcome> {
    const text = await Deno.readTextFile(this.#at("outcome"));
    return parseBy(outcomeSchema, JSON.parse(text), "outcome") as unknown as BacktestOutcome;
  }

  /** Removes what only a backtest that is not over needs. */
  removeSamples(): Promise<void> {
    return removeIfThere(this.#at("samples"));
  }

  remove(): Promise<void> {
    return removeIfThere(this.path);
  }
}
