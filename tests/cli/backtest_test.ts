import assert from "node:assert/strict";
import { backtestChannel, backtestCommand, originsOf } from "../../src/cli/backtest.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { hourlyCsv, run, withFolder } from "./_run.ts";

Deno.test("originsOf() keeps to the last half and leaves a whole horizon", () => {
  assert.deepEqual(originsOf(100, 10, 3), [50, 70, 90]);
  assert.deepEqual(originsOf(100, 10, 1), [90]);
  assert.deepEqual(originsOf(12, 6, 8), [6]);
  assert.deepEqual(originsOf(5, 10, 3), []);
});

Deno.test("backtestChannel() gives the errors that can be counted by hand", () => {
  const length = 40;
  const segment: Segment = {
    streamId: "s",
    channels: ["x"],
    timestampsNs: BigInt64Array.from({ length }, (_, i) => BigInt(i) * 60_000_000_000n),
    // Constant until the end, where the targets lie 2 above it and one is missing.
    values: [Float64Array.from({ length }, (_, i) => i < 36 ? 5 : i === 37 ? NaN : 7)],
  };
  let count = 0;
  const errors = backtestChannel(segment, "x", {
    model: "mean",
    horizon: 4,
    origins: [36],
    onOrigin: () => count++,
  });
  assert.equal(count, 1);
  assert.equal(errors.targetCount, 3);
  // The mean of a constant is the constant, up to the width of a degenerate interval.
  assert.ok(Math.abs(errors.mae - 2) < 1e-3, String(errors.mae));
  assert.equal(errors.coverage80, 0);
});

Deno.test("backtest shows a model beside seasonal naive", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/in.csv`;
    await Deno.writeTextFile(path, hourlyCsv(96));
    const args = [path, "--horizon", "6", "--origins", "2", "--model", "ar_differences"];
    const ran = await run(backtestCommand, ...args, "--column", "wave", "--json");
    assert.equal(ran.code, 0, ran.error);
    const { channels, origins } = JSON.parse(ran.out);
    assert.deepEqual(origins, [48, 90]);
    assert.equal(channels[0].model.targetCount, 12);
    assert.ok(Number.isFinite(channels[0].seasonal_naive.mae));
    const table = await run(backtestCommand, ...args, "--column", "wave");
    assert.match(table.out, /wave +seasonal_naive/);
    const few = await run(backtestCommand, path, "--horizon", "90");
    assert.equal(few.code, 2);
    assert.match(few.error, /96 samples are too few/);
  });
});
