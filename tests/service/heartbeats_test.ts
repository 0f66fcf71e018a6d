import assert from "node:assert/strict";
import { HEARTBEAT_LEDGER, HEARTBEAT_STREAMS_MAX } from "../../src/service/heartbeats.ts";
import type { AppendResult } from "../../src/stores/store.ts";
import { openAlerts } from "./alerts/_alerts.ts";

const MINUTE_MS = 60_000;

type Opened = ReturnType<typeof openAlerts>;

/** A stream with a sample each minute. */
async function beat({ post, clock }: Opened, minutes: number, stream = "s"): Promise<void> {
  for (let i = 0; i < minutes; i++) {
    await post([1], stream);
    clock.advanceMs(MINUTE_MS - 1_000);
  }
}

/** Minutes pass in silence, with a look at each. */
async function wait({ service, clock }: Opened, minutes: number): Promise<void> {
  for (let i = 0; i < minutes; i++) {
    clock.advanceMs(MINUTE_MS);
    await service.heartbeats.look();
  }
  await service.alerts.work();
  await service.alerts.settled();
}

async function flags({ send }: Opened, stream = "s"): Promise<any[]> {
  const { body } = await send("GET", `/v1/streams/${stream}/anomalies`);
  return body.anomalies.filter(({ reason }: any) => reason === "heartbeat");
}

Deno.test("Heartbeats flags a stream that stops, once, and ends that when it is back", async () => {
  const opened = openAlerts();
  await opened.rule({ condition: { kind: "anomaly", reasons: ["heartbeat"] } });
  await beat(opened, 200);
  await wait(opened, 3);
  assert.deepEqual(await flags(opened), []);
  await wait(opened, 100);
  const [flag, ...more] = await flags(opened);
  assert.deepEqual(more, []);
  assert.ok(flag.p <= 1e-4 && flag.p > 1e-6);
  assert.deepEqual([flag.number, flag.channels, flag.values], [null, [], []]);
  assert.equal(flag.provenance.appliedOffset, 200);
  const alerts = await opened.list();
  assert.deepEqual(alerts.map(({ state, reason }) => [state, reason]), [["open", "heartbeat"]]);
  assert.equal(opened.service.heartbeats.stats().silent, 1);
  await beat(opened, 2);
  await wait(opened, 0);
  await opened.service.heartbeats.look();
  await opened.service.alerts.work();
  assert.equal(opened.service.heartbeats.stats().silent, 0);
  const [{ state, closedBy }] = await opened.list();
  assert.deepEqual([state, closedBy], ["closed", "itself"]);
  // A silence as long as that is none to speak of any more.
  await beat(opened, 50);
  await wait(opened, 100);
  assert.equal((await flags(opened)).length, 1);
});

Deno.test("Heartbeats goes on after a restart: nothing twice, nothing for its own absence", async () => {
  const first = openAlerts();
  await beat(first, 200);
  await beat(first, 200, "other");
  await first.service.heartbeats.close();
  first.clock.advanceMs(600 * MINUTE_MS);
  const again = () => openAlerts([], { store: first.store, clock: first.clock });
  const second = again();
  await second.service.heartbeats.start();
  await wait(second, 3);
  assert.deepEqual(await flags(second), []);
  await beat(second, 10, "other");
  await wait(second, 60);
  assert.equal((await flags(second)).length, 1);
  assert.equal((await flags(second, "other")).length, 1);
  second.service.heartbeats.beginShutdown();
  const third = again();
  await third.service.heartbeats.start();
  await wait(third, 100);
  assert.equal((await flags(third)).length, 1);
  assert.equal(third.service.heartbeats.stats().silent, 2);
  await beat(third, 1);
  await wait(third, 1);
  assert.equal(third.service.heartbeats.stats().silent, 1);
  third.service.heartbeats.beginShutdown();
});

Deno.test("Heartbeats tells an alarm that a crash left between its two writings, once", async () => {
  const first = openAlerts();
  await beat(first, 200);
  const commit = first.store.commit.bind(first.store);
  first.store.commit = () => Promise.reject(new Error("crash"));
  await assert.rejects(wait(first, 20), /crash/);
  first.store.commit = commit;
  const second = openAlerts([], { store: first.store, clock: first.clock });
  await second.service.heartbeats.start();
  await wait(second, 5);
  assert.equal((await flags(second)).length, 1);
  second.service.heartbeats.beginShutdown();
});

Deno.test("Heartbeats keeps to a stream's settings: detection, rate, cool-down", async () => {
  const settings: Record<string, unknown> = {
    off: { detect: false },
    rare: { flags: { falseAlarmRate: 1e-9 } },
    cool: { flags: { coolDownS: 86_400, repeats: "tell" } },
    told: { flags: { repeats: "tell" } },
  };
  const opened = openAlerts();
  for (const [stream, body] of Object.entries(settings)) {
    await opened.send("PUT", `/v1/streams/${stream}`, body);
  }
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < (round === 0 ? 200 : 2); i++) {
      for (const stream of Object.keys(settings)) await opened.post([1], stream);
      opened.clock.advanceMs(MINUTE_MS - 4_000);
    }
    await wait(opened, 15);
  }
  const counts = await Promise.all(
    Object.keys(settings).map(async (stream) => (await flags(opened, stream)).length),
  );
  assert.deepEqual(counts, [0, 0, 1, 2]);
});

Deno.test("Heartbeats ends an alarm that was fine, and waits longer from then on", async () => {
  const opened = openAlerts();
  await opened.rule({ condition: { kind: "anomaly", reasons: ["heartbeat"] } });
  await opened.send("PUT", "/v1/streams/s", { flags: { repeats: "tell" } });
  const path = "/v1/streams/s/anomalies/heartbeat/feedback";
  const say = (fine: boolean) => opened.send("POST", path, { fine });
  await beat(opened, 200);
  assert.equal((await say(true)).status, 404);
  await wait(opened, 60);
  assert.equal((await flags(opened)).length, 1);
  const { status, body } = await say(true);
  assert.deepEqual([status, body], [200, { id: "s", flag: "heartbeat", fine: true }]);
  assert.equal(opened.service.heartbeats.stats().silent, 0);
  await wait(opened, 30);
  const [{ state, closedBy }] = await opened.list();
  assert.deepEqual([state, closedBy], ["closed", "itself"]);
  assert.equal((await flags(opened)).length, 1);
  // A restart knows it as well, since it was durable before it was answered.
  const { store, clock } = opened;
  const again = openAlerts([], { store, clock });
  await again.service.heartbeats.start();
  again.service.heartbeats.beginShutdown();
  await beat(again, 50);
  await wait(again, 100);
  assert.equal((await flags(again)).length, 1);
  await wait(again, 800);
  assert.equal((await flags(again)).length, 2);
  // What was fine is taken back: the next silence is told as soon as the first was.
  await beat(again, 50);
  await wait(again, 1);
  assert.equal((await again.send("POST", path, { fine: false })).status, 200);
  await beat(again, 50);
  await wait(again, 60);
  assert.equal((await flags(again)).length, 3);
});

Deno.test("Heartbeats forgets a deleted stream, and watches no more than it can", async () => {
  const opened = openAlerts();
  await beat(opened, 200);
  await wait(opened, 10);
  assert.equal((await opened.store.readLedger(HEARTBEAT_LEDGER, { limit: 10 })).length, 1);
  await opened.send("DELETE", "/v1/streams/s");
  assert.deepEqual(await opened.store.readLedger(HEARTBEAT_LEDGER, { limit: 10 }), []);
  const { heartbeats } = opened.service;
  assert.deepEqual(heartbeats.stats(), { watched: 0, silent: 0, unwatched: 0 });
  const inOrder = { timestampsNs: BigInt64Array.of(1n) };
  const results = Array.from(
    { length: HEARTBEAT_STREAMS_MAX + 2 },
    (_, i) => ({ streamId: `s${i}`, inOrder, replayed: false }) as unknown as AppendResult,
  );
  heartbeats.hear(results);
  assert.deepEqual(heartbeats.stats(), {
    watched: HEARTBEAT_STREAMS_MAX,
    silent: 0,
    unwatched: 2,
  });
});
