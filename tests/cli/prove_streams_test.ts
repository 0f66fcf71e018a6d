import assert from "node:assert/strict";
import { sha256Hex } from "../../src/base/hash.ts";
import { sliceSegment } from "../../src/signal/segment.ts";
import { isProven, proveStreams } from "../../src/cli/prove_streams.ts";
import type { Store } from "../../src/stores/store.ts";
import { LocalShardPort } from "../../src/streams/shard_port.ts";
import { withEngine } from "../streams/_engine.ts";
import { POISON, testParts, walk } from "../streams/_parts.ts";

const NONE = { proven: 0, differing: 0, other: 0 };

async function proofsOf(store: Store, onProgress?: (samples: number) => void) {
  const records = await store.listStreams({ limit: 10 });
  const ports = [new LocalShardPort(testParts), new LocalShardPort(testParts)];
  return await proveStreams(records, {
    ...{ store, ports },
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}

Deno.test("proveStreams() proves states, forecasts and alarms of all streams", () =>
  withEngine(async ({ engine, ingest, store }) => {
    for (const id of ["a", "b", "c"]) {
      const whole = walk(id, 60, ["x"]);
      whole.values[0]![40] = 500;
      for (const [from, end] of [[0, 30], [30, 50], [50, 60]] as const) {
        await ingest(sliceSegment(whole, from, end));
        await engine.drain();
      }
    }
    let replayed = 0;
    const proofs = await proofsOf(store, (samples) => replayed = samples);
    assert.equal(replayed, 180);
    assert.deepEqual(proofs.map(({ id, samples }) => [id, samples]), [
      ...[["a", 60], ["b", 60], ["c", 60]],
    ]);
    for (const proof of proofs) {
      assert.ok(isProven(proof), JSON.stringify(proof));
      assert.deepEqual(proof.state, { proven: 1, differing: 0, other: 0 });
      assert.ok(proof.alarms.proven >= 1, "an alarm was told");
    }
  }));

Deno.test("proveStreams() tells a state that its log does not make from one of other settings", () =>
  withEngine(async ({ engine, ingest, store }) => {
    await ingest(walk("s", 40, ["x"]));
    await engine.drain();
    const { createdNs } = (await store.getStream("s"))!;
    const newest = (await store.latestSnapshot("s"))!;
    const bytes = new TextEncoder().encode("forged");
    const snapshot = { ...newest, bytes, stateHash: sha256Hex(bytes) };
    await store.commit([{ streamCreatedNs: createdNs, snapshot, events: [], forecast: null }]);
    const [forged] = await proofsOf(store);
    assert.deepEqual(forged!.state, { proven: 0, differing: 1, other: 0 });
    assert.equal(isProven(forged!), false);
    await store.putStream("s", { horizon: 7 });
    const [changed] = await proofsOf(store);
    assert.deepEqual(changed!.state, { proven: 0, differing: 0, other: 1 });
    assert.equal(isProven(changed!), true);
  }));

Deno.test("proveStreams() says why a log cannot be replayed", () =>
  withEngine(async ({ engine, ingest, store }) => {
    const whole = walk("s", 40, ["x"]);
    await ingest(sliceSegment(whole, 0, 20));
    await engine.drain();
    await store.append([{ ...sliceSegment(whole, 20, 21), values: [Float64Array.of(POISON)] }]);
    const [early] = await proofsOf(store);
    // The stored state lies before what the model cannot take.
    assert.deepEqual([early!.failed, early!.state.proven], [null, 1]);
    await store.putStream("t", {});
    const [, empty] = await proofsOf(store);
    assert.deepEqual(empty, {
      ...{ id: "t", samples: 0, state: NONE, forecasts: NONE, alarms: NONE, failed: null },
    });
  }));
