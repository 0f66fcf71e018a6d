import assert from "node:assert/strict";
import { CLEAN_KINDS } from "../../../../src/cli/evaluate/detection/clean.ts";
import {
  cleanShare,
  cleanStreams,
  countCleanAlarms,
  measureClean,
} from "../../../../src/cli/evaluate/detection/clean_alarms.ts";
import {
  DRIFTLINE,
  type OnlineDetector,
} from "../../../../src/cli/evaluate/detection/detectors.ts";

const LENGTH = 20_000;

/** Opens as many alarms as its seed says. */
const counter: OnlineDetector = {
  name: "counter",
  isSeeded: true,
  run: (_, [values], { seed }) => ({
    score: values!,
    flag: values!,
    opened: [...Array(seed).keys()],
    stateBytes: 0,
  }),
};

Deno.test("cleanStreams() are so many that 50 alarms are wanted, and five at least", () => {
  assert.deepEqual([1e-3, 3e-4, 1e-4].map(cleanStreams), [5, 9, 25]);
});

Deno.test("countCleanAlarms() counts the alarms of each stream, with seeds of their own", () => {
  const work = { kind: CLEAN_KINDS[0]!.name, falseAlarmRate: 1e-3, length: 50, streams: 3 };
  assert.deepEqual(countCleanAlarms(counter, work), [1, 2, 3]);
  assert.throws(() => countCleanAlarms(counter, { ...work, kind: "dirt" }), /dirt is no kind/);
});

Deno.test("measureClean() has every kind at every rate, the same from any workers", async () => {
  const given = { length: 600, streams: () => 2 };
  const figures = await measureClean([1e-2], { ...given, jobs: 2 });
  assert.equal(figures.length, 600);
  const kinds = figures.alarms["0.01"]!;
  assert.deepEqual(Object.keys(kinds), CLEAN_KINDS.map(({ name }) => name));
  const kind = "clustered variance";
  const work = { kind, falseAlarmRate: 1e-2, length: 600, streams: 2 };
  assert.deepEqual(kinds[kind], countCleanAlarms(DRIFTLINE, work));
  assert.deepEqual(await measureClean([1e-2], { ...given, jobs: 1 }), figures);
});

Deno.test("cleanShare() is that of what was wanted, with the error of the sum of its streams", () => {
  const given = { length: LENGTH, rate: 1e-4 };
  // Two wanted a stream; counts of variance 2/3.
  const { times, error } = cleanShare([[2, 3, 3, 4]], given);
  assert.equal(times, 1.5);
  assert.ok(Math.abs(error - Math.sqrt(4 * 2 / 3) / 8) < 1e-12);
  // Kinds that differ are no error of their sum.
  assert.deepEqual(cleanShare([[1, 1], [5, 5]], given), { times: 1.5, error: 0 });
});
