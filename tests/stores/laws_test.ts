/** The laws of every store: one suite over the hub. */
import assert from "node:assert/strict";
import { ConflictError, InvalidValueError, LimitError } from "../../src/base/errors.ts";
import { sha256Hex } from "../../src/base/hash.ts";
import { CHANNEL_COUNT_MAX } from "../../src/signal/segment.ts";
import {
  type AlarmEnd,
  type AlarmEvent,
  type Commit,
  CONFLICTS_NAMED_MAX,
  FEED_MAX,
  FORECASTS_KEPT,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  IDEMPOTENCY_TTL_S,
  type IssuedForecast,
  type Snapshot,
} from "../../src/stores/mod.ts";
import {
  law,
  observations,
  points,
  rowsOf,
  STORE_KINDS,
  table,
  TIME_MAX,
  TIME_MIN,
  withFolder,
} from "./_stores.ts";
import { ManualClock } from "../../src/base/clock.ts";

function snapshotAt(streamId: string, appliedOffset: number, modelHash = "m"): Snapshot {
  const bytes = new TextEncoder().encode(`${streamId}@${appliedOffset}`);
  return { streamId, appliedOffset, modelHash, stateHash: sha256Hex(bytes), bytes };
}

function alarmAt(streamId: string, timestampNs: bigint, score = 5): AlarmEvent {
  return {
    streamId,
    timestampNs,
    kind: "anomaly",
    score,
    flag: 2,
    channels: ["value"],
    value: [3],
    expected: [null],
    appliedOffset: 3,
    modelHash: "m",
    stateHash: "s",
  };
}

function forecastAt(streamId: string, appliedOffset: number): IssuedForecast {
  return {
    streamId,
    originNs: BigInt(appliedOffset),
    timesNs: BigInt64Array.from([100n, 200n]),
    quantiles: Float64Array.from([0.1, 0.9]),
    values: { value: Float64Array.from([1, 2, 3, 4]) },
    appliedOffset,
    modelHash: "m",
    stateHash: "s",
  };
}

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

law("commits snapshot, events and forecast together and keeps the newest", async ({ store }) => {
  const [{ record } = { record: null! }] = await store.append([
    points("a", Array.from({ length: 100 }, (_, i) => [i, i])),
  ]);
  const streamCreatedNs = record.createdNs;
  for (let offset = 1; offset <= 80; offset++) {
    const events = offset % 40 === 0 ? [alarmAt("a", BigInt(offset))] : [];
    const forecast = forecastAt("a", offset);
    await store.commit([{
      streamCreatedNs,
      snapshot: snapshotAt("a", offset),
      events,
      forecast,
    }]);
  }
  assert.deepEqual(await store.latestSnapshot("a"), snapshotAt("a", 80));
  assert.deepEqual(await store.latestSnapshot("a", "m"), snapshotAt("a", 80));
  assert.equal(await store.latestSnapshot("a", "other model"), null);
  const forecasts = await store.readForecasts("a", 1_000);
  assert.equal(forecasts.length, FORECASTS_KEPT);
  assert.deepEqual(forecasts[0], forecastAt("a", 80));
  assert.deepEqual(await store.readEvents("a", TIME_MIN, TIME_MAX, 10), [
    alarmAt("a", 40n),
    alarmAt("a", 80n),
  ]);
  assert.deepEqual(await store.countEvents(["a", "b"], 41n), [1, 0]);
});

law("lists the streams whose snapshots are behind their logs", async ({ store }) => {
  const created = new Map<string, bigint>();
  for (const id of ["a", "b", "c", "d"]) {
    const [result] = await store.append([points(id, [[1, 1], [2, 2], [3, 3]])]);
    created.set(id, result!.record.createdNs);
  }
  await store.putStream("empty", {});
  for (const [id, offset] of [["b", 3], ["c", 2]] as const) {
    await store.commit([{
      streamCreatedNs: created.get(id)!,
      snapshot: snapshotAt(id, offset),
      events: [],
      forecast: null,
    }]);
  }
  const [a, c, d] = [["a", 3], ["c", 1], ["d", 3]].map(([id, samples]) => ({ id, samples }));
  assert.deepEqual(await store.listBehind({ limit: 10 }), [a, c, d]);
  assert.deepEqual(await store.listBehind({ after: "a", limit: 1 }), [c]);
  // A late sample changes nothing for the state.
  await store.append([points("b", [[0, 1]])]);
  assert.deepEqual(await store.listBehind({ after: "a", limit: 2 }), [c, d]);
});

law("replaces an event that is committed again, exactly once", async ({ store }) => {
  const [result] = await store.append([points("a", [[1, 1], [2, 2], [3, 3]])]);
  const streamCreatedNs = result!.record.createdNs;
  const commit = (score: number): Commit => ({
    streamCreatedNs,
    snapshot: snapshotAt("a", 3),
    events: [alarmAt("a", 2n, score)],
    forecast: forecastAt("a", 3),
  });
  await store.commit([commit(5)]);
  await store.commit([commit(7)]);
  assert.deepEqual(await store.readEvents("a", TIME_MIN, TIME_MAX, 10), [alarmAt("a", 2n, 7)]);
  assert.equal((await store.readForecasts("a", 10)).length, 1);
});

function endAt(streamId: string, number: number): AlarmEnd {
  return {
    streamId,
    number,
    openedNs: 1n,
    peakNs: 2n,
    endedNs: 3n,
    score: 5,
    p: 1e-5,
    reason: "spike",
    channels: ["value"],
  };
}

law("feeds alarms once, in the order of the commits, until they are settled", async ({ store }) => {
  await store.append([points("a", [[1, 1], [2, 2], [3, 3]]), points("b", [[1, 1]])]);
  const commitOf = async (id: string, events: AlarmEvent[], ends: AlarmEnd[]) => {
    const { createdNs } = (await store.getStream(id))!;
    const snapshot = snapshotAt(id, id === "a" ? 3 : 1);
    await store.commit([{ streamCreatedNs: createdNs, snapshot, events, ends, forecast: null }]);
  };
  await commitOf("a", [alarmAt("a", 2n)], []);
  await commitOf("b", [alarmAt("b", 1n)], []);
  await commitOf("a", [alarmAt("a", 2n, 9), alarmAt("a", 3n)], [endAt("a", 0)]);
  const feed = await store.readFeed(0, 10);
  const short = feed.map((entry) =>
    "opened" in entry ? `${entry.opened.streamId}${entry.opened.timestampNs}` : "end"
  );
  assert.deepEqual(short, ["a2", "b1", "a3", "end"]);
  const last = feed[3]!;
  assert.deepEqual("ended" in last && last.ended, endAt("a", 0));
  assert.deepEqual(await store.readFeed(feed[1]!.sequence, 1), [feed[2]]);
  const value = { name: "x", at: 5n, list: [1, null] };
  await store.writeLedger({
    puts: [{ ledger: "alert", key: "k", value }],
    removes: [],
    feedSettled: feed[0]!.sequence,
  });
  assert.deepEqual(await store.readFeed(0, 10), feed.slice(1));
  await store.deleteStream("a");
  assert.deepEqual(await store.readFeed(0, 10), [feed[1]]);
  assert.deepEqual(await store.readLedger("alert", { limit: 9 }), [
    { ledger: "alert", key: "k", value },
  ]);
});

law("gives the event of an alarm the reason that it has now", async ({ store }) => {
  await store.append([points("a", [[1, 1], [2, 2], [3, 3]])]);
  const { createdNs } = (await store.getStream("a"))!;
  const commit = (events: AlarmEvent[], ends: AlarmEnd[]) =>
    store.commit([{
      ...{ streamCreatedNs: createdNs, snapshot: snapshotAt("a", 3), events, ends },
      forecast: null,
    }]);
  const [first, second] = [2n, 3n].map((timestampNs, number) => ({
    ...alarmAt("a", timestampNs),
    ...{ reason: "spike", number },
  }));
  await commit([first!, second!], []);
  const revised = { ...endAt("a", 1), openedNs: 0n, reason: "level", isOpen: true };
  await commit([], [revised]);
  const reasons = async () => (await store.readEvents("a", 0n, 99n, 9)).map(({ reason }) => reason);
  assert.deepEqual(await reasons(), ["spike", "level"]);
  const feed = await store.readFeed(0, 9);
  assert.deepEqual(feed.map((entry) => "ended" in entry && entry.ended.isOpen), [
    ...[false, false, true],
  ]);
  // Of another time it is another alarm, of a state before.
  await commit([], [{ ...endAt("a", 0), openedNs: 5_000n, reason: "drift" }]);
  assert.deepEqual(await reasons(), ["spike", "level"]);
});

law("forgets the oldest of a feed that nobody settles", async ({ store }) => {
  const [appended] = await store.append([points("a", [[1, 1]])]);
  const ends = Array.from({ length: FEED_MAX + 5 }, (_, number) => endAt("a", number));
  await store.commit([{
    streamCreatedNs: appended!.record.createdNs,
    snapshot: snapshotAt("a", 1),
    events: [],
    ends,
    forecast: null,
  }]);
  const [first] = await store.readFeed(0, 1);
  assert.equal("ended" in first! && first.ended.number, 5);
  assert.equal((await store.readFeed(first!.sequence + FEED_MAX - 2, 10)).length, 1);
});

law("keeps ledgers apart and in the order of their keys", async ({ store }) => {
  const put = (ledger: string, key: string, value = 0) => ({ ledger, key, value });
  const puts = [put("x", "b"), put("x", "a"), put("y", "a", 7), put("x", "\u{10000}")];
  await store.writeLedger({ puts: [...puts, put("x", "\uffff")], removes: [] });
  await store.writeLedger({
    puts: [put("x", "a", 3)],
    removes: [{ ledger: "x", key: "b" }, { ledger: "y", key: "none" }],
  });
  const all = await store.readLedger("x", { limit: 10 });
  assert.deepEqual(all.map(({ key, value }) => [key, value]), [
    ["a", 3],
    ["\uffff", 0],
    ["\u{10000}", 0],
  ]);
  assert.deepEqual(await store.readLedger("x", { after: "a", limit: 1 }), [put("x", "\uffff")]);
  assert.deepEqual(await store.readLedger("y", { limit: 10 }), [put("y", "a", 7)]);
  await assert.rejects(() => store.readLedger("x", { limit: 0 }), InvalidValueError);
  await assert.rejects(() => store.readFeed(0, 1_001), InvalidValueError);
});

law("passes over a commit for a stream that was deleted and made anew", async ({ store }) => {
  const [first] = await store.append([points("a", [[1, 1], [2, 2], [3, 3]])]);
  await store.deleteStream("a");
  const [second] = await store.append([points("a", [[1, 1], [2, 2], [3, 3]])]);
  assert.notEqual(first!.record.createdNs, second!.record.createdNs);
  await store.commit([{
    streamCreatedNs: first!.record.createdNs,
    snapshot: snapshotAt("a", 3),
    events: [alarmAt("a", 2n)],
    forecast: null,
  }]);
  assert.equal(await store.latestSnapshot("a"), null);
  assert.deepEqual(await store.readEvents("a", TIME_MIN, TIME_MAX, 10), []);
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

for (const kind of STORE_KINDS.filter((kind) => kind.isDurable)) {
  Deno.test(`${kind.name} store: survives reopening`, () =>
    withFolder(async (folder) => {
      const clock = new ManualClock();
      const before = await kind.open(folder, clock);
      await before.putStream("a", { horizon: 7 });
      const [result] = await before.append(
        [table("a", ["x", "y"], [[10, 1, 2], [20, 3, null]]), points("b", [[1, 1]])],
        { idempotencyKey: "k", requestHash: "h" },
      );
      await before.append([points("a", [[15, 5]], "x")]);
      await before.commit([{
        streamCreatedNs: result!.record.createdNs,
        snapshot: snapshotAt("a", 2),
        events: [alarmAt("a", 20n)],
        ends: [endAt("a", 0)],
        forecast: forecastAt("a", 2),
      }]);
      const feed = await before.readFeed(0, 10);
      const kept = { ledger: "rule", key: "k", value: { secret: "s", at: 7n } };
      await before.writeLedger({ puts: [kept], removes: [], feedSettled: feed[0]!.sequence });
      const record = await before.getStream("a");
      await before.close();

      const after = await kind.open(folder, clock);
      assert.deepEqual(await after.getStream("a"), record);
      assert.deepEqual(await observations(after, "a"), [
        { t: 10, x: 1, y: 2 },
        { t: 15, x: 5 },
        { t: 20, x: 3 },
      ]);
      assert.deepEqual(await after.latestSnapshot("a"), snapshotAt("a", 2));
      assert.deepEqual(await after.readForecasts("a", 5), [forecastAt("a", 2)]);
      assert.deepEqual(await after.readEvents("a", 0n, 99n, 5), [alarmAt("a", 20n)]);
      assert.deepEqual(await after.readFeed(0, 10), feed.slice(1));
      assert.deepEqual(await after.readLedger("rule", { limit: 1 }), [kept]);
      const [retry] = await after.append([points("b", [[2, 2]])], {
        idempotencyKey: "k",
        requestHash: "h",
      });
      assert.equal(retry!.replayed, true);
      const [next] = await after.append([points("a", [[20, 3], [30, 4]], "x")]);
      assert.deepEqual([next!.duplicates, next!.accepted, next!.inOrderStart], [1, 1, 2]);
      await after.close();
    }));
}
