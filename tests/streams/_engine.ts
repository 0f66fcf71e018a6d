/** An engine on a store, both in this thread, with a clock that only tests move. */
import { ManualClock } from "../../src/base/clock.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openMemoryStore, type Store } from "../../src/stores/mod.ts";
import type { Applied } from "../../src/streams/engine.ts";
import {
  type EngineOptions,
  openEngine,
  type StreamEngine,
} from "../../src/streams/open_engine.ts";
import { testParts } from "./_parts.ts";

export interface OpenedEngine {
  readonly engine: StreamEngine;
  readonly store: Store;
  readonly clock: ManualClock;
  /** Stores a segment and hands what is in order to the engine, as the service does. */
  ingest(segment: Segment): Promise<Applied | null>;
  /** A second engine on the same store: what a restart finds. */
  restart(): Promise<StreamEngine>;
}

export async function withEngine(
  body: (opened: OpenedEngine) => Promise<void>,
  options: Partial<EngineOptions> = {},
): Promise<void> {
  const clock = new ManualClock();
  const store = options.store ?? openMemoryStore({ clock });
  const engines: StreamEngine[] = [];
  const open = async () => {
    const engine = await openEngine({ store, clock, parts: testParts, tickMs: 0, ...options });
    engines.push(engine);
    return engine;
  };
  const engine = await open();
  const ingest = async (segment: Segment) => {
    const [result] = await store.append([segment]);
    const { record, inOrder, inOrderStart } = result!;
    return inOrder === null ? null : await engine.submit(record, inOrder, inOrderStart);
  };
  try {
    await body({ engine, store, clock, ingest, restart: open });
  } finally {
    for (const opened of engines) await opened.close();
  }
}
