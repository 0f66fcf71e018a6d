/** The laws of what every store keeps of states: snapshots, alarms, forecasts, feeds, ledgers. */
import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { InvalidValueError } from "../../src/base/errors.ts";
import {
  type AlarmEnd,
  type AlarmEvent,
  type Commit,
  FEED_MAX,
  FORECASTS_KEPT,
} from "../../src/stores/mod.ts";
import {
  alarmAt,
  endAt,
  forecastAt,
  law,
  observations,
  points,
  snapshotAt,
  STORE_KINDS,
  table,
  TIME_MAX,
  TIME_MIN,
  withFolder,
} from "./_stores.ts";

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
