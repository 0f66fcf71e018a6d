import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { PEER_SAMPLES, PEERS_MIN, PeerTable } from "../../../src/service/alerts/peers.ts";
import type { Applied } from "../../../src/streams/engine.ts";

function applied(streamId: string, z: readonly number[]): Applied {
  const length = z.length;
  return {
    segment: {
      streamId,
      channels: ["value"],
      timestampsNs: BigInt64Array.from(z, (_, i) => BigInt(i + 1)),
      values: [Float64Array.from(z, (own) => 20 + 3 * own)],
    },
    start: 0,
    appliedOffset: length,
    expected: [new Float64Array(length).fill(20)],
    scale: [new Float64Array(length).fill(3)],
    score: new Float64Array(length),
    flag: new Float64Array(length),
    alarms: [],
    ended: [],
  };
}

const random = seedRandom(5);
const noise = (mean: number) => Array.from({ length: 60 }, () => mean + nextNormal(random));
const farthest = (table: PeerTable, ids: string[], freshNs = 0n) =>
  table.distances(ids, freshNs)
    .map(({ streamId, value, median, scale }) => ({
      streamId,
      far: Math.abs(value - median) / scale,
    }))
    .sort((a, b) => b.far - a.far)[0];

Deno.test("PeerTable finds the stream that differs, and none where all share the cause", () => {
  const ids = ["a", "b", "c", "d", "e", "f"];
  const table = new PeerTable();
  for (const id of ids) table.add(applied(id, noise(id === "c" ? 3 : 0)));
  const found = farthest(table, ids)!;
  assert.equal(found.streamId, "c");
  assert.ok(found.far > 6, String(found.far));
  const shared = new PeerTable();
  for (const id of ids) shared.add(applied(id, noise(3)));
  assert.ok(farthest(shared, ids)!.far < 6);
});

Deno.test("PeerTable says nothing of groups that are too few, too new or too old", () => {
  const table = new PeerTable();
  const ids = Array.from({ length: PEERS_MIN }, (_, i) => `s${i}`);
  for (const id of ids) table.add(applied(id, noise(0)));
  assert.equal(table.distances(ids, 0n).length, PEERS_MIN);
  assert.deepEqual(table.distances(ids.slice(1), 0n), []);
  assert.deepEqual(table.distances(ids, 61n), []);
  table.forget("s0");
  table.add(applied("s0", Array(PEER_SAMPLES - 1).fill(0)));
  assert.deepEqual(table.distances(ids, 0n), []);
  table.add(applied("s0", [NaN, 0]));
  assert.equal(table.distances(ids, 0n).length, PEERS_MIN);
});
