import assert from "node:assert/strict";
import { ManualClock } from "../../../src/base/clock.ts";
import type { Delivery } from "../../../src/service/alerts/alert.ts";
import {
  attempted,
  ATTEMPTS_MAX,
  Dispatcher,
  RETRY_S_MAX,
  retryDelayS,
  SENDING_MAX,
} from "../../../src/service/alerts/deliveries.ts";
import type { SendResult } from "../../../src/service/alerts/webhook_sender.ts";
import { ruleOf, SECRET } from "./_alerts.ts";

function deliveryOf(given: Partial<Delivery> = {}): Delivery {
  return {
    id: "msg_1",
    alertId: "a",
    ruleId: "r",
    type: "alert.opened",
    state: "waiting",
    createdNs: 0n,
    dueNs: 0n,
    attempts: [],
    body: "{}",
    ...given,
  };
}

const times = { startNs: 1_000_000_000n, endNs: 2_000_000_000n, draw: 0 };
const failed: SendResult = { status: 500, error: "answered 500", retryAfterS: null };

Deno.test("retryDelayS() doubles up to two hours and waits a random half to the whole", () => {
  assert.deepEqual([1, 2, 3, 20].map((n) => retryDelayS(n, 0)), [2.5, 5, 10, 3_600]);
  assert.ok(Math.abs(retryDelayS(1, 0.999_999) - 5) < 1e-4);
});

Deno.test("attempted() keeps every attempt, and gives up at the limit or when told to", () => {
  let delivery = deliveryOf();
  for (let count = 1; count < ATTEMPTS_MAX; count++) {
    delivery = attempted(delivery, failed, times);
    assert.equal(delivery.state, "waiting");
    assert.equal(delivery.dueNs, times.endNs + BigInt(retryDelayS(count, 0) * 1e9));
  }
  delivery = attempted(delivery, failed, times);
  assert.deepEqual([delivery.state, delivery.attempts.length], ["failed", ATTEMPTS_MAX]);
  assert.deepEqual(delivery.attempts[0], {
    atNs: times.startNs,
    elapsedMs: 1_000,
    status: 500,
    error: "answered 500",
  });
  const gone = attempted(deliveryOf(), { ...failed, status: 410 }, times);
  assert.equal(gone.state, "failed");
  const accepted = attempted(deliveryOf(), { status: 204, error: null, retryAfterS: null }, times);
  assert.equal(accepted.state, "delivered");
});

Deno.test("attempted() goes on for a day whatever is drawn, and for no more than three", () => {
  for (const [draw, least, most] of [[0, 24, 36], [0.999_999, 48, 72]] as const) {
    let delivery = deliveryOf();
    while (delivery.state === "waiting") {
      const atNs = delivery.dueNs;
      delivery = attempted(delivery, failed, { startNs: atNs, endNs: atNs, draw });
    }
    const hours = Number(delivery.attempts.at(-1)!.atNs) / 3.6e12;
    assert.ok(hours > least && hours < most, `${hours} h`);
  }
});

Deno.test("attempted() waits as long as it is asked to, up to the limit", () => {
  const dueS = (retryAfterS: number) =>
    Number(attempted(deliveryOf(), { ...failed, retryAfterS }, times).dueNs - times.endNs) / 1e9;
  assert.deepEqual([dueS(1), dueS(60), dueS(1e9)], [2.5, 60, RETRY_S_MAX]);
});

Deno.test("Dispatcher sends what is due, few at a time, each once", async () => {
  const clock = new ManualClock();
  const nowNs = clock.nowNs();
  const waiting = new Map<string, Delivery>();
  const total = SENDING_MAX + 3;
  const put = (id: string, given: Partial<Delivery>) =>
    waiting.set(id, deliveryOf({ id, alertId: `alert of ${id}`, ...given }));
  for (let i = 0; i < total; i++) put(`m${i}`, { dueNs: nowNs });
  put("later", { dueNs: nowNs + 1n });
  put("orphan", { ruleId: "none", dueNs: 0n });
  const open: (() => void)[] = [];
  const dispatcher = new Dispatcher({
    clock,
    draw: () => 0,
    ruleOf: (id) =>
      id === "r" ? ruleOf({ webhook: { url: "http://x", secret: SECRET } }) : undefined,
    waiting: () => waiting.values(),
    keep: (delivery) => {
      if (delivery.state === "waiting") waiting.set(delivery.id, delivery);
      else waiting.delete(delivery.id);
      if (delivery.id === "orphan") assert.match(delivery.attempts[0]!.error!, /removed/);
      return Promise.resolve();
    },
    send: () =>
      new Promise((resolve) =>
        open.push(() => resolve({ status: 200, error: null, retryAfterS: null }))
      ),
  });
  dispatcher.dispatch();
  dispatcher.dispatch();
  assert.equal(open.length, SENDING_MAX);
  for (const answer of open.splice(0)) answer();
  await dispatcher.settled();
  dispatcher.dispatch();
  assert.equal(open.length, 3);
  for (const answer of open.splice(0)) answer();
  await dispatcher.settled();
  assert.deepEqual([...waiting.keys()], ["later"]);
});

Deno.test("Dispatcher sends no message of an alert before those that came before it", async () => {
  const clock = new ManualClock();
  const dueNs = clock.nowNs();
  const waiting = new Map<string, Delivery>();
  for (const id of ["opened", "closed"]) waiting.set(id, deliveryOf({ id, body: id, dueNs }));
  const sent: string[] = [];
  const dispatcher = new Dispatcher({
    clock,
    draw: () => 0,
    ruleOf: () => ruleOf({ webhook: { url: "http://x", secret: SECRET } }),
    waiting: () => waiting.values(),
    keep: (delivery) => {
      if (delivery.state === "waiting") waiting.set(delivery.id, delivery);
      else waiting.delete(delivery.id);
      return Promise.resolve();
    },
    send: ({ body }) => {
      sent.push(body);
      return Promise.resolve(
        sent.length === 1 ? failed : { status: 200, error: null, retryAfterS: null },
      );
    },
  });
  for (let turn = 0; turn < 4; turn++) {
    dispatcher.dispatch();
    dispatcher.dispatch();
    await dispatcher.settled();
    // The first retry comes 2.5 s later.
    clock.advanceMs(2_000);
  }
  assert.deepEqual(sent, ["opened", "opened", "closed"]);
});
