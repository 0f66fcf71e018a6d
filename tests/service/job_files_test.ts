import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { JOB_FILES, JobFolder, seriesOfRows } from "../../src/service/job_files.ts";
import { type JobRecord, RECIPE_DEFAULT } from "../../src/service/job_record.ts";
import { withFolder } from "../_folder.ts";

const RECORD: JobRecord = {
  ...{ id: "0123456789abcdef", order: 1, model: "mine", base: "neural", state: "queued" },
  recipe: RECIPE_DEFAULT,
  source: { kind: "upload", mediaType: "text/csv" },
  ...{ channels: ["a", "b"], rows: 3, createdAt: "2026-01-01T00:00:00Z", startedAt: null },
  ...{ endedAt: null, attempts: 0, device: null, parameters: null, tunedParameters: null },
  ...{ step: 0, modelHash: null, error: null },
};

const ROWS = {
  channels: ["a", "b"],
  timestampsNs: BigInt64Array.of(5_000_000_000n, 6_500_000_000n, 9_000_000_000n),
  values: [Float64Array.of(NaN, 1, 2), Float64Array.of(NaN, NaN, NaN)],
  seasonsS: [60],
};

function inFolder(use: (folder: JobFolder) => Promise<void>): Promise<void> {
  return withFolder((path) => use(new JobFolder(`${path}/job`)));
}

Deno.test("seriesOfRows() begins each series with its first value and leaves out empty ones", () => {
  const series = seriesOfRows(ROWS);
  assert.equal(series.length, 1);
  assert.deepEqual(series[0], {
    timesS: Float64Array.of(0, 2.5),
    values: Float64Array.of(1, 2),
    seasonsS: [60],
  });
});

Deno.test("JobFolder keeps what a job begins with, and removes what only its work needs", async () => {
  await inFolder(async (folder) => {
    assert.equal(await folder.readRecord(), null);
    await folder.create(RECORD, ROWS, Uint8Array.of(1, 2, 3));
    assert.deepEqual(await folder.readRecord(), RECORD);
    assert.deepEqual(await folder.readRows(), ROWS);
    assert.deepEqual([...await folder.readBase()], [1, 2, 3]);
    assert.equal(await folder.readCheckpoint(), null);
    await folder.saveCheckpoint(Uint8Array.of(9));
    assert.deepEqual([...(await folder.readCheckpoint())!], [9]);
    await folder.removeWork();
    const left = [...Deno.readDirSync(folder.path)].map(({ name }) => name);
    assert.deepEqual(left, [JOB_FILES.record]);
    await folder.remove();
    assert.equal(await folder.readRecord(), null);
  });
});

Deno.test("JobFolder cuts lines that will come again, and one that was torn", async () => {
  await inFolder(async (folder) => {
    await folder.create(RECORD, ROWS, new Uint8Array());
    const line = (step: number) => ({ step, evaluation: { loss: step } });
    for (const step of [0, 2, 4]) folder.addLine(line(step));
    const path = `${folder.path}/${JOB_FILES.metrics}`;
    await Deno.writeTextFile(path, '{"step":4,"ev', { append: true });
    assert.deepEqual(await folder.readLines(), [line(0), line(2), line(4)]);
    assert.deepEqual(await folder.cutLines(2), [line(0), line(2)]);
    folder.addLine(line(3));
    assert.deepEqual(await folder.readLines(), [line(0), line(2), line(3)]);
    assert.deepEqual(await folder.cutLines(-1), []);
  });
});

Deno.test("JobFolder refuses a record with a field that is not one", async () => {
  await inFolder(async (folder) => {
    await folder.create({ ...RECORD, more: 1 } as JobRecord, ROWS, new Uint8Array());
    await assert.rejects(() => folder.readRecord(), InvalidValueError);
  });
});
