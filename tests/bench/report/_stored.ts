/** Results as they are stored, for the tests of the page: round numbers, one scenario of each kind. */
import type { Row } from "../../../bench/ops_bench.ts";
import type { Stored } from "../../../bench/report/stored.ts";

function row(name: string, group: Row["group"], ms: number): Row {
  return {
    name,
    group,
    cost: { bytes: 201e6, fused: 68.7e9, single: 0, special: 0 },
    gpu: { ms, leastMs: ms, spread: 0, repeats: 7 },
    floor: { ms: 2.6, bound: "f32" },
    peer: name.startsWith("matmul 4") ? { name: "torch", ms: 2.664 } : null,
    cpu: null,
    wallMs: 1,
  };
}

const provenance = {
  date: "2026-01-02T03:04:05Z",
  commit: "abc",
  machine: "host",
  adapter: "card",
  runtime: "deno 1",
  command: "deno run",
};
const ceilings = { bytes: 2e9, instructions: 26e9, special: 4e9 };

/** One product level with its peer, SSD of a given time, two sizes of a state. */
export const storedWith = (ssdMs: number): Stored => ({
  kernels: {
    ...provenance,
    data: {
      adapter: "card",
      ceilings,
      rows: [
        row("matmul 4096,4096,4096", "issue", 2.664),
        row("ssd 8,2048,32,64,128", "issue", ssdMs),
      ],
    },
  },
  curves: {
    ...provenance,
    data: {
      adapter: "card",
      ceilings,
      rows: [row("matmul state 4", "state", 1), row("matmul state 8", "state", 2)],
    },
  },
});

/** SSD just misses its goal. */
export const stored = storedWith(1);
