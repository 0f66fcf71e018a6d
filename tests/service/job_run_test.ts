import assert from "node:assert/strict";
import { DeviceLostError, LimitError } from "../../src/base/errors.ts";
import { type Device, openCpu } from "../../src/device/mod.ts";
import { JobFolder } from "../../src/service/job_files.ts";
import { type JobRecord, RECIPE_DEFAULT } from "../../src/service/job_record.ts";
import { type JobNews, type OpenTuning, runJob } from "../../src/service/job_run.ts";
import { BASE, openTestTuning, testContext, testRows } from "./_tuning.ts";
import { withFolder } from "../_folder.ts";

const RECIPE = { ...RECIPE_DEFAULT, steps: 40, rate: 0.01 };

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (path) => {
    const record = { id: "0123456789abcdef", recipe: RECIPE } as JobRecord;
    await new JobFolder(`${path}/job`).create(record, testRows(), BASE);
    await use(`${path}/job`);
  });
}

/** Runs a job on devices of which the first fails at its `at`-th minibatch. */
async function runLosing(folder: string, at: number, fault: Error) {
  const lost = openCpu();
  let count = 0;
  const openTuning: OpenTuning = (...given) => {
    const tuning = openTestTuning(...given);
    const { objective } = tuning.options;
    const failing: typeof objective = (device, ...rest) => {
      if (isOn(device, lost) && ++count > at) throw fault;
      return objective(device, ...rest);
    };
    return { ...tuning, options: { ...tuning.options, objective: failing } };
  };
  let isFirst = true;
  const isOn = (_: Device, __: Device) => isFirst;
  const news: JobNews[] = [];
  const result = await runJob({ folder, recipe: RECIPE }, {
    ...testContext(),
    openTuning,
    devices: () =>
      Promise.resolve([{ device: lost, name: "gpu" }, { device: openCpu(), name: "cpu" }]),
    tell: (told) => {
      news.push(told);
      if (told.kind === "note") isFirst = false;
    },
    isInterrupted: () => false,
  });
  return { ...result, news };
}

for (
  const fault of [
    new DeviceLostError("The GPU went away"),
    new LimitError("BUDGET_BYTES", 1, 2),
  ]
) {
  Deno.test(`a job goes on from its last checkpoint on the CPU after: ${fault}`, async () => {
    await inFolder(async (folder) => {
      const { end, news } = await runLosing(folder, 60, fault);
      assert.equal(end, "finished");
      const opened = news.filter((told) => told.kind === "opened");
      assert.deepEqual(opened.map(({ device }) => device), ["gpu", "cpu"]);
      assert.ok(opened[1]!.step > 0 && opened[1]!.step < RECIPE.steps);
      assert.ok(news.some((told) => told.kind === "note" && told.text.includes(fault.message)));
    });
  });
}

Deno.test("a job that goes on tells the lines of the way it has come", async () => {
  await inFolder(async (folder) => {
    const context = { ...testContext(), tell: () => {} };
    let steps = 0;
    const isInterrupted = () => ++steps === 9;
    await runJob({ folder, recipe: RECIPE }, { ...context, isInterrupted });
    const news: JobNews[] = [];
    await runJob({ folder, recipe: RECIPE }, {
      ...context,
      tell: (told) => news.push(told),
      isInterrupted: () => false,
    });
    const [opened, second] = news;
    assert.ok(opened?.kind === "opened" && second?.kind === "line");
    assert.equal(opened.step, 9);
    assert.equal(opened.lines[0]!.step, 0);
    assert.ok(opened.lines.every(({ step }) => step <= 9));
    assert.ok(second.line.step > 9);
  });
});
