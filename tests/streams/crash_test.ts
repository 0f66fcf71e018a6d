/**
 * kill -9 in the middle of concurrent writers, again and again. Every acknowledged sample is there
 * exactly once, and the state is that of an uninterrupted run over the same log.
 *
 * The full size: DRIFTLINE_CRASH_ROUNDS=20 DRIFTLINE_CRASH_WRITERS=200 deno test -A
 * tests/streams/crash_test.ts
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { ManualClock } from "../../src/base/clock.ts";
import { serveShippedWeights } from "../../src/service/weights.ts";
import { DATABASE_FILE, openMemoryStore, type Store } from "../../src/stores/mod.ts";
import { openEngine } from "../../src/streams/open_engine.ts";
import { hubParts } from "../../src/streams/parts.ts";
import { ServiceProcess, Writer } from "./_crash.ts";

const ROUNDS = Number(Deno.env.get("DRIFTLINE_CRASH_ROUNDS") ?? 2);
const WRITERS = Number(Deno.env.get("DRIFTLINE_CRASH_WRITERS") ?? 20);
/** Every so many streams run the committee; the others the mean, so that the log is the load. */
const COMMITTEE_EVERY = 10;
/** A round lasts so long before the kill; the last ones see states committed while idle. */
const ROUND_MS = (round: number) => 700 + (round * 977) % 2_500;

interface ObservationsBody {
  readonly timestamps: string[];
  readonly channels: { readonly value?: (number | null)[] };
  readonly decimated: boolean;
}

interface StreamBody {
  readonly stateHash: string;
  readonly logOffset: number;
  readonly appliedOffset: number;
}

async function readAll(service: ServiceProcess, writer: Writer): Promise<ObservationsBody> {
  const path = `/v1/streams/${writer.id}/observations?maxPoints=100000`;
  const body = await service.get<ObservationsBody>(path);
  assert.equal(body.decimated, false);
  return body;
}

async function checkAll(service: ServiceProcess, writers: readonly Writer[]): Promise<void> {
  for (const writer of writers) {
    const { timestamps, channels } = await readAll(service, writer);
    writer.check(timestamps, channels.value ?? []);
  }
}

async function prepare(service: ServiceProcess, writers: readonly Writer[]): Promise<void> {
  for (const [index, writer] of writers.entries()) {
    const model = index % COMMITTEE_EVERY === 0 ? "committee" : "mean";
    const response = await fetch(`${service.url}/v1/streams/${writer.id}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ model, horizon: 12 }),
    });
    assert.equal(response.status, 201, await response.text());
  }
}

/** One round: all write, a third of them pause half way, then the process is killed. */
async function writeAndKill(
  service: ServiceProcess,
  writers: readonly Writer[],
  round: number,
): Promise<void> {
  let isPaused = false;
  const timer = setTimeout(() => isPaused = true, 150);
  const running = writers.map((writer, index) =>
    writer.run(service.url, () => isPaused && index % 3 === round % 3)
  );
  await new Promise((resolve) => setTimeout(resolve, ROUND_MS(round)));
  await service.kill();
  await Promise.all(running);
  clearTimeout(timer);
}

/** The state hash of a run that was never interrupted, over the rows that were stored. */
async function uninterruptedHash(
  store: Store,
  writer: Writer,
  rows: ObservationsBody,
  model: string,
): Promise<string> {
  // The networks that the service has: they are members of its committee.
  serveShippedWeights();
  const engine = await openEngine({
    store,
    clock: new ManualClock(),
    parts: hubParts,
    tickMs: 0,
  });
  await store.putStream(writer.id, { model, horizon: 12 });
  await store.append([{
    streamId: writer.id,
    channels: ["value"],
    timestampsNs: BigInt64Array.from(
      rows.timestamps,
      (text) => BigInt(Date.parse(text)) * 1_000_000n,
    ),
    values: [Float64Array.from(rows.channels.value!, (value) => value ?? NaN)],
  }]);
  const { stateHash } = await engine.describe(writer.id);
  await engine.close();
  return stateHash;
}

Deno.test(`no acknowledged sample is lost or doubled over ${ROUNDS} kills`, async () => {
  const folder = await Deno.makeTempDir({ prefix: "driftline-crash-" });
  const writers = Array.from({ length: WRITERS }, (_, i) => new Writer(`w${i}`, i + 1));
  let service = await ServiceProcess.start(folder);
  try {
    await prepare(service, writers);
    for (let round = 0; round < ROUNDS; round++) {
      await writeAndKill(service, writers, round);
      service = await ServiceProcess.start(folder);
      await checkAll(service, writers);
    }
    // What was in doubt is sent once more: it is counted once, stored or not.
    for (const writer of writers) assert.equal(await writer.send(service.url), true);
    await checkAll(service, writers);

    const store = openMemoryStore({ clock: new ManualClock() });
    for (const [index, writer] of writers.entries()) {
      const state = await service.get<StreamBody>(`/v1/streams/${writer.id}`);
      assert.equal(state.logOffset, writer.acknowledged.size);
      assert.equal(state.appliedOffset, writer.acknowledged.size);
      const rows = await readAll(service, writer);
      const model = index % COMMITTEE_EVERY === 0 ? "committee" : "mean";
      assert.equal(state.stateHash, await uninterruptedHash(store, writer, rows, model), writer.id);
    }
    const total = writers.reduce((sum, writer) => sum + writer.acknowledged.size, 0);
    console.log(`${total} samples acknowledged by ${WRITERS} writers over ${ROUNDS} kills`);
    await service.stop();
    const database = new DatabaseSync(`${folder}/${DATABASE_FILE}`);
    const check = database.prepare("PRAGMA integrity_check").get() as Record<string, string>;
    assert.equal(check.integrity_check, "ok");
    const { snapshots } = database.prepare("SELECT count(*) AS snapshots FROM snapshot")
      .get() as Record<string, number>;
    assert.ok(snapshots! > 0, "states were committed on the way");
    database.close();
  } finally {
    await service.kill().catch(() => {});
    await Deno.remove(folder, { recursive: true });
  }
});
