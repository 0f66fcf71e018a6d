/** The laws of every store's streams and log: one suite over the hub. */
import assert from "node:assert/strict";
import { ConflictError, InvalidValueError, LimitError } from "../../src/base/errors.ts";
import { CHANNEL_COUNT_MAX } from "../../src/signal/segment.ts";
import {
  CONFLICTS_NAMED_MAX,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  IDEMPOTENCY_TTL_S,
} from "../../src/stores/mod.ts";
import { law, observations, points, rowsOf, table } from "./_stores.ts";

law("reads back what was appended", async ({ store }) => {
  const [result] = await store.append([points("a", [[10, 1], [20, null], [30, 3]])]);
  assert.equal(result!.created, true);
  assert.equal(result!.accepted, 3);
  assert.equal(result!.logOffset, 3);
  assert.equal(result!.inOrderStart, 0);
  assert.deepEqual(rowsOf(result!.inOrder), [{ t: 10, value: 1 }, { t: 20 }, { t: 30, value: 3 }]);
  assert.deepEqual(await observations(store, "a"), rowsOf(result!.inOrder));
  const record = await store.getStream("a");
  assert.deepEqual(record, result!.record);
  assert.deepEqual([record!.firstNs, record!.lastNs, record!.inOrderCount], [10n, 30n, 3]);
});

law("takes the rows of a body in time order, whatever order they come in", async ({ store }) => {
  const [result] = await store.append([points("a", [[30, 3], [10, 1], [20, 2]])]);
  assert.equal(result!.accepted, 3);
  assert.deepEqual(rowsOf(await store.readInOrder("a", 0, 10)), [
    { t: 10, value: 1 },
    { t: 20, value: 2 },
    { t: 30, value: 3 },
  ]);
});

law("counts a repeated sample as duplicate and stores nothing", async ({ store }) => {
  await store.append([points("a", [[10, 1], [20, 2]])]);
  const [again] = await store.append([points("a", [[10, 1], [20, 2], [30, 3]])]);
  assert.deepEqual([again!.duplicates, again!.accepted, again!.logOffset], [2, 1, 3]);
  assert.equal(again!.inOrderStart, 2);
  assert.deepEqual(rowsOf(again!.inOrder), [{ t: 30, value: 3 }]);
  // A row that only says "missing" adds nothing to a stored one.
  const [missing] = await store.append([points("a", [[20, null]])]);
  assert.equal(missing!.duplicates, 1);
});

law("keeps the first value of a conflict and names it", async ({ store }) => {
  await store.append([points("a", [[10, 1], [20, 2]])]);
  const [result] = await store.append([points("a", [[20, 5], [30, 3]])]);
  assert.deepEqual([result!.rejected, result!.accepted], [1, 1]);
  assert.deepEqual(result!.conflicts, [
    { timestampNs: 20n, channel: "value", stored: 2, given: 5 },
  ]);
  assert.deepEqual((await observations(store, "a"))[1], { t: 20, value: 2 });
  // Zero and minus zero are different bits, hence different values.
  await store.append([points("a", [[40, 0]])]);
  const [zero] = await store.append([points("a", [[40, -0]])]);
  assert.equal(zero!.rejected, 1);
});

law("names at most CONFLICTS_NAMED_MAX conflicts and counts all", async ({ store }) => {
  const pairs = Array.from({ length: 25 }, (_, i): [number, number] => [i, i]);
  await store.append([points("a", pairs)]);
  const [result] = await store.append([points("a", pairs.map(([t, v]) => [t, v + 1]))]);
  assert.equal(result!.rejected, 25);
  assert.equal(result!.conflicts.length, CONFLICTS_NAMED_MAX);
});

law("rejects a conflicting row whole, its new channels included", async ({ store }) => {
  await store.append([points("a", [[10, 1]], "x")]);
  const [result] = await store.append([table("a", ["x", "y"], [[10, 2, 7]])]);
  assert.deepEqual([result!.rejected, result!.late, result!.logOffset], [1, 0, 1]);
  assert.deepEqual(await observations(store, "a"), [{ t: 10, x: 1 }]);
});

law("stores an older sample as late, without moving the in-order log", async ({ store }) => {
  await store.append([points("a", [[10, 1], [30, 3]])]);
  const [result] = await store.append([points("a", [[20, 2], [5, 0]])]);
  assert.deepEqual([result!.late, result!.accepted, result!.inOrder], [2, 0, null]);
  assert.equal(result!.logOffset, 4);
  assert.equal((await store.getStream("a"))!.inOrderCount, 2);
  assert.deepEqual(rowsOf(await store.readInOrder("a", 0, 10)), [
    { t: 10, value: 1 },
    { t: 30, value: 3 },
  ]);
  assert.deepEqual((await observations(store, "a")).map((row) => row.t), [5, 10, 20, 30]);
  assert.equal((await store.getStream("a"))!.firstNs, 5n);
  const [again] = await store.append([points("a", [[20, 2], [5, 1]])]);
  assert.deepEqual([again!.duplicates, again!.rejected, again!.logOffset], [1, 1, 4]);
});

law("fills a channel that was missing under a stored time as late", async ({ store }) => {
  await store.append([table("a", ["x", "y"], [[10, 1, null], [20, 2, 20]])]);
  const [fill] = await store.append([points("a", [[10, 9]], "y")]);
  assert.deepEqual([fill!.late, fill!.logOffset], [1, 3]);
  assert.deepEqual(await observations(store, "a"), [
    { t: 10, x: 1, y: 9 },
    { t: 20, x: 2, y: 20 },
  ]);
  const [again] = await store.append([points("a", [[10, 9]], "y")]);
  assert.equal(again!.duplicates, 1);
  const [other] = await store.append([points("a", [[10, 8]], "y")]);
  assert.deepEqual(other!.conflicts, [{ timestampNs: 10n, channel: "y", stored: 9, given: 8 }]);
});

law("holds rows of one body that share a time against each other", async ({ store }) => {
  const body = table("a", ["x", "y"], [[10, 1, null], [10, null, 2], [10, 1, 2], [10, 3, null]]);
  const [result] = await store.append([body]);
  assert.deepEqual([result!.accepted, result!.duplicates, result!.rejected], [2, 1, 1]);
  assert.equal(result!.logOffset, 1);
  assert.deepEqual(rowsOf(await store.readInOrder("a", 0, 10)), [{ t: 10, x: 1, y: 2 }]);
});

law("grows a stream's channels up to the limit", async ({ store }) => {
  await store.append([points("a", [[10, 1]], "x")]);
  await store.append([points("a", [[20, 2]], "y")]);
  assert.deepEqual((await store.getStream("a"))!.channels, ["x", "y"]);
  assert.deepEqual(rowsOf(await store.readInOrder("a", 0, 10)), [{ t: 10, x: 1 }, { t: 20, y: 2 }]);
  const names = Array.from({ length: CHANNEL_COUNT_MAX }, (_, i) => `c${i}`);
  const wide = table("a", names, [[30, ...names.map((_, i) => i)]]);
  await assert.rejects(store.append([wide]), LimitError);
  assert.deepEqual((await store.getStream("a"))!.channels, ["x", "y"]);
  await store.append([{ ...wide, streamId: "b" }]);
  assert.equal(Object.keys((await observations(store, "b"))[0]!).length, CHANNEL_COUNT_MAX + 1);
});

law("stores all of a request or nothing", async ({ store }) => {
  await store.append([points("old", [[10, 1]])]);
  const names = Array.from({ length: CHANNEL_COUNT_MAX }, (_, i) => `c${i}`);
  const tooWide = table("old", names, [[30, ...names.map((_, i) => i)]]);
  const good = [points("old", [[20, 2], [5, 0]]), points("new", [[10, 1]])];
  await assert.rejects(
    store.append([...good, tooWide], { idempotencyKey: "k" }),
    LimitError,
  );
  assert.equal(await store.getStream("new"), null);
  assert.deepEqual(await observations(store, "old"), [{ t: 10, value: 1 }]);
  assert.equal((await store.getStream("old"))!.logOffset, 1);
  // The key of a refused request is free again.
  const results = await store.append(good, { idempotencyKey: "k" });
  assert.deepEqual(results.map((result) => [result.accepted, result.late, result.replayed]), [
    [1, 1, false],
    [1, 0, false],
  ]);
});

law("answers a retry under the same key with the first answer", async ({ store, clock }) => {
  const key = { idempotencyKey: "k1", requestHash: "h1" };
  const [first] = await store.append([points("a", [[10, 1]])], key);
  await store.append([points("a", [[20, 2]])]);
  const [retry] = await store.append([points("a", [[10, 1]])], key);
  assert.deepEqual(retry, { ...first!, inOrder: null, replayed: true });
  assert.equal((await store.getStream("a"))!.logOffset, 2);
  await assert.rejects(
    store.append([points("a", [[30, 3]])], { ...key, requestHash: "h2" }),
    ConflictError,
  );
  clock.advanceMs((IDEMPOTENCY_TTL_S + 1) * 1_000);
  const [late] = await store.append([points("a", [[10, 1]])], key);
  assert.deepEqual([late!.replayed, late!.duplicates], [false, 1]);
});

law("frees the keys of a deleted stream", async ({ store }) => {
  const key = { idempotencyKey: "k1", requestHash: "h1" };
  const both = [points("a", [[10, 1]]), points("b", [[10, 2]])];
  await store.append(both, key);
  await store.deleteStream("a");
  const redone = await store.append(both, key);
  assert.deepEqual(redone.map((result) => [result.accepted, result.duplicates, result.replayed]), [
    [1, 0, false],
    [0, 1, false],
  ]);
  assert.deepEqual(await observations(store, "a"), [{ t: 10, value: 1 }]);
  assert.equal((await store.append(both, key))[0]!.replayed, true);
  // Made anew by another request, it is another stream; and its key may then name another request.
  await store.deleteStream("a");
  await store.append([points("a", [[20, 3]])]);
  const [other] = await store.append([points("a", [[30, 4]])], { ...key, requestHash: "h2" });
  assert.deepEqual([other!.accepted, other!.replayed], [1, false]);
});

law("refuses keys, limits and offsets out of range by name", async ({ store }) => {
  const long = "k".repeat(IDEMPOTENCY_KEY_LENGTH_MAX + 1);
  const refused = (field: string) => (error: Error) =>
    error instanceof InvalidValueError && error.field === field;
  await assert.rejects(store.append([], { idempotencyKey: long }), refused("Idempotency-Key"));
  await assert.rejects(store.append([], { idempotencyKey: "" }), refused("Idempotency-Key"));
  await assert.rejects(store.listStreams({ limit: 1_001 }), refused("limit"));
  await assert.rejects(store.readInOrder("a", -1, 1), refused("fromOffset"));
  await assert.rejects(store.readObservations("a", 0n, 1n, 0), refused("limit"));
  await assert.rejects(store.readTails(["a"], 0), refused("count"));
  await assert.rejects(store.putStream("a", { horizon: 0 }), refused("horizon"));
  await assert.rejects(store.putStream("a", { seasonsS: [-1] }), refused("seasonsS[0]"));
  await assert.rejects(
    store.putStream("a", { channels: { v: { lower: 2, upper: 1 } } }),
    refused("channels.v.upper"),
  );
  assert.equal(await store.getStream("a"), null);
});

law("keeps streams apart", async ({ store }) => {
  await store.append([points("a", [[10, 1]]), points("b", [[10, 2]])]);
  await store.append([points("b", [[20, 3]])]);
  assert.deepEqual(await observations(store, "a"), [{ t: 10, value: 1 }]);
  assert.equal(await store.deleteStream("a"), true);
  assert.equal(await store.deleteStream("a"), false);
  assert.deepEqual(await observations(store, "a"), []);
  assert.equal(await store.readInOrder("a", 0, 10), null);
  assert.equal((await observations(store, "b")).length, 2);
  assert.deepEqual((await store.stats()).streams, 1);
});

law("lists streams page by page in the order of their ids", async ({ store }) => {
  for (const id of ["b", "ä", "a", "c", "B"]) await store.append([points(id, [[1, 1]])]);
  const first = await store.listStreams({ limit: 2 });
  assert.deepEqual(first.map((record) => record.id), ["B", "a"]);
  const rest = await store.listStreams({ after: "a", limit: 10 });
  assert.deepEqual(rest.map((record) => record.id), ["b", "c", "ä"]);
});

law("changes settings by name, the model too, and keeps the samples", async ({ store }) => {
  const { record, created } = await store.putStream("a", { horizon: 12, labels: { site: "x" } });
  assert.equal(created, true);
  assert.deepEqual([record.settings.horizon, record.settings.detect], [12, true]);
  assert.equal((await store.putStream("a", { model: "mean" })).record.settings.horizon, 12);
  await store.append([points("a", [[10, 1]])]);
  assert.equal((await store.putStream("a", { model: "structural" })).record.logOffset, 1);
  const again = await store.putStream("a", { detect: false });
  assert.deepEqual([again.created, again.record.settings.model], [false, "structural"]);
  assert.deepEqual((await store.getStream("a"))!.settings, again.record.settings);
});

law("reads windows by offset, by time and from the end", async ({ store }) => {
  for (let start = 0; start < 500; start += 5) {
    const pairs = Array.from({ length: 5 }, (_, i): [number, number] => [start + i, start + i]);
    await store.append([points("a", pairs)]);
  }
  const times = (rows: Record<string, number>[]) => rows.map((row) => row.t);
  const middle = await store.readInOrder("a", 123, 7);
  assert.deepEqual(times(rowsOf(middle)), [123, 124, 125, 126, 127, 128, 129]);
  assert.equal(await store.readInOrder("a", 500, 7), null);
  assert.equal((await store.readInOrder("a", 498, 7))!.timestampsNs.length, 2);
  assert.deepEqual(times(rowsOf(await store.readObservations("a", 248n, 252n, 100))), [
    248,
    249,
    250,
    251,
    252,
  ]);
  assert.deepEqual(times(rowsOf(await store.readObservations("a", 248n, 252n, 2))), [248, 249]);
  const [tail, none] = await store.readTails(["a", "nobody"], 3);
  assert.deepEqual(times(rowsOf(tail!)), [497, 498, 499]);
  assert.equal(none, null);
});

law("answers requests in flight together, each with its own outcome", async ({ store }) => {
  const requests = Array.from(
    { length: 200 },
    (_, i) => store.append([points(`s${i % 7}`, [[i, i]])]),
  );
  const results = (await Promise.all(requests)).flat();
  assert.equal(results.filter((result) => result.accepted === 1).length, 200);
  assert.equal(results.filter((result) => result.created).length, 7);
  for (let stream = 0; stream < 7; stream++) {
    const rows = await observations(store, `s${stream}`);
    assert.deepEqual(
      rows.map((row) => row.t),
      Array.from({ length: 200 }, (_, i) => i).filter((i) => i % 7 === stream),
    );
  }
  assert.equal((await store.stats()).samples, 200);
});
