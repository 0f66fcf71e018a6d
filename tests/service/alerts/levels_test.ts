import assert from "node:assert/strict";
import { ManualClock } from "../../../src/base/clock.ts";
import { FORECAST_LOOKS_MAX, Levels, lookTimes } from "../../../src/service/alerts/levels.ts";
import { PeerTable } from "../../../src/service/alerts/peers.ts";
import { openMemoryStore } from "../../../src/stores/mod.ts";
import { points } from "../../stores/_stores.ts";
import { LastValueEngine } from "../../routes/_fixture.ts";
import { ruleOf, START_NS } from "./_alerts.ts";

const S = 1_000_000_000;

async function openLevels() {
  const clock = new ManualClock();
  const store = openMemoryStore({ clock });
  const engine = new LastValueEngine(store);
  const peers = new PeerTable();
  const start = Number(START_NS);
  await store.append([
    points("a", [[start - 3 * S, 1], [start - 2 * S, 1], [start - S, 1]]),
    points("b", [[start - 300 * S, 1], [start - 200 * S, 1], [start - 100 * S, 1]]),
  ]);
  return { clock, store, engine, peers, levels: new Levels({ store, engine, clock, peers }) };
}

Deno.test("Levels takes a stream's own step for its heartbeat, unless one is given", async () => {
  const { levels, clock } = await openLevels();
  const own = ruleOf({ id: "own", condition: { kind: "heartbeat", periods: 3, periodS: null } });
  const given = ruleOf({ id: "given", condition: { kind: "heartbeat", periods: 3, periodS: 20 } });
  const silent = async () =>
    (await levels.look([own, given])).filter(({ finding }) => finding !== null)
      .map(({ rule, streamId }) => `${rule.id} ${streamId}`).sort();
  assert.deepEqual(await silent(), ["given b"]);
  clock.advanceMs(10_000);
  assert.deepEqual(await silent(), ["given b", "own a"]);
});

Deno.test("Levels looks at a state only when samples have come, or rules have changed", async () => {
  const { levels, engine } = await openLevels();
  let summarized = 0;
  const summarize = engine.summarize.bind(engine);
  engine.summarize = (id) => {
    summarized++;
    return summarize(id);
  };
  const condition = { kind: "coverage", level: 0.8, tolerance: 0.005, countMin: 1 } as const;
  const rule = ruleOf({ condition, streams: { ids: ["a"], prefix: "", labels: {} } });
  const [level] = await levels.look([rule]);
  assert.match(level!.finding!.summary, /hold 79 % of value/);
  assert.deepEqual(await levels.look([rule]), []);
  levels.reset();
  assert.equal((await levels.look([rule])).length, 1);
  assert.equal(summarized, 2);
});

Deno.test("Levels passes over a stream whose state cannot be read, and tries again", async () => {
  const { levels, engine } = await openLevels();
  const summarize = engine.summarize.bind(engine);
  engine.summarize = () => Promise.reject(new Error("behind"));
  const condition = { kind: "coverage", level: 0.8, tolerance: 0.005, countMin: 1 } as const;
  assert.deepEqual(await levels.look([ruleOf({ condition })]), []);
  engine.summarize = summarize;
  assert.equal((await levels.look([ruleOf({ condition })])).length, 2);
});

Deno.test("lookTimes() goes up to the end, one a period while they are few", () => {
  const asked = {
    kind: "forecast",
    channel: null,
    above: 1,
    below: null,
    quantile: 0.5,
    withinS: 100,
  } as const;
  assert.deepEqual([...lookTimes(0n, asked, 30)].map(Number), [
    33_333_333_333,
    66_666_666_667,
    100_000_000_000,
  ]);
  assert.deepEqual([...lookTimes(5n, asked, 1e6)], [100_000_000_005n]);
  const many = lookTimes(0n, asked, 0.001);
  assert.equal(many.length, FORECAST_LOOKS_MAX);
  assert.equal(many.at(-1), 100_000_000_000n);
});

Deno.test("Levels reads a stream's step again when as many samples have come as it is of", async () => {
  const { levels, store } = await openLevels();
  const rule = ruleOf({ condition: { kind: "heartbeat", periods: 3, periodS: null } });
  let read: number[] = [];
  const readTails = store.readTails.bind(store);
  store.readTails = (ids, count) => {
    read.push(ids.length);
    return readTails(ids, count);
  };
  const start = Number(START_NS);
  const append = (from: number, count: number) =>
    store.append([
      points("a", Array.from({ length: count }, (_, i) => [start + (from + i) * S, 1])),
    ]);
  const reads = async () => {
    read = [];
    await levels.look([rule]);
    return read[0];
  };
  assert.equal(await reads(), 2);
  assert.equal(await reads(), 0);
  await append(0, 40);
  assert.equal(await reads(), 1);
  await append(40, 31);
  assert.equal(await reads(), 0);
  await append(71, 1);
  assert.equal(await reads(), 1);
});
