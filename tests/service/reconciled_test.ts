import assert from "node:assert/strict";
import { LimitError, NotFoundError } from "../../src/base/errors.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import {
  RECONCILED_QUANTILES_MAX,
  RECONCILED_VALUES_MAX,
  type ReconciledQuestion,
} from "../../src/service/reconciled.ts";
import { openFixture } from "../routes/_fixture.ts";

/** Streams of one value each: the fixture's engine forecasts the last one, ± k · (q − ½). */
async function withStreams(last: Record<string, number>) {
  const fixture = openFixture();
  for (const [name, value] of Object.entries(last)) {
    await fixture.send("POST", `/v1/streams/${name}/observations`, {
      timestamps: [0, 60_000],
      values: [value, value],
    });
  }
  return fixture;
}

const QUESTION: ReconciledQuestion = {
  sums: new Map([["t", ["a", "b"]]]),
  method: "ols",
  horizon: 2,
  quantiles: Float64Array.of(0.025, 0.5, 0.975),
  levels: [95],
};

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-9, `${a} beside ${b}`);

Deno.test("reconciledForecasts() adds up at every time, and keeps each stream's widths", async () => {
  const { service } = await withStreams({ t: 12, a: 4, b: 5 });
  const { nodes } = await service.reconcile(QUESTION);
  for (const t of [0, 1]) {
    // Of symmetric distributions the medians are the means.
    for (const [name, value] of [["a", 5], ["b", 6], ["t", 11]] as const) {
      near(nodes[name]!.forecast[t]!.mean!, value);
      near(nodes[name]!.forecast[t]!.median!, value);
    }
    near(nodes.t!.base![t]!, 12);
  }
  const { intervals } = nodes.t!.forecast[1]!;
  const [low, high] = intervals["95"]! as [number, number];
  assert.ok(Math.abs(low - (11 - 2 * 0.475)) < 1e-9 && Math.abs(high - (11 + 2 * 0.475)) < 1e-9);
  assert.equal(nodes.t!.provenance!.logOffset, 2);
});

Deno.test("reconciledForecasts() gives a sum that is no stream independent parts' widths", async () => {
  const { service } = await withStreams({ a: 4, b: 5 });
  const { nodes } = await service.reconcile({ ...QUESTION, method: "mint-diagonal" });
  const { isStream, base, provenance, forecast } = nodes.t!;
  assert.deepEqual([isStream, base, provenance], [false, null, null]);
  near(forecast[0]!.mean!, 9);
  near(forecast[0]!.median!, 9);
  const [low, high] = forecast[0]!.intervals["95"]! as [number, number];
  // The sum of two values even over 1 has a triangle's distribution.
  assert.ok(Math.abs(high - low - 2 * (1 - Math.sqrt(0.05))) < 0.05, String(high - low));
});

/** Streams of noise whose parts are `share` of one noise that all have, with a sign each. */
async function nodesOfNoise(
  share: number,
  signs: readonly number[],
  question: ReconciledQuestion,
) {
  const fixture = openFixture();
  const random = seedRandom(7);
  const common = Array.from({ length: 300 }, () => nextNormal(random));
  for (const [i, sign] of signs.entries()) {
    await fixture.send("POST", `/v1/streams/s${i}/observations`, {
      timestamps: common.map((_, t) => t * 60_000),
      values: common.map((c) =>
        sign * Math.sqrt(share) * c + Math.sqrt(1 - share) * nextNormal(random)
      ),
    });
  }
  const sums = new Map([["t", signs.map((_, i) => `s${i}`)]]);
  return (await fixture.service.reconcile({ ...question, sums })).nodes;
}

/** How many times as wide their sum is as the first of them. */
async function withNoise(share: number, signs: readonly number[]) {
  const nodes = await nodesOfNoise(share, signs, QUESTION);
  const [low, high] = nodes.t!.forecast[0]!.intervals["95"]! as [number, number];
  const own = nodes.s0!.forecast[0]!.intervals["95"]! as [number, number];
  return (high - low) / (own[1] - own[0]);
}

Deno.test("reconciledForecasts() widens a sum where its parts err to one side together", async () => {
  const alone = await withNoise(0, [1, 1, 1, 1]);
  const together = await withNoise(0.95, [1, 1, 1, 1]);
  const apart = await withNoise(0.95, [1, -1, 1, -1]);
  assert.ok(alone > 1.9 && alone < 2.4, `independent: ${alone}`);
  assert.ok(together > 3.6 && together < 4.1, `together: ${together}`);
  assert.ok(apart < 1, `against each other: ${apart}`);
});

Deno.test("reconciledForecasts() gives the same answer to the same question", async () => {
  const { service } = await withStreams({ a: 4, b: 5 });
  assert.deepEqual(await service.reconcile(QUESTION), await service.reconcile(QUESTION));
});

Deno.test("reconciledForecasts() refuses more quantiles than it can ask for", async () => {
  const { service } = await withStreams({ a: 4, b: 5 });
  const of = (count: number) => Float64Array.from({ length: count }, (_, q) => (q + 1) / 1000);
  await service.reconcile({ ...QUESTION, quantiles: of(RECONCILED_QUANTILES_MAX) });
  await assert.rejects(
    service.reconcile({ ...QUESTION, quantiles: of(RECONCILED_QUANTILES_MAX + 1) }),
    (error: unknown) =>
      error instanceof LimitError && error.limitName === "RECONCILED_QUANTILES_MAX",
  );
});

Deno.test("reconciledForecasts() keeps parts within their bounds, and still adds up", async () => {
  const { service, send } = await withStreams({ t: 0, a: 4, b: 5 });
  await send("PUT", "/v1/streams/a", { channels: { value: { lower: 2 } } });
  const { nodes } = await service.reconcile(QUESTION);
  const mean = (name: string) => nodes[name]!.forecast[0]!.mean!;
  assert.equal(mean("a"), 2);
  assert.ok(Math.abs(mean("t") - mean("a") - mean("b")) < 1e-9);
});

Deno.test("reconciledForecasts() keeps intervals within what the bounds of the parts allow", async () => {
  const { service, send } = await withStreams({ t: 0, a: 4, b: 5 });
  await send("PUT", "/v1/streams/a", { channels: { value: { lower: 2 } } });
  const interval = async (name: string) => {
    const { nodes } = await service.reconcile(QUESTION);
    return nodes[name]!.forecast[0]!.intervals["95"]!;
  };
  // The median lies at the bound.
  const [low, high] = await interval("a");
  assert.ok(low === 2 && Math.abs(high! - 2.475) < 1e-9, String([low, high]));
  const free = await interval("t");
  assert.ok(free[1]! - free[0]! > 0.9);
  await send("PUT", "/v1/streams/b", { channels: { value: { lower: 2, upper: 2.2 } } });
  assert.deepEqual(await interval("b"), [2, 2.2]);
  // No part is below 2, so their sum is not below 4.
  assert.equal((await interval("t"))[0], 4);
});

Deno.test("reconciledForecasts() refuses parts that are no streams, and too many values", async () => {
  const { service } = await withStreams({ t: 9, a: 4 });
  await assert.rejects(service.reconcile(QUESTION), NotFoundError);
  const names = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`s${i}`, i]));
  const many = await withStreams(names);
  const sums = new Map([["all", Object.keys(names)]]);
  const horizon = Math.floor(RECONCILED_VALUES_MAX / 6) + 1;
  await assert.rejects(many.service.reconcile({ ...QUESTION, sums, horizon }), LimitError);
});

const TOTALS: ReconciledQuestion = { ...QUESTION, horizon: 4, aggregates: ["total", "mean"] };

Deno.test("reconciledForecasts() has totals that add up, over parts and over times", async () => {
  const { service } = await withStreams({ t: 12, a: 4, b: 5 });
  const { nodes } = await service.reconcile({ ...TOTALS, window: 3 });
  for (const [name, value] of [["a", 5], ["b", 6], ["t", 11]] as const) {
    const told = nodes[name]!.aggregates!.map((one) => [one.aggregate, one.count, one.mean]);
    const wanted = [["total", 3, 3 * value], ["total", 1, value], ["mean", 3, value]];
    [...wanted, ["mean", 1, value]].forEach(([aggregate, count, mean], i) => {
      assert.deepEqual(told[i]!.slice(0, 2), [aggregate, count]);
      near(told[i]![2] as number, mean as number);
    });
  }
  const [total, rest, mean] = nodes.t!.aggregates!;
  assert.equal(total!.from, nodes.t!.forecast[0]!.timestamp);
  assert.equal(total!.to, nodes.t!.forecast[2]!.timestamp);
  assert.equal(rest!.from, nodes.t!.forecast[3]!.timestamp);
  near(mean!.intervals["95"]![0]!, total!.intervals["95"]![0]! / 3);
});

Deno.test("reconciledForecasts() gives a part's total the width that its own forecast has", async () => {
  const { service, send } = await withStreams({ a: 4, b: 5 });
  const { nodes } = await service.reconcile(TOTALS);
  const { body } = await send("GET", "/v1/streams/a/forecast?horizon=4&level=95&aggregate=total");
  const [{ intervals: { "95": [low, high] } }] = body.aggregates.value;
  const [ownLow, ownHigh] = nodes.a!.aggregates![0]!.intervals["95"]! as [number, number];
  near(ownHigh - ownLow, high - low);
});

Deno.test("reconciledForecasts() widens a sum's total where its parts err together", async () => {
  const ratio = async (share: number) => {
    const nodes = await nodesOfNoise(share, [1, 1, 1, 1], { ...TOTALS, aggregates: ["total"] });
    const width = (name: string) => {
      const [low, high] = nodes[name]!.aggregates![0]!.intervals["95"]! as [number, number];
      return high - low;
    };
    return width("t") / width("s0");
  };
  const [alone, together] = [await ratio(0), await ratio(0.95)];
  assert.ok(alone > 1.8 && alone < 2.4, `independent: ${alone}`);
  assert.ok(together > 3.5 && together < 4.1, `together: ${together}`);
});

Deno.test("reconciledForecasts() keeps totals within what the bounds of the parts allow", async () => {
  const { service, send } = await withStreams({ a: 4, b: 5 });
  await send("PUT", "/v1/streams/a", { channels: { value: { lower: 4, upper: 4.1 } } });
  await send("PUT", "/v1/streams/b", { channels: { value: { lower: 5, upper: 5.1 } } });
  const { nodes } = await service.reconcile(TOTALS);
  const [low, high] = nodes.t!.aggregates![0]!.intervals["95"]! as [number, number];
  assert.ok(low >= 4 * 9 && high <= 4 * 9.2 + 1e-9 && low < high, String([low, high]));
});

Deno.test("reconciledForecasts() has no totals where none are asked for", async () => {
  const { service } = await withStreams({ a: 4, b: 5 });
  const { nodes } = await service.reconcile(QUESTION);
  assert.ok(!("aggregates" in nodes.t!) && !("aggregates" in nodes.a!));
});
