import assert from "node:assert/strict";
import { poolCoverage, summarize, tallyStates } from "../../src/streams/summary.ts";

Deno.test("poolCoverage() weighs streams by what they have counted, level by level", () => {
  const one = (level: number, value: number, count: number, relativeWidth = NaN) => ({
    ...{ level, value, count, relativeWidth },
  });
  const pooled = poolCoverage([
    { coverage: [one(0.95, 1, 10), one(0.8, 0.5, 10)] },
    { coverage: [one(0.8, 1, 30)] },
    { coverage: [] },
  ]);
  assert.deepEqual(pooled, [one(0.8, 0.875, 40), one(0.95, 1, 10)]);
  // 3 · ln 2 and ln 32 over four targets; a stream without a width takes none away.
  const [wide] = poolCoverage([
    { coverage: [one(0.8, 1, 3, 2)] },
    { coverage: [one(0.8, 1, 1, 32)] },
    { coverage: [one(0.8, 1, 100)] },
  ]);
  assert.ok(Math.abs(wide!.relativeWidth - 4) < 1e-12, String(wide!.relativeWidth));
});

Deno.test("summarize() pools the channels of a stream", () => {
  const channel = (periodS: number | null, seasonsS: number[], value: number, count: number) => ({
    periodS,
    seasonsS,
    coverage: [{ level: 0.8, value, count, width: 3, relativeWidth: NaN }],
    weights: {},
  });
  const summary = summarize({
    a: channel(60, [3_600, 86_400], 1, 30),
    b: channel(10, [3_600], 0.5, 10),
    c: channel(null, [], NaN, 0),
  });
  assert.equal(summary.periodS, 10);
  assert.deepEqual(summary.seasonsS, [3_600, 86_400]);
  assert.deepEqual(summary.coverage, [
    { level: 0.8, value: 0.875, count: 40, relativeWidth: NaN },
  ]);
  assert.deepEqual(summarize({}).periodS, null);
  const none = summarize({ c: channel(null, [], NaN, 0) });
  const nothing = { level: 0.8, value: NaN, count: 0, relativeWidth: NaN };
  assert.deepEqual(none.coverage, [nothing], "not a share of 0");
});

Deno.test("tallyStates() counts what is in memory, and what failed", () => {
  const coverage = [{ level: 0.8, value: 0.5, count: 10, relativeWidth: NaN }];
  const tallied = tallyStates([
    { stateBytes: 100, isLoaded: true, failed: null, coverage },
    { stateBytes: 20, isLoaded: false, failed: "why", coverage: [] },
    { stateBytes: 3, isLoaded: true, failed: null, coverage: [] },
  ]);
  assert.deepEqual(tallied, { states: 2, stateBytes: 123, failedStreams: 1, coverage });
});
