import assert from "node:assert/strict";
import { ManualClock } from "../../../src/base/clock.ts";
import { InvalidValueError, LimitError, NotFoundError } from "../../../src/base/errors.ts";
import { ALERT_RULES_MAX } from "../../../src/service/alerts/alert.ts";
import { AlertBook } from "../../../src/service/alerts/alert_book.ts";
import { allStreams, MAX_AGE_S_DEFAULT, Rules } from "../../../src/service/alerts/rules.ts";
import { openMemoryStore } from "../../../src/stores/mod.ts";
import { points } from "../../stores/_stores.ts";
import { alertOf, ANOMALY, ruleOf, SECRET, START_NS, VALUE } from "./_alerts.ts";

async function openRules(isPrivateAllowed = false) {
  const store = openMemoryStore({ clock: new ManualClock() });
  const book = new AlertBook(store);
  await book.load();
  const rules = new Rules({ store, book, isPrivateAllowed });
  const write = async (change: Parameters<AlertBook["write"]>[0]) => {
    await book.write(change, START_NS);
  };
  return { store, book, rules, write };
}

Deno.test("Rules fills in what is not given and watches values from here on", async () => {
  const { store, book, rules, write } = await openRules();
  await store.append([points("a", [[1, 1], [2, 2]]), points("b", [[1, 1]])]);
  const streams = { ids: [], prefix: "a", labels: {} };
  await write(await rules.create("r", { condition: VALUE, streams }, START_NS));
  const rule = rules.get("r");
  assert.deepEqual([rule.maxAgeS, rule.severity, rule.isEnabled], [
    MAX_AGE_S_DEFAULT,
    "warning",
    true,
  ]);
  assert.deepEqual(book.watch("r", "a"), { ruleId: "r", streamId: "a", offset: 2, run: 0 });
  assert.equal(book.watch("r", "b"), undefined);
});

Deno.test("Rules changes what is named; another condition ends what is open", async () => {
  const { book, rules, write } = await openRules();
  await write({ rules: [ruleOf({ maxAgeS: 5 })], alerts: [alertOf()] });
  const watches = [{ ruleId: "r", streamId: "gone", offset: 0, run: 0 }];
  await write({ watches });
  await write(await rules.update("r", { name: "renamed", maxAgeS: null }, START_NS + 1n));
  assert.deepEqual([rules.get("r").name, rules.get("r").maxAgeS], ["renamed", null]);
  assert.equal(rules.get("r").createdNs, START_NS);
  assert.equal(book.alert("a1")!.state, "open");
  await write(await rules.update("r", { condition: ANOMALY }, START_NS));
  assert.equal(book.alert("a1")!.closedBy, "rule");
  assert.equal(book.watch("r", "gone"), undefined);
  await write(rules.remove("r", START_NS));
  assert.throws(() => rules.get("r"), NotFoundError);
  await assert.rejects(() => rules.update("r", {}, START_NS), NotFoundError);
});

Deno.test("Rules asks for a condition and a secret, and keeps a secret it has", async () => {
  const { rules, write } = await openRules();
  const url = "https://hooks.example.com";
  const field = async (work: Promise<unknown>) => {
    const error = await work.then(() => null, (error) => error);
    assert.ok(error instanceof InvalidValueError);
    return error.field;
  };
  assert.equal(await field(rules.create("r", {}, START_NS)), "condition");
  const given = { condition: ANOMALY, webhook: { url } };
  assert.equal(await field(rules.create("r", given, START_NS)), "webhook.secret");
  await write(
    await rules.create("r", { ...given, webhook: { url, secret: SECRET } }, START_NS),
  );
  await write(await rules.update("r", { webhook: { url: `${url}/b` } }, START_NS));
  assert.deepEqual(rules.get("r").webhook, { url: `${url}/b`, secret: SECRET });
  await write(await rules.update("r", { webhook: null }, START_NS));
  assert.equal(rules.get("r").webhook, null);
});

Deno.test("Rules refuses private webhooks unless they are allowed", async () => {
  const given = { condition: ANOMALY, webhook: { url: "http://10.0.0.1/x", secret: SECRET } };
  const { rules } = await openRules();
  await assert.rejects(() => rules.create("r", given, START_NS), /public address/);
  const open = await openRules(true);
  assert.ok(await open.rules.create("r", given, START_NS));
});

Deno.test("Rules keeps to ALERT_RULES_MAX", async () => {
  const { rules, write } = await openRules();
  const many = Array.from({ length: ALERT_RULES_MAX }, (_, i) => ruleOf({ id: `r${i}` }));
  await write({ rules: many });
  await assert.rejects(() => rules.create("r", { condition: ANOMALY }, START_NS), LimitError);
});

Deno.test("allStreams() goes through all pages", async () => {
  const { store } = await openRules();
  await store.append(Array.from({ length: 1_001 }, (_, i) => points(`s${i}`, [[1, 1]])));
  const sizes: number[] = [];
  for await (const page of allStreams(store)) sizes.push(page.length);
  assert.deepEqual(sizes, [1_000, 1]);
});
