import assert from "node:assert/strict";
import {
  fanOf,
  firstRange,
  gapMs,
  historyOf,
  nearest,
  rangesFor,
  valueBounds,
} from "../../../../routes/dashboard/client/series.ts";
import { sparklinePath } from "../../../../routes/dashboard/client/sparkline.ts";
import { retryMs } from "../../../../routes/dashboard/client/live.ts";

Deno.test("historyOf() pairs times with one channel's values, missing ones too", () => {
  const observations = {
    id: "s",
    timestamps: ["1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"],
    channels: { a: [1, null], b: [3, 4] },
    decimated: false,
    count: 2,
  };
  assert.deepEqual(historyOf(observations, "a"), [{ x: 1_000, y: 1 }, { x: 2_000, y: null }]);
});

Deno.test("fanOf() reads median and both intervals", () => {
  const point = {
    timestamp: "1970-01-01T00:00:01Z",
    median: 5,
    quantiles: {},
    intervals: { "80": [4, 6] as [number, number], "95": [3, 7] as [number, number] },
  };
  const forecast = {
    id: "s",
    origin: "1970-01-01T00:00:00Z",
    horizon: 1,
    quantiles: [],
    channels: { a: [point] },
    forecast: [point],
    provenance: { modelHash: "", stateHash: "", appliedOffset: 0 },
  };
  assert.deepEqual(fanOf(forecast, "a"), [
    { x: 1_000, median: 5, low80: 4, high80: 6, low95: 3, high95: 7 },
  ]);
});

Deno.test("gapMs() joins over a weekend and not over a month", () => {
  const day = 86_400_000;
  const points = Array.from({ length: 50 }, (_, i) => ({
    x: (Math.floor(i / 5) * 7 + i % 5) * day,
    y: 0,
  }));
  assert.ok(gapMs(points) >= 3 * day && gapMs(points) < 31 * day);
  assert.equal(gapMs([]), Infinity);
});

Deno.test("valueBounds() holds what is shown, fan included, with a margin", () => {
  const history = [{ x: 0, y: -900 }, { x: 5, y: 0 }, { x: 6, y: null }, { x: 7, y: 50 }];
  const fan = [{ x: 8, median: 50, low80: 45, high80: 90, low95: 40, high95: 100 }];
  assert.deepEqual(valueBounds(history, fan, 5), { low: -6, high: 106 });
  assert.deepEqual(valueBounds([{ x: 0, y: 0 }], [], null), { low: -1, high: 1 });
  assert.equal(valueBounds([{ x: 0, y: null }], [], null), null);
});

Deno.test("nearest() finds the closest point in time", () => {
  const points = [{ x: 0 }, { x: 10 }, { x: 20 }];
  assert.deepEqual([-5, 4, 6, 14, 99].map((x) => nearest(points, x)), [0, 0, 1, 1, 2]);
  assert.equal(nearest([], 3), -1);
});

Deno.test("rangesFor() offers what shows ten samples and less than everything", () => {
  const hour = 3_600;
  const ranges = rangesFor(30 * 24 * hour * 1_000, hour);
  assert.deepEqual(ranges.map(({ label }) => label), ["1 day", "3 days", "1 week", "Everything"]);
  assert.equal(firstRange(ranges, hour, 12).label, "3 days");
  assert.equal(firstRange(ranges, hour, 24).label, "1 week");
  assert.equal(firstRange(rangesFor(1_000, hour), hour, 24).label, "Everything");
  assert.deepEqual(rangesFor(2 * hour * 1_000, null).map(({ label }) => label), ["Everything"]);
});

Deno.test("sparklinePath() lifts the pen over a missing value", () => {
  const path = sparklinePath([1, 2, null, 3, 1]);
  assert.equal([...path.matchAll(/M/g)].length, 2);
  assert.equal([...path.matchAll(/L/g)].length, 2);
  assert.equal(sparklinePath([null, 4]), "");
  assert.match(sparklinePath([4, 4]), /17\.0/);
});

Deno.test("retryMs() waits longer each time, up to half a minute", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map(retryMs), [
    1_000,
    2_000,
    4_000,
    8_000,
    16_000,
    30_000,
    30_000,
  ]);
});
