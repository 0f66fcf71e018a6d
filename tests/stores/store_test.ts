import assert from "node:assert/strict";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import { CHANNEL_COUNT_MAX } from "../../src/signal/segment.ts";
import {
  CorruptChunkError,
  DEFAULT_SETTINGS,
  HORIZON_MAX,
  LABEL_LENGTH_MAX,
  LABELS_MAX,
  mergeSettings,
  SEASONS_MAX,
} from "../../src/stores/store.ts";

Deno.test("mergeSettings() lays the named settings over the present ones", () => {
  const merged = mergeSettings(DEFAULT_SETTINGS, { horizon: HORIZON_MAX, labels: { a: "b" } });
  assert.deepEqual(merged, { ...DEFAULT_SETTINGS, horizon: HORIZON_MAX, labels: { a: "b" } });
  assert.deepEqual(mergeSettings(merged, { labels: {} }).labels, {});
  const told = mergeSettings(merged, { flags: { repeats: "tell" } });
  assert.deepEqual(mergeSettings(told, { horizon: 3 }).flags, { repeats: "tell" });
  assert.ok(!("flags" in mergeSettings(told, { flags: {} })));
  const informed = mergeSettings(told, { covariates: ["wind", "sun"] });
  assert.deepEqual(mergeSettings(informed, { horizon: 3 }).covariates, ["wind", "sun"]);
  assert.ok(!("covariates" in mergeSettings(informed, { covariates: [] })));
});

Deno.test("mergeSettings() refuses what is out of range, by field", () => {
  const labels = Object.fromEntries(Array.from({ length: LABELS_MAX + 1 }, (_, i) => [i, ""]));
  const crowd = Array.from({ length: CHANNEL_COUNT_MAX + 1 }, (_, i) => `c${i}`);
  const cases: [Parameters<typeof mergeSettings>[1], string][] = [
    [{ horizon: 0 }, "horizon"],
    [{ horizon: 1.5 }, "horizon"],
    [{ horizon: HORIZON_MAX + 1 }, "horizon"],
    [{ seasonsS: Array(SEASONS_MAX + 1).fill(1) }, "seasonsS"],
    [{ seasonsS: [60, Infinity] }, "seasonsS[1]"],
    [{ channels: { v: { lower: NaN } } }, "channels.v.lower"],
    [{ channels: { v: { lower: 1, upper: 1 } } }, "channels.v.upper"],
    [{ channels: Object.fromEntries(crowd.map((name) => [name, {}])) }, "channels"],
    [{ labels }, "labels"],
    [{ labels: { a: "x".repeat(LABEL_LENGTH_MAX + 1) } }, "labels.a"],
  ];
  for (const [change, field] of cases) {
    assert.throws(
      () => mergeSettings(DEFAULT_SETTINGS, change),
      (error: Error) =>
        (error instanceof InvalidValueError || error instanceof LimitError) &&
        error.field === field,
    );
  }
});

Deno.test("CorruptChunkError says which chunk and why", () => {
  const error = new CorruptChunkError("a/late/7", "its checksum differs");
  assert.match(error.message, /a\/late\/7.*checksum/);
});
