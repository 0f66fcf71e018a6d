import assert from "node:assert/strict";
import * as sections from "../../../bench/report/sections.ts";
import type { Recorded, Stored } from "../../../bench/report/stored.ts";

function recorded<T>(data: T): Recorded<T> {
  return {
    ...{ date: "2026-01-02T03:04:05Z", commit: "abc", machine: "host", adapter: "card" },
    ...{ runtime: "deno 1", command: "cmd", data },
  };
}

const peak = (length: number, growth: number | null) => ({
  member: "s4d",
  length,
  peakBytes: length * 2 ** 10,
  growth,
  stateBytes: length * 2 ** 11,
});

const stored: Stored = {
  serving: recorded({
    crossover: 18.1,
    rows: [{
      ...{ device: "webgpu", streams: 131_072, gpuMs: 4, latencyMs: 10, flightMs: 8, floorMs: 3 },
    }],
  }),
  networks: recorded({
    crossover: null,
    rows: [{
      ...{ model: "neural", device: "cpu", streams: 64, gpuMs: null },
      ...{ latencyMs: 10, flightMs: 8, floorMs: null },
    }],
  }),
  memory: recorded({
    rows: [peak(1024, null), peak(2048, 2), peak(4096, 2)],
    scans: [{ length: 1024, recomputing: 2 ** 22, storing: 2 ** 27, states: 2 ** 23 }],
  }),
  backlog: recorded({
    rows: [{
      ...{ member: "mamba", streams: 16, length: 8760, steppingMs: 9000, cpuMs: 3000, gpuMs: 90 },
    }],
  }),
  smoother: recorded({
    rows: [{ states: 8, length: 1 << 20, simdMs: 7000, gpuMs: 200, hostMs: 500 }],
  }),
};

/** The cells of a table's only row. */
function cells(table: string): string[] {
  return table.split("\n")[2]!.slice(2, -2).split(" | ");
}

Deno.test("servingTable() has rates, the share of the floor and the crossover", () => {
  const table = sections.servingTable(stored);
  assert.deepEqual(cells(table).slice(1), [
    ...["131,072", "4", "32.8", "75 %", "10", "8", "16.4"],
  ]);
  assert.match(table, /one core serves 18.1 streams/);
});

Deno.test("networksTable() has latencies and thousands of updates a second", () => {
  assert.deepEqual(cells(sections.networksTable(stored)), [
    ...["neural", "cpu", "64", "–", "10", "8", "8"],
  ]);
});

Deno.test("networksTable() names what was not served", () => {
  assert.ok(!sections.networksTable(stored).includes("Not served"));
  const refusal = { model: "neural", device: "webgpu", streams: 131_072, reason: "too many" };
  const data = { ...stored.networks!.data, refused: [refusal] };
  const table = sections.networksTable({ networks: recorded(data) });
  assert.match(table, /Not served there:\n\n- neural on webgpu, 131,072 streams: too many$/);
});

Deno.test("memoryTable() has a column for some lengths and the last doubling", () => {
  assert.deepEqual(cells(sections.memoryTable(stored)), [
    ...["s4d", "1 MiB", "2 MiB", "4 MiB", "2 ×", "2 ×"],
  ]);
  assert.deepEqual(cells(sections.scanMemoryTable(stored)), [
    ...["1,024", "4 MiB", "128 MiB", "8 MiB"],
  ]);
});

Deno.test("backlogTable() and smootherTable() hold the parallel form to steps", () => {
  assert.deepEqual(cells(sections.backlogTable(stored)).slice(2), ["9", "3", "0.09", "100"]);
  assert.deepEqual(cells(sections.smootherTable(stored)).slice(2), [
    ...["7,000", "200", "35", "500", "14"],
  ]);
});

Deno.test("tables of what is not stored say so", () => {
  for (const table of Object.values(sections)) assert.equal(table({}), "_Nothing is stored._");
});

Deno.test("modelsTable() has rates of one run, and states of a later one where there is one", () => {
  const row = (name: string, stateBytes: number) => ({
    ...{ name, series: "day", onlinePerS: 5e4, refitsPerS: 2e4, stateBytes },
  });
  const models = recorded({ load: 1.29, rows: [row("detector x/6", 30_000)] });
  const alone = sections.modelsTable({ models });
  assert.deepEqual(cells(alone), ["detector x/6", "day", "50,000", "20,000", "50", "30,000"]);
  assert.match(alone, /Load at its start: 1.29\.$/);
  const states = recorded({ load: 6.6, rows: [row("detector x/9", 23_000), row("other", 1)] });
  const both = sections.modelsTable({ models, states });
  assert.equal(cells(both).at(-1), "23,000");
  assert.match(both, /\(load 6.6; detector x\/9\): `cmd` on host/);
});
