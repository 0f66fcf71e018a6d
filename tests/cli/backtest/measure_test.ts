import assert from "node:assert/strict";
import { measureForecaster } from "../../../src/cli/backtest/measure.ts";
import { trialAt } from "../../../src/cli/backtest/trials.ts";
import { openSubject } from "../../../src/cli/evaluate/subject.ts";
import type { Segment } from "../../../src/signal/segment.ts";

/** Constant until the end, where the targets lie 2 above it and one is missing. */
const SEGMENT: Segment = {
  streamId: "s",
  channels: ["x"],
  timestampsNs: BigInt64Array.from({ length: 40 }, (_, i) => BigInt(i) * 60_000_000_000n),
  values: [Float64Array.from({ length: 40 }, (_, i) => i < 36 ? 5 : i === 37 ? NaN : 7)],
};

Deno.test("measureForecaster() gives the errors that can be counted by hand", async () => {
  const trials = [trialAt(SEGMENT, "x", { origin: 36, horizon: 4 })!];
  for (const name of ["mean", "naive", "seasonal-naive"]) {
    let count = 0;
    const errors = measureForecaster((await openSubject(name))!, trials, () => count++);
    assert.equal(count, 1);
    assert.equal(errors.targetCount, 3);
    // The mean of a constant is the constant, up to the width of a degenerate interval.
    assert.ok(Math.abs(errors.mae - 2) < 1e-3, `${name}: ${errors.mae}`);
    assert.equal(errors.cover80, 0);
    assert.deepEqual([errors.failed, errors.rows.length], [0, 1]);
  }
});

Deno.test("measureForecaster() counts origins that fail", async () => {
  const naive = (await openSubject("naive"))!;
  const broken = {
    ...naive,
    fit: () => {
      throw new Error("no");
    },
  };
  const trials = [30, 36].map((origin) => trialAt(SEGMENT, "x", { origin, horizon: 4 })!);
  const errors = measureForecaster(broken, trials);
  assert.deepEqual([errors.failed, errors.rows], [2, [null, null]]);
  assert.ok(Number.isFinite(errors.mae));
  assert.throws(() => measureForecaster(naive, []), /no origin/);
});
