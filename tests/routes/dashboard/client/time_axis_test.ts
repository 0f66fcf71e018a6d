import assert from "node:assert/strict";
import fc from "fast-check";
import { timeTicks } from "../../../../routes/dashboard/client/time_axis.ts";

const labels = (from: number, to: number, count: number) =>
  timeTicks(from, to, count, "utc").map(({ label }) => label);

Deno.test("timeTicks() stand at round times and name the day at midnight", () => {
  assert.deepEqual(
    labels(Date.UTC(2024, 2, 1, 19), Date.UTC(2024, 2, 2, 13), 4),
    ["2 Mar", "06:00", "12:00"],
  );
});

Deno.test("timeTicks() name the year in January", () => {
  assert.deepEqual(
    labels(Date.UTC(2023, 8, 20), Date.UTC(2024, 3, 20), 4),
    ["Oct", "2024", "Apr"],
  );
  assert.deepEqual(labels(Date.UTC(1958, 2), Date.UTC(2020, 3), 8), [
    "1960",
    "1970",
    "1980",
    "1990",
    "2000",
    "2010",
    "2020",
  ]);
});

Deno.test("timeTicks() of days begin anew each month", () => {
  assert.deepEqual(
    labels(Date.UTC(2024, 0, 28), Date.UTC(2024, 1, 20), 5),
    ["1 Feb", "8 Feb", "15 Feb"],
  );
});

Deno.test("timeTicks() are increasing, inside the axis and not too many, for any axis", () => {
  fc.assert(fc.property(
    fc.integer({ min: Date.UTC(1900, 0), max: Date.UTC(2100, 0) }),
    fc.double({ min: 0, max: 12.5, noNaN: true }),
    fc.integer({ min: 2, max: 20 }),
    fc.constantFrom("utc" as const, "local" as const),
    (from, exponent, countMax, zone) => {
      const to = from + Math.ceil(10 ** exponent);
      const ticks = timeTicks(from, to, countMax, zone);
      // Days and months are uneven, so a few more than asked for may fall inside.
      assert.ok(ticks.length <= countMax + 4, `${ticks.length} ticks for ${countMax}`);
      ticks.forEach(({ value, label }, i) => {
        assert.ok(value >= from && value <= to && label !== "");
        assert.ok(i === 0 || value > ticks[i - 1]!.value);
      });
    },
  ));
});
