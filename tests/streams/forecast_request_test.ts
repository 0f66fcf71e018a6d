import assert from "node:assert/strict";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import { FORECAST_QUANTILES_MAX, FORECAST_TIMES_MAX } from "../../src/streams/engine.ts";
import {
  checkQuantiles,
  checkTimes,
  forecastTimes,
  type KnownTimes,
} from "../../src/streams/forecast_request.ts";

const refused = (field: string) => (error: Error) =>
  (error instanceof InvalidValueError || error instanceof LimitError) && error.field === field;

Deno.test("checkQuantiles() wants increasing numbers between 0 and 1", () => {
  checkQuantiles(Float64Array.from([0.001, 0.5, 0.999]));
  const cases: [number[], string][] = [
    [[], "quantiles"],
    [Array.from({ length: FORECAST_QUANTILES_MAX + 1 }, (_, i) => (i + 1) / 300), "quantiles"],
    [[0], "quantiles[0]"],
    [[0.5, 1], "quantiles[1]"],
    [[0.5, NaN], "quantiles[1]"],
    [[0.5, 0.4], "quantiles[1]"],
  ];
  for (const [list, field] of cases) {
    assert.throws(() => checkQuantiles(Float64Array.from(list)), refused(field));
  }
});

Deno.test("checkTimes() wants increasing times after the origin", () => {
  checkTimes(BigInt64Array.of(11n, 12n), 10n);
  assert.throws(() => checkTimes(new BigInt64Array(0), 10n), refused("times"));
  const many = BigInt64Array.from({ length: FORECAST_TIMES_MAX + 1 }, (_, i) => BigInt(i + 11));
  assert.throws(() => checkTimes(many, 10n), refused("times"));
  assert.throws(() => checkTimes(BigInt64Array.of(10n), 10n), refused("times[0]"));
  const past = () => checkTimes(BigInt64Array.of(-1_000_000_000n), 0n);
  const said = /is "1969-12-31T23:59:59Z", expected a time after the origin 1970-01-01T00:00:00Z/;
  assert.throws(past, said);
  assert.throws(() => checkTimes(BigInt64Array.of(11n, 11n), 10n), refused("times[1]"));
});

const DAY_NS = 86_400_000_000_000n;
const KNOWN: KnownTimes = {
  ...{ originNs: 10n * DAY_NS, previousNs: 9n * DAY_NS, periodS: 86_400, horizon: 2 },
  idle: new Set(),
};
const quantiles = Float64Array.of(0.5);

Deno.test("forecastTimes() gives the times that are asked for, or the next ones", () => {
  const timesNs = BigInt64Array.of(11n * DAY_NS + 1n);
  assert.equal(forecastTimes({ quantiles, timesNs }, KNOWN), timesNs);
  const days = (horizon: number | undefined, known: Partial<KnownTimes> = {}) =>
    [
      ...forecastTimes({ quantiles, ...(horizon === undefined ? {} : { horizon }) }, {
        ...KNOWN,
        ...known,
      }),
    ].map((time) => Number(time / DAY_NS));
  assert.deepEqual(days(undefined), [11, 12]);
  assert.deepEqual(days(1, { periodS: null }), [11]);
  // 1970-01-11 is a Sunday.
  assert.deepEqual(days(3, { idle: new Set([0, 6]) }), [11, 12, 13]);
  assert.deepEqual(days(3, { originNs: 8n * DAY_NS, idle: new Set([0, 6]) }), [11, 12, 13]);
});

Deno.test("forecastTimes() refuses a horizon that cannot be", () => {
  for (const horizon of [0, 1.5, FORECAST_TIMES_MAX + 1]) {
    assert.throws(() => forecastTimes({ quantiles, horizon }, KNOWN), refused("horizon"));
  }
  const alone = { ...KNOWN, previousNs: null, periodS: null };
  assert.throws(() => forecastTimes({ quantiles }, alone), refused("horizon"));
  // Within the years that times have, but not where five days take seven.
  const late = { ...KNOWN, originNs: 9_214_646_400_000_000_000n - 13_000n * DAY_NS };
  const asked = { quantiles, horizon: 10_000 };
  assert.equal(forecastTimes(asked, late).length, 10_000);
  const idle = new Set([0, 6]);
  assert.throws(() => forecastTimes(asked, { ...late, idle }), refused("horizon"));
});
