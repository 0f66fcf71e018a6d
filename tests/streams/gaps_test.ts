import assert from "node:assert/strict";
import { LimitError } from "../../src/base/errors.ts";
import { COMPONENT_TIMES_MAX } from "../../src/streams/engine.ts";
import { withGaps } from "../../src/streams/gaps.ts";
import { parseTimestamp } from "../../src/signal/timestamp.ts";

const S = 1_000_000_000n;

Deno.test("withGaps() puts in what is missing at the period, and nothing where jitter is", () => {
  const times = BigInt64Array.of(0n, 10n * S, 24n * S, 50n * S, 60n * S);
  const { timesNs, values } = withGaps(times, Float64Array.of(1, 2, 3, 4, 5), 10);
  assert.deepEqual([...timesNs].map((time) => time / S), [0n, 10n, 24n, 34n, 44n, 50n, 60n]);
  assert.deepEqual([...values], [1, 2, 3, NaN, NaN, 4, 5]);
  assert.equal(withGaps(times, new Float64Array(5), null).timesNs.length, 5);
});

Deno.test("withGaps() takes steps of the calendar where the samples do", () => {
  const times = BigInt64Array.from(
    ["2026-01-31", "2026-02-28", "2026-05-31"].map((text) => parseTimestamp(text, "ms")),
  );
  const { timesNs } = withGaps(times, new Float64Array(3), 30.44 * 86_400);
  const put = ["2026-03-31", "2026-04-30"].map((text) => parseTimestamp(text, "ms"));
  assert.deepEqual([...timesNs.subarray(2, 4)], put);
});

Deno.test("withGaps() refuses more times than are allowed, however long a gap is", () => {
  const years = BigInt64Array.of(0n, S, 2_000_000_000n * S);
  assert.throws(() => withGaps(years, new Float64Array(3), 1), LimitError);
  const many = BigInt64Array.from({ length: COMPONENT_TIMES_MAX + 1 }, (_, i) => BigInt(i) * S);
  assert.throws(() => withGaps(many, new Float64Array(many.length), 1), LimitError);
  const most = many.subarray(1);
  assert.equal(withGaps(most, new Float64Array(most.length), 1).timesNs.length, most.length);
});

Deno.test("withGaps() puts nothing on weekdays that a daily series leaves out", () => {
  const days = Array.from(
    { length: 70 },
    (_, i) => parseTimestamp("2026-01-05", "ms") + BigInt(i) * 86_400n * S,
  );
  const kept = days.filter((_, i) => i % 7 < 5 && i !== 37);
  const { timesNs } = withGaps(BigInt64Array.from(kept), new Float64Array(kept.length), 86_400);
  assert.deepEqual([...timesNs], days.filter((_, i) => i % 7 < 5));
});
