import assert from "node:assert/strict";
import { LimitError, NotFoundError } from "../../src/base/errors.ts";
import { RECONCILED_VALUES_MAX, type ReconciledQuestion } from "../../src/service/reconciled.ts";
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

Deno.test("reconciledForecasts() adds up at every time, and keeps each stream's widths", async () => {
  const { service } = await withStreams({ t: 12, a: 4, b: 5 });
  const { nodes } = await service.reconcile(QUESTION);
  const medians = (name: string) => nodes[name]!.forecast.map(({ median }) => median!);
  assert.deepEqual(medians("a"), [5, 5]);
  assert.deepEqual(medians("t"), [11, 11]);
  assert.deepEqual(nodes.t!.base, [12, 12]);
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
  assert.equal(forecast[0]!.median, 9);
  const [low, high] = forecast[0]!.intervals["95"]! as [number, number];
  assert.ok(Math.abs(high - low - 2 * 0.475 * Math.SQRT2) < 1e-9);
});

Deno.test("reconciledForecasts() keeps parts within their bounds, and still adds up", async () => {
  const { service, send } = await withStreams({ t: 0, a: 4, b: 5 });
  await send("PUT", "/v1/streams/a", { channels: { value: { lower: 2 } } });
  const { nodes } = await service.reconcile(QUESTION);
  const median = (name: string) => nodes[name]!.forecast[0]!.median!;
  assert.equal(median("a"), 2);
  assert.ok(Math.abs(median("t") - median("a") - median("b")) < 1e-9);
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
