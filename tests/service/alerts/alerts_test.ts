import assert from "node:assert/strict";
import { ManualClock } from "../../../src/base/clock.ts";
import { createHmac } from "node:crypto";
import { ALERT_TOPIC } from "../../../src/service/alerts/alerts.ts";
import { formatTimestamp } from "../../../src/signal/timestamp.ts";
import { openSqliteStore } from "../../../src/stores/mod.ts";
import { withFolder } from "../../stores/_stores.ts";
import { openAlerts, SECRET } from "./_alerts.ts";
import type { AlarmEnd, AlarmEvent } from "../../../src/stores/store.ts";

const HOOK = { url: "https://hooks.example.com/a", secret: SECRET };
const ABOVE = { kind: "value", above: 10 };

Deno.test("Alerts opens one alert for values in a row beyond a bound, and closes it", async () => {
  const { rule, post, list } = openAlerts();
  await rule({ name: "hot", condition: { ...ABOVE, samples: 2 }, streams: { prefix: "s" } });
  await post([1, 11, 1, 12]);
  assert.deepEqual(await list(), []);
  await post([13, 14]);
  const [open, ...more] = await list("?state=open");
  assert.equal(more.length, 0);
  assert.deepEqual([open.stream, open.rule.name, open.kind], ["s", "hot", "value"]);
  assert.deepEqual([open.values, open.channels, open.events], [[13], ["value"], 1]);
  assert.match(open.summary, /value is 13, above 10/);
  await post([2], "s");
  await post([99, 99], "other");
  const [closed] = await list();
  assert.deepEqual([closed.id, closed.state, closed.closedBy], [open.id, "closed", "itself"]);
});

Deno.test("Alerts counts what recurs while it cools down with the alert before", async () => {
  const { rule, post, list } = openAlerts();
  await rule({ condition: ABOVE, coolDownS: 60 });
  await post([1, 11, 1, 11, 1]);
  assert.deepEqual((await list()).map(({ state, events }) => [state, events]), [["closed", 2]]);
  await post(Array(70).fill(1));
  await post([11]);
  assert.deepEqual((await list()).map(({ state }) => state), ["open", "closed"]);
});

Deno.test("Alerts opens nothing in a window of maintenance, nor of samples too old", async () => {
  const { rule, post, list, service } = openAlerts();
  await rule({
    condition: ABOVE,
    streams: { ids: ["s"] },
    maintenance: [{ from: "2023-11-14T00:00:00Z", to: "2023-11-15T00:00:00Z" }],
  });
  await post([11, 11, 1]);
  assert.equal(service.alerts.stats()["silenced"], 1);
  await rule({ condition: ABOVE, streams: { ids: ["old"] } });
  await post([11], "old", 0);
  assert.deepEqual(await list(), []);
});

Deno.test("Alerts tells a flag once, and none that is not rare or large enough", async () => {
  const { rule, post, list, store } = openAlerts();
  await rule({ name: "any", condition: { kind: "anomaly" } });
  await rule({ name: "rare", condition: { kind: "anomaly", p: 1e-3 } });
  await rule({ name: "large", condition: { kind: "anomaly", effect: { units: 1 } } });
  await post([1, 5_000, 1]);
  const [alert, ...more] = await list();
  assert.equal(more.length, 0);
  assert.deepEqual([alert.rule.name, alert.kind, alert.p, alert.state], [
    "any",
    "anomaly",
    0.01,
    "open",
  ]);
  assert.deepEqual(await store.readFeed(0, 10), []);
  const { createdNs } = (await store.getStream("s"))!;
  const openedNs = BigInt(Date.parse(alert.openedAt)) * 1_000_000n;
  await store.commit([{
    streamCreatedNs: createdNs,
    snapshot: {
      streamId: "s",
      appliedOffset: 3,
      modelHash: "m",
      stateHash: "h",
      bytes: new Uint8Array(),
    },
    events: [],
    ends: [{
      streamId: "s",
      number: 0,
      openedNs,
      peakNs: openedNs + 1_000n,
      endedNs: openedNs + 5_000n,
      score: 12,
      p: 1e-5,
      reason: "level",
      channels: ["value"],
    }],
    forecast: null,
  }]);
  await post([1]);
  const [late, closed] = await list("?state=closed");
  assert.deepEqual([closed.id, closed.reason, closed.p, closed.score], [
    alert.id,
    "level",
    1e-5,
    12,
  ]);
  // It became rare enough for the second rule only after it opened.
  assert.deepEqual([late.rule.name, late.p, late.closedBy], ["rare", 1e-5, "itself"]);
});

Deno.test("Alerts tells flags apart that opened and ended in one commit, each once", async () => {
  const { rule, post, list, store, sent, clock } = openAlerts();
  await rule({ condition: { kind: "anomaly" }, webhook: HOOK });
  await post([1]);
  const { createdNs } = (await store.getStream("s"))!;
  const snapshot = {
    ...{ streamId: "s", appliedOffset: 1, modelHash: "m", stateHash: "h" },
    bytes: new Uint8Array(1),
  };
  const about = { streamId: "s", channels: ["value"], score: 9, p: 1e-5, reason: "spike" };
  const openedNs = [0n, 60n].map((second) => clock.nowNs() + second * 1_000_000_000n);
  await store.commit([{
    ...{ streamCreatedNs: createdNs, snapshot, forecast: null },
    events: openedNs.map((timestampNs, number) => ({
      ...{ ...about, number, timestampNs, kind: "anomaly", flag: 5, value: [9], expected: [1] },
      ...{ appliedOffset: 1, modelHash: "m", stateHash: "h" },
    })),
    ends: openedNs.map((opened, number) => ({
      ...{ ...about, number, openedNs: opened, peakNs: opened },
      endedNs: opened + 30_000_000_000n,
    })),
  }]);
  await post([1]);
  const alerts = await list("?state=closed");
  assert.deepEqual(
    alerts.map(({ openedAt, events, closedBy }) => [openedAt, events, closedBy]),
    [...openedNs].reverse().map((timeNs) => [formatTimestamp(timeNs), 1, "itself"]),
  );
  for (const { id } of alerts) {
    const told = sent.map(({ body }) => JSON.parse(body)).filter(({ data }) => data.id === id);
    assert.deepEqual(told.map(({ type }) => type), ["alert.opened", "alert.closed"]);
  }
  assert.equal(sent.length, 4);
});

Deno.test("Alerts takes on the reason that a flag turns out to have, and opens where it is a rule's", async () => {
  const { rule, post, list, store, sent, clock } = openAlerts();
  await rule({ name: "any", condition: { kind: "anomaly" }, webhook: HOOK });
  await rule({ name: "levels", condition: { kind: "anomaly", reasons: ["level"] } });
  await post([1]);
  const { createdNs } = (await store.getStream("s"))!;
  const openedNs = clock.nowNs();
  const proof = { streamId: "s", appliedOffset: 1, modelHash: "m", stateHash: "h" };
  const snapshot = { ...proof, bytes: new Uint8Array() };
  const alarm = { ...proof, score: 12, p: 1e-3, number: 0, channels: ["value"] };
  const commit = async (events: AlarmEvent[], ends: AlarmEnd[]) => {
    await store.commit([{
      ...{ streamCreatedNs: createdNs, snapshot, events, ends },
      forecast: null,
    }]);
    await post([1]);
  };
  const values = { value: [9], expected: [1], scale: [1] };
  const kind = "anomaly" as const;
  const opening = { ...alarm, ...values, kind, timestampNs: openedNs, flag: 3, reason: "spike" };
  await commit([opening], []);
  assert.deepEqual((await list()).map(({ rule, reason }) => [rule.name, reason]), [
    ["any", "spike"],
  ]);
  const times = { openedNs, peakNs: openedNs + 1_000n, endedNs: openedNs + 5_000n };
  const tell = (isOpen: boolean) =>
    commit([], [{ ...alarm, ...times, reason: "level", ...(isOpen ? { isOpen } : {}) }]);
  await tell(true);
  const open = await list();
  assert.deepEqual(open.map(({ rule, state, reason }) => [rule.name, state, reason]).sort(), [
    ["any", "open", "level"],
    ["levels", "open", "level"],
  ]);
  await tell(false);
  assert.deepEqual((await list("?state=closed")).map(({ rule }) => rule.name).sort(), [
    "any",
    "levels",
  ]);
  // Receivers are told of the opening and of the end, which has the reason.
  assert.deepEqual(sent.map(({ body }) => JSON.parse(body).type), ["alert.opened", "alert.closed"]);
});

Deno.test("Alerts looks at forecasts, heartbeats and coverage", async () => {
  const { rule, post, list, service, clock } = openAlerts();
  const { alerts } = service;
  await rule({
    name: "f",
    condition: { kind: "forecast", quantile: 0.9, above: 11, withinS: 600 },
  });
  await rule({ name: "h", condition: { kind: "heartbeat", periods: 5 } });
  await rule({ name: "c", condition: { kind: "coverage", tolerance: 0.005, countMin: 10 } });
  await post([5, 5, 5, 5]);
  await alerts.look();
  const names = async (query = "?state=open") =>
    (await list(query)).map((alert) => alert.rule.name).sort();
  assert.deepEqual(await names(), ["c"]);
  await post([9]);
  clock.advanceMs(10_000);
  await alerts.look();
  assert.deepEqual(await names(), ["c", "f", "h"]);
  // 10 steps of 60 s ahead, 0.4 each: 9 + 0.4 k passes 11 at the sixth.
  const forecast = (await list()).find((alert) => alert.rule.name === "f");
  assert.match(forecast.summary, /0.9 quantile of value is 11.4, above 11, 6 minutes ahead/);
  await post([5]);
  await alerts.look();
  assert.deepEqual(await names(), ["c"]);
  assert.deepEqual(await names("?state=closed"), ["f", "h"]);
});

Deno.test("Alerts acknowledges and resolves once, and holds what a person closed", async () => {
  const { rule, post, list, send, sent } = openAlerts();
  await rule({ condition: ABOVE, webhook: HOOK });
  await post([11]);
  const [{ id }] = await list();
  for (let time = 0; time < 2; time++) {
    const { body } = await send("POST", `/v1/alerts/${id}/acknowledge`);
    assert.deepEqual([body.acknowledged, body.state], [true, "open"]);
  }
  for (let time = 0; time < 2; time++) {
    const { body } = await send("POST", `/v1/alerts/${id}/resolve`);
    assert.deepEqual([body.closedBy, body.state], ["person", "closed"]);
  }
  assert.equal((await send("POST", `/v1/alerts/${id}/acknowledge`)).status, 409);
  await post([12, 13]);
  assert.equal((await list()).length, 1);
  await post([1, 14]);
  assert.deepEqual((await list()).map(({ state }) => state), ["open", "closed"]);
  const types = sent.map(({ body }) => JSON.parse(body).type);
  assert.deepEqual(types, ["alert.opened", "alert.acknowledged", "alert.closed", "alert.opened"]);
});

Deno.test("Alerts signs what it sends, tries again later, and keeps a log of it", async () => {
  const { rule, post, list, send, sent, service, clock } = openAlerts([
    { status: 500, error: "answered 500" },
    { error: "no answer within 15000 ms" },
  ]);
  const { id: ruleId, webhook } = await rule({ condition: ABOVE, webhook: HOOK });
  assert.deepEqual(webhook, { url: HOOK.url, hasSecret: true });
  await post([11]);
  const [{ id }] = await list();
  const wait = async (ms: number) => {
    clock.advanceMs(ms);
    await service.alerts.work();
    await service.alerts.settled();
  };
  await wait(1_000);
  assert.equal(sent.length, 1);
  await wait(5_000);
  assert.equal(sent.length, 2);
  await wait(10_000);
  await wait(3_600_000);
  assert.equal(sent.length, 3);
  const { body } = await send("GET", `/v1/alerts/${id}/deliveries`);
  assert.equal(body.deliveries.length, 1);
  const [delivery] = body.deliveries;
  assert.deepEqual([delivery.state, delivery.nextAttemptAt], ["delivered", null]);
  assert.deepEqual(delivery.attempts.map(({ status }: any) => status), [500, null, 200]);
  const ids = new Set(sent.map(({ headers }) => headers["webhook-id"]));
  assert.deepEqual([...ids], [`msg_${id}_opened`]);
  const { headers, body: text } = sent[2]!;
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${text}`;
  const key = "0123456789abcdef0123456789abcdef";
  const expected = createHmac("sha256", key).update(signed).digest("base64");
  assert.equal(headers["webhook-signature"], `v1,${expected}`);
  assert.ok(!JSON.stringify(await send("GET", `/v1/alerts/rules/${ruleId}`)).includes("whsec_"));
});

Deno.test("Alerts sends what a receiver missed in a day, each message once, and no secret", async () => {
  const refused = { error: "connection refused" };
  const answers = Array(500).fill(refused);
  const { rule, post, list, send, sent, service, clock } = openAlerts(answers);
  const { id: ruleId } = await rule({ condition: ABOVE, webhook: HOOK });
  for (const value of [11, 1, 12]) await post([value]);
  const halfHours = async (count: number) => {
    for (let i = 0; i < count; i++) {
      clock.advanceMs(1_800_000);
      await service.alerts.work();
      await service.alerts.settled();
    }
  };
  await halfHours(48);
  const tried = sent.length;
  assert.ok(tried >= 3 * 10 && tried < 3 * 36, `${tried} attempts`);
  const told = async () => {
    const logs = (await list()).map(({ id }) => send("GET", `/v1/alerts/${id}/deliveries`));
    return (await Promise.all(logs)).flatMap(({ body }) => body.deliveries);
  };
  const waiting = await told();
  assert.deepEqual(waiting.map(({ state }) => state), ["waiting", "waiting", "waiting"]);
  assert.equal(waiting[0].attempts.at(-1).error, "connection refused");
  assert.equal(service.alerts.stats()["deliveriesWaiting"], 3);
  const { body: rules } = await send("GET", "/v1/alerts/rules");
  assert.ok(!JSON.stringify([waiting, rules, await list()]).includes(SECRET.slice(6)));
  await send("PATCH", `/v1/alerts/rules/${ruleId}`, { webhook: { url: `${HOOK.url}/moved` } });
  // It comes back, elsewhere.
  answers.length = 0;
  sent.length = 0;
  await halfHours(5);
  assert.deepEqual(sent.map(({ url }) => url), Array(3).fill(`${HOOK.url}/moved`));
  assert.equal(new Set(sent.map(({ headers }) => headers["webhook-id"])).size, 3);
  assert.deepEqual((await told()).map(({ state }) => state), Array(3).fill("delivered"));
});

Deno.test("Alerts tells its listeners of every change", async () => {
  const { rule, post, service } = openAlerts();
  await rule({ condition: ABOVE });
  const subscription = service.alerts.events.subscribe(ALERT_TOPIC);
  await post([11, 1]);
  await post([12]);
  const first = await subscription.next(10);
  const second = await subscription.next(10);
  assert.deepEqual([first?.kind, first?.data["state"], second?.data["state"]], [
    "alert",
    "closed",
    "open",
  ]);
  service.alerts.beginShutdown();
});

Deno.test("Alerts closes what is open of a rule or stream that goes", async () => {
  const { rule, post, list, send } = openAlerts();
  const { id } = await rule({ condition: ABOVE });
  await post([11], "a");
  await post([11], "b");
  await send("DELETE", "/v1/streams/a");
  await send("DELETE", `/v1/alerts/rules/${id}`);
  const closed = await list("?state=closed");
  assert.deepEqual(closed.map(({ stream, closedBy }) => [stream, closedBy]).sort(), [
    ["a", "stream"],
    ["b", "rule"],
  ]);
  await post([12], "b");
  assert.equal((await list()).length, 2);
});

Deno.test("Alerts reads from the log no value that stands for a missing one", async () => {
  const { rule, post, list, send, engine, service, store, clock } = openAlerts();
  await send("PUT", "/v1/streams/s", { channels: { value: { missing: [9_999] } } });
  await rule({ condition: ABOVE });
  await post([1]);
  engine.failure = new Error("died");
  await store.append([{
    streamId: "s",
    channels: ["value"],
    timestampsNs: BigInt64Array.of(clock.nowNs(), clock.nowNs() + 1n),
    values: [Float64Array.of(9_999, 13)],
  }]);
  await service.alerts.look();
  await service.alerts.settled();
  assert.deepEqual((await list()).map(({ values }) => values), [[13]]);
});

Deno.test("Alerts goes on after a restart: open alerts, messages, logs not yet read", () =>
  withFolder(async (folder) => {
    const clock = new ManualClock();
    const store = await openSqliteStore({ folder, clock });
    const failing = Array(20).fill({ status: 503, error: "answered 503" });
    const before = openAlerts(failing, { store, clock });
    await before.rule({ condition: ABOVE, webhook: HOOK });
    await before.rule({ condition: { kind: "anomaly" }, name: "flags" });
    await before.post([11]);
    const opened = await before.list();
    // Stored, but not heard of by rules: the service dies before.
    before.engine.failure = new Error("died");
    await before.store.append([{
      streamId: "s",
      channels: ["value"],
      timestampsNs: BigInt64Array.of(clock.nowNs(), clock.nowNs() + 1n, clock.nowNs() + 2n),
      values: [Float64Array.of(1, 12, 13)],
    }]);
    await store.close();

    const again = await openSqliteStore({ folder, clock });
    const after = openAlerts([], { store: again, clock });
    assert.deepEqual(await after.list(), opened);
    await after.service.alerts.look();
    clock.advanceMs(3_600_000);
    await after.service.alerts.work();
    await after.service.alerts.settled();
    const [newest, first, ...none] = await after.list();
    assert.equal(none.length, 0);
    assert.deepEqual([first.id, first.state], [opened[0].id, "closed"]);
    assert.deepEqual([newest.state, newest.values], ["open", [12]]);
    // The message that had failed comes again under its id, then what happened since.
    const ids = after.sent.map(({ headers }) => headers["webhook-id"]);
    assert.deepEqual(
      ids.sort(),
      [
        `msg_${first.id}_closed`,
        `msg_${first.id}_opened`,
        `msg_${newest.id}_opened`,
      ].sort(),
    );
    await after.service.alerts.look();
    await after.service.alerts.settled();
    assert.deepEqual(await after.list(), [newest, first]);
    await after.service.alerts.close();
    await again.close();
  }));
