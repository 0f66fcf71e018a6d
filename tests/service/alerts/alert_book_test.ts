import assert from "node:assert/strict";
import { ManualClock } from "../../../src/base/clock.ts";
import { CLOSED_ALERTS_MAX } from "../../../src/service/alerts/alert.ts";
import { AlertBook, alertId, pairKey } from "../../../src/service/alerts/alert_book.ts";
import { DELIVERIES_WAITING_MAX } from "../../../src/service/alerts/deliveries.ts";
import { openMemoryStore } from "../../../src/stores/mod.ts";
import { alertOf, ruleOf, SECRET, START_NS } from "./_alerts.ts";

const webhook = { url: "https://hooks.example.com", secret: SECRET };

async function openBook(store = openMemoryStore({ clock: new ManualClock() })) {
  const book = new AlertBook(store);
  await book.load();
  return { book, store };
}

Deno.test("AlertBook keeps rules, alerts, watches and messages, and reads them again", async () => {
  const { book, store } = await openBook();
  const rule = ruleOf({ webhook });
  const watch = { ruleId: "r", streamId: "s", offset: 5, run: 1 };
  await book.write({ rules: [rule] }, START_NS);
  await book.write({ alerts: [alertOf()], watches: [watch] }, START_NS);
  const { book: again } = await openBook(store);
  assert.deepEqual([...again.rules], [rule]);
  assert.deepEqual(again.alerts, [alertOf()]);
  assert.deepEqual(again.watch("r", "s"), watch);
  assert.deepEqual(again.newest("r", "s"), alertOf());
  const [message] = [...again.waiting];
  assert.deepEqual([message!.id, message!.type], ["msg_a1_opened", "alert.opened"]);
  assert.equal(JSON.parse(message!.body).data.id, "a1");
});

Deno.test("AlertBook knows again which alert of one instant was the last", async () => {
  const { book, store } = await openBook();
  await book.write({ rules: [ruleOf({ webhook })] }, START_NS);
  // Keys are hashes: their order says nothing.
  const ids = ["c", "a", "e", "b", "d"];
  const all = ids.map((id, i) => {
    const isLast = i === ids.length - 1;
    return alertOf({ id, openedNs: BigInt(i), state: isLast ? "open" : "closed" });
  });
  await book.write({ alerts: all.map((one) => ({ ...one, state: "open" as const })) }, START_NS);
  await book.write({ alerts: all }, START_NS);
  const { book: again } = await openBook(store);
  for (const one of [book, again]) {
    assert.equal(one.newest("r", "s")!.id, "d");
    assert.deepEqual(one.alerts.map(({ id }) => id), ids.toReversed());
  }
  const told = ids.flatMap((id) => [`msg_${id}_opened`, ...id === "d" ? [] : [`msg_${id}_closed`]]);
  assert.deepEqual([...again.waiting].map(({ id }) => id), told);
  // An older one that changes is no newer one for that.
  await again.write({ alerts: [{ ...all[0]!, isHeld: true }] }, START_NS);
  assert.equal(again.newest("r", "s")!.id, "d");
});

Deno.test("AlertBook changes nothing in memory that the store has refused", async () => {
  const { book, store } = await openBook();
  store.writeLedger = () => Promise.reject(new Error("full"));
  await assert.rejects(() => book.write({ alerts: [alertOf()] }, START_NS), /full/);
  assert.deepEqual([book.alerts, book.openCount], [[], 0]);
});

Deno.test("AlertBook forgets the oldest closed alerts with their messages", async () => {
  const { book, store } = await openBook();
  await book.write({ rules: [ruleOf({ webhook })] }, START_NS);
  const closed = (i: number) =>
    alertOf({ id: `c${i}`, streamId: `s${i}`, state: "closed", noticedNs: START_NS + BigInt(i) });
  await book.write({ alerts: [alertOf({ noticedNs: 0n }), closed(0)] }, START_NS);
  const rest = Array.from({ length: CLOSED_ALERTS_MAX - 1 }, (_, i) => closed(i + 1));
  await book.write({ rules: [ruleOf()] }, START_NS);
  await book.write({ alerts: rest }, START_NS);
  assert.ok(book.alert("c0"));
  await book.write({ alerts: [closed(CLOSED_ALERTS_MAX)] }, START_NS);
  assert.equal(book.alert("c0"), undefined);
  assert.equal(book.alert("a1")!.state, "open");
  assert.equal(book.alerts.length, CLOSED_ALERTS_MAX + 1);
  assert.deepEqual(book.deliveries("c0"), []);
  const kept = await store.readLedger("alert-delivery", { limit: 10 });
  assert.deepEqual(kept.map(({ key }) => key), ["msg_a1_opened"]);
});

Deno.test("AlertBook tells of an alert that opened and ended at once that it is over, too", async () => {
  const { book } = await openBook();
  await book.write({ rules: [ruleOf({ webhook })] }, START_NS);
  const over = { state: "closed", closedNs: START_NS, closedBy: "itself" } as const;
  await book.write({ alerts: [alertOf({ ...over, endedNs: START_NS + 60n })] }, START_NS);
  const told = [...book.waiting].map(({ id, body }) => ({ id, ...JSON.parse(body) }));
  assert.deepEqual(
    told.map(({ id, type, data }) => [id, type, data.state, data.closedBy]),
    [
      ["msg_a1_opened", "alert.opened", "open", null],
      ["msg_a1_closed", "alert.closed", "closed", "itself"],
    ],
  );
  // Nothing has changed since.
  await book.write({ alerts: [alertOf({ ...over, eventCount: 2 })] }, START_NS);
  assert.equal(book.waitingCount, 2);
});

Deno.test("AlertBook fails a message at once where too many wait", async () => {
  const { book } = await openBook();
  await book.write({ rules: [ruleOf({ webhook })] }, START_NS);
  const many = Array.from(
    { length: DELIVERIES_WAITING_MAX },
    (_, i) => alertOf({ id: `a${i}`, streamId: `s${i}` }),
  );
  await book.write({ alerts: many }, START_NS);
  assert.equal(book.waitingCount, DELIVERIES_WAITING_MAX);
  await book.write({ alerts: [alertOf({ id: "beyond", streamId: "x" })] }, START_NS);
  assert.equal(book.waitingCount, DELIVERIES_WAITING_MAX);
  const [delivery] = book.deliveries("beyond");
  assert.equal(delivery!.state, "failed");
  assert.match(delivery!.attempts[0]!.error!, /DELIVERIES_WAITING_MAX is 10000/);
});

Deno.test("alertId() is that of the event, pairKey() that of rule and stream", () => {
  const id = alertId(ruleOf(), "s", 5n);
  assert.match(id, /^[0-9a-f]{24}$/);
  assert.equal(alertId(ruleOf({ name: "other" }), "s", 5n), id);
  assert.notEqual(alertId(ruleOf(), "s", 6n), id);
  assert.equal(pairKey({ ruleId: "r", streamId: "a b" }), "r a b");
});
