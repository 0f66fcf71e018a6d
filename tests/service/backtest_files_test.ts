import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import {
  BACKTEST_FILES,
  BacktestFolder,
  type BacktestRecord,
} from "../../src/service/backtest_files.ts";
import { outcomeOf } from "./_backtests.ts";
import { withFolder } from "../_folder.ts";

const RECORD: BacktestRecord = {
  id: "0123456789abcdef",
  order: 3,
  attempts: 0,
  state: "queued",
  source: { kind: "upload", mediaType: "text/csv" },
  ...{ channels: ["a", "b"], rows: 3, horizon: 1, origins: 1, models: ["mean"] },
  ranges: { a: { lower: 0 } },
  seasonsS: [86_400],
  createdAt: "2026-01-01T00:00:00Z",
  ...{ startedAt: null, endedAt: null, error: null },
};

const SEGMENT = {
  streamId: "s",
  channels: ["a", "b"],
  timestampsNs: BigInt64Array.of(1n, 2n, 5n),
  values: [Float64Array.of(1, NaN, 3), Float64Array.of(-0, 1e300, 2)],
};

function inFolder(use: (folder: BacktestFolder) => Promise<void>): Promise<void> {
  return withFolder((path) => use(new BacktestFolder(`${path}/one`)));
}

Deno.test("BacktestFolder keeps record, samples and outcome", async () => {
  await inFolder(async (folder) => {
    assert.equal(await folder.readRecord(), null);
    await folder.create(RECORD, SEGMENT);
    assert.deepEqual(await folder.readRecord(), RECORD);
    assert.deepEqual(await folder.readSamples(), SEGMENT);
    const task = {
      ...{ title: "t", segment: SEGMENT, horizon: 1, origins: 1, models: [], files: new Map() },
      bounds: {},
      seasonsS: [],
    };
    await folder.saveOutcome(outcomeOf(task));
    assert.deepEqual(await folder.readOutcome(), outcomeOf(task));
    await folder.removeSamples();
    await folder.removeSamples();
    await assert.rejects(folder.readSamples(), Deno.errors.NotFound);
    await folder.remove();
    assert.equal(await folder.readRecord(), null);
  });
});

Deno.test("BacktestFolder reads records of before there were bounds", async () => {
  await inFolder(async (folder) => {
    await folder.create(RECORD, SEGMENT);
    const { ranges: _, seasonsS: __, ...old } = RECORD;
    await Deno.writeTextFile(`${folder.path}/${BACKTEST_FILES.record}`, JSON.stringify(old));
    assert.deepEqual(await folder.readRecord(), { ...RECORD, ranges: {}, seasonsS: [] });
  });
});

Deno.test("BacktestFolder names what is wrong with a damaged file", async () => {
  await inFolder(async (folder) => {
    await folder.create(RECORD, SEGMENT);
    const write = (file: keyof typeof BACKTEST_FILES, text: string) =>
      Deno.writeTextFile(`${folder.path}/${BACKTEST_FILES[file]}`, text);
    await write("record", JSON.stringify({ ...RECORD, horizon: 0 }));
    await assert.rejects(
      folder.readRecord(),
      (error: unknown) => error instanceof InvalidValueError && /horizon/.test(error.message),
    );
    await write("record", "{");
    await assert.rejects(folder.readRecord(), SyntaxError);
    await write("samples", "short");
    await assert.rejects(folder.readSamples());
    await write("outcome", JSON.stringify({ report: {}, page: "", pictures: {} }));
    await assert.rejects(folder.readOutcome(), InvalidValueError);
  });
});
