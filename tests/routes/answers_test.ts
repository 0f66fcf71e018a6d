import assert from "node:assert/strict";
import { parseDraws, parseRegressors, type RawDraws } from "../../routes/_answers.ts";
import { InvalidValueError } from "../../src/base/errors.ts";

Deno.test("parseDraws() is null where nothing is asked of draws", () => {
  assert.equal(parseDraws({}), null);
  assert.equal(parseDraws({ paths: 0 }), null);
});

Deno.test("parseDraws() takes text as well as numbers", () => {
  assert.deepEqual(
    parseDraws({ paths: 5, threshold: ["-2.5", 3], aggregate: ["max"], window: 7 }),
    {
      paths: 5,
      seed: 0,
      aggregates: ["max"],
      thresholds: [-2.5, 3],
      window: 7,
    },
  );
});

Deno.test("parseDraws() names what cannot be asked", () => {
  const cases: [RawDraws, string][] = [
    [{ aggregate: ["total", "sum"] }, "aggregate[1]"],
    [{ aggregate: ["total", "total"] }, "aggregate[1]"],
    [{ threshold: ["high"] }, "threshold[0]"],
    [{ threshold: [1, "1e999"] }, "threshold[1]"],
    [{ threshold: [2, 2] }, "threshold[1]"],
    [{ direction: "up" }, "direction"],
    [{ window: 3, paths: 1 }, "window"],
    [{ seed: 3 }, "seed"],
  ];
  for (const [raw, field] of cases) {
    assert.throws(
      () => parseDraws(raw),
      (error: unknown) => error instanceof InvalidValueError && error.field === field,
    );
  }
});

Deno.test("parseRegressors() is null where nothing is asked, and names an unknown country", () => {
  assert.equal(parseRegressors({}), null);
  assert.equal(parseRegressors({ covariates: {} }), null);
  const { covariates, calendar } = parseRegressors({ covariates: { a: [1, 2], b: null } })!;
  assert.deepEqual(covariates, { a: Float64Array.of(1, 2), b: null });
  assert.equal(calendar, null);
  const own = parseRegressors({ calendar: { country: "FR" } })!;
  assert.deepEqual(own.calendar, { country: "FR", utcOffsetS: 0 });
  assert.throws(() => parseRegressors({ calendar: { country: "toString" } }), InvalidValueError);
  const zone = parseRegressors({ calendar: { timeZone: "Asia/Kolkata" } })!;
  assert.deepEqual(zone.calendar, { country: null, utcOffsetS: 0, timeZone: "Asia/Kolkata" });
});
