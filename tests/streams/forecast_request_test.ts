import assert from "node:assert/strict";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import { FORECAST_QUANTILES_MAX, FORECAST_TIMES_MAX } from "../../src/streams/engine.ts";
import { checkQuantiles, checkTimes } from "../../src/streams/forecast_request.ts";

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
