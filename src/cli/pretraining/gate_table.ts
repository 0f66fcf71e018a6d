/**
 * The table that the committee's gate is fitted to: rows of `gate_row.ts` as tensors of one
 * safetensors file. Files stand alone; a table is the rows of any number of them.
 */
import { InvalidValueError } from "../../base/errors.ts";
import {
  floatEntry,
  floatsOf,
  halfEntry,
  readSafetensors,
  type SafetensorsEntry,
  writeSafetensors,
} from "../../base/safetensors.ts";
import {
  type GateRow,
  ROW_BUCKETS,
  ROW_GLOBALS,
  ROW_LEADS,
  ROW_LOSSES,
  ROW_QUANTILES,
} from "./gate_row.ts";

/** Format and version of a file. */
export const TABLE_FORMAT = "driftline-gate-table/1";

/** Largest number that is written: floats of 16 bits end at 65,504. */
const LARGEST = 60_000;

/** What a file says beside its numbers. */
export interface TableHead {
  /** Names of the members, a network's without its hash. */
  readonly members: readonly string[];
}

/** A tensor of the file, and its shape behind the rows. */
type Field = readonly [Exclude<keyof GateRow, "group" | "series">, readonly number[]];

function fieldsOf({ members }: TableHead): readonly Field[] {
  const networks = members.filter((name) => name.startsWith("network:")).length;
  return [
    ["globals", [ROW_GLOBALS.length]],
    ["leads", [ROW_LEADS]],
    ["truth", [ROW_LEADS]],
    ["naive", [ROW_LEADS]],
    ["origins", [ROW_BUCKETS]],
    ["losses", [ROW_LOSSES.length, ROW_BUCKETS, members.length]],
    ["forecasts", [members.length, ROW_LEADS]],
    ["pooled", [ROW_LEADS, ROW_QUANTILES.length]],
    ["fans", [networks, ROW_LEADS, ROW_QUANTILES.length]],
  ];
}

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** Writes rows; numbers beyond ±60,000 become that. */
export function encodeTable(head: TableHead, rows: readonly GateRow[]): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, SafetensorsEntry>();
  for (const [name, shape] of fieldsOf(head)) {
    const size = sizeOf(shape);
    const data = new Float32Array(rows.length * size);
    rows.forEach((row, r) =>
      data.set(row[name].map((x) => Math.min(LARGEST, Math.max(-LARGEST, x))), r * size)
    );
    const entry = name === "globals" ? floatEntry : halfEntry;
    tensors.set(name, entry([rows.length, ...shape], data));
  }
  return writeSafetensors(tensors, {
    format: TABLE_FORMAT,
    members: JSON.stringify(head.members),
    groups: JSON.stringify(rows.map(({ group }) => group)),
    series: JSON.stringify(rows.map(({ series }) => series)),
  });
}

/**
 * Reads a file of {@linkcode encodeTable}.
 *
 * @throws {InvalidValueError} another format, or a tensor of another shape
 * @throws {SyntaxError} no safetensors file
 */
export function decodeTable(bytes: Uint8Array): { head: TableHead; rows: GateRow[] } {
  const { tensors, metadata } = readSafetensors(bytes);
  if (metadata.format !== TABLE_FORMAT) {
    throw new InvalidValueError("format", metadata.format, TABLE_FORMAT);
  }
  const list = (name: string) => JSON.parse(metadata[name] ?? "[]") as string[];
  const head = { members: list("members") };
  const [groups, series] = [list("groups"), list("series")];
  const columns = fieldsOf(head).map(([name, shape]) => {
    const entry = tensors.get(name);
    const expected = [groups.length, ...shape];
    if (entry === undefined || entry.shape.join() !== expected.join()) {
      throw new InvalidValueError(`shape of ${name}`, entry?.shape, `[${expected}]`);
    }
    return { name, size: sizeOf(shape), data: floatsOf(entry) };
  });
  const rows = groups.map((group, r) => ({
    group,
    series: series[r]!,
    ...Object.fromEntries(columns.map(({ name, size, data }) => [
      name,
      Float64Array.from(data.subarray(r * size, (r + 1) * size)),
    ])),
  })) as unknown as GateRow[];
  return { head, rows };
}
