/**
 * More streams than memory holds, in turn: what a sample costs whose state may be away.
 *
 *   deno run -A bench/turns_bench.ts [--streams 600] [--memory 64] [--history 45] [--turns 5]
 *       [--json]
 *
 * Each stream first gets its history in one request, then in each turn a sample, one stream after
 * the other over 16 connections' worth of calls; store and engine are those of the service, on a
 * folder that is removed. `memory` is `--state-memory` in MiB. `read` is the share of samples for
 * which the state had to be read, `cpu ms` the processor time of all threads for a sample (Linux
 * only), `MiB` what the store grew by.
 */
import { parseArgs } from "node:util";
import { ARGS, runBench, wholeNumber } from "./args.ts";
import { systemClock } from "../src/base/clock.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import { shippedWeights } from "../src/service/weights.ts";
import type { Segment } from "../src/signal/segment.ts";
import { openSqliteStore, type Store } from "../src/stores/mod.ts";
import { openEngine, type StreamEngine } from "../src/streams/open_engine.ts";

const START_NS = BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n;
const STEP_NS = 60_000_000_000n;
/** Calls under way at a time. */
const CALLS = 16;
/** Between two turns: commits that are due are not counted to the next one. */
const PAUSE_MS = 1_000;
const STREAMS_MAX = 100_000;
const MEMORY_MAX_MIB = 65_536;
const SAMPLES_MAX = 100_000;
/** Clock ticks of `/proc`: 100 a second wherever Linux runs today. */
const TICK_MS = 10;

function samplesOf(stream: number, first: number, count: number): Segment {
  const at = Array.from({ length: count }, (_, i) => first + i);
  return {
    streamId: `s${stream}`,
    channels: ["value"],
    timestampsNs: BigInt64Array.from(at, (i) => START_NS + BigInt(i) * STEP_NS),
    values: [
      Float64Array.from(at, (i) => 20 + 5 * Math.sin(i / 9) + (i * 7919 + stream) % 100 / 50),
    ],
  };
}

interface Opened {
  readonly store: Store;
  readonly engine: StreamEngine;
  readonly streams: number;
}

/** Sends each stream samples, and waits until they are absorbed. */
async function sendTurn({ store, engine, streams }: Opened, first: number, count: number) {
  let next = 0;
  await Promise.all(Array.from({ length: CALLS }, async () => {
    while (next < streams) {
      const [result] = await store.append([samplesOf(next++, first, count)]);
      const { record, inOrder, inOrderStart } = result!;
      await engine.submit(record, inOrder!, inOrderStart);
    }
  }));
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

/** Processor time of this process in milliseconds; NaN where the system does not tell. */
async function cpuMs(): Promise<number> {
  try {
    const [, rest = ""] = (await Deno.readTextFile("/proc/self/stat")).split(") ");
    const fields = rest.split(" ");
    return TICK_MS * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return NaN;
  }
}

async function measureTurn(opened: Opened, first: number, count: number) {
  const { store, engine, streams } = opened;
  const [loaded, ms, cpu, { bytes }] = [
    engine.stats().loadedStates,
    performance.now(),
    await cpuMs(),
    await store.stats(),
  ];
  await sendTurn(opened, first, count);
  const { states, loadedStates } = engine.stats();
  return {
    samples: count,
    states,
    read: (loadedStates - loaded) / streams,
    cpuMs: (await cpuMs() - cpu) / streams,
    ms: (performance.now() - ms - PAUSE_MS) / streams,
    mib: ((await store.stats()).bytes - bytes) / 2 ** 20,
  };
}

await runBench(async () => {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      streams: { type: "string", default: "600" },
      memory: { type: "string", default: "64" },
      history: { type: "string", default: "45" },
      turns: { type: "string", default: "5" },
      json: { type: "boolean", default: false },
    },
  });
  const streams = wholeNumber("streams", values.streams, STREAMS_MAX);
  const memory = wholeNumber("memory", values.memory, MEMORY_MAX_MIB);
  const history = wholeNumber("history", values.history, SAMPLES_MAX);
  const turns = wholeNumber("turns", values.turns, SAMPLES_MAX);
  const folder = await Deno.makeTempDir({ prefix: "driftline-turns-" });
  const store = await openSqliteStore({ folder, clock: systemClock });
  const engine = await openEngine({
    ...{ store, clock: systemClock, models: shippedWeights(undefined) },
    stateCacheBytesMax: memory * 2 ** 20,
  });
  try {
    const opened = { store, engine, streams };
    const rows = [await measureTurn(opened, 0, history)];
    for (let i = 0; i < turns; i++) rows.push(await measureTurn(opened, history + i, 1));
    if (values.json) {
      console.log(JSON.stringify({ streams, memory, turns: rows }));
      return;
    }
    const header = ["samples", "states", "read", "cpu ms", "ms", "MiB"];
    console.log(formatTable(header, rows.map((row) => Object.values(row).map(formatNumber))));
  } finally {
    await engine.close();
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
});
