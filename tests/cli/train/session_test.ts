import assert from "node:assert/strict";
import { parseTrainConfig } from "../../../src/cli/train/config.ts";
import { openData } from "../../../src/cli/train/data.ts";
import { backboneFor } from "../../../src/cli/train/session.ts";

async function model(change: object, task = "waves") {
  const config = parseTrainConfig(JSON.stringify({
    model: { width: 8, layers: ["mamba"], ...change },
    data: { kind: "task", name: task, setting: { length: 128 } },
    training: { steps: 10, schedule: { kind: "constant", rate: 0.01 } },
  }));
  return backboneFor(config, await openData(config));
}

Deno.test("backboneFor() gives the model the input and output of its data", async () => {
  const { config } = await model({});
  assert.deepEqual(config.input, { kind: "signal", feature: 1 });
  assert.deepEqual(config.output, { size: 10, pool: "last" });
  assert.equal((await model({ pool: "mean" })).config.output.pool, "mean");
});

Deno.test("backboneFor() refuses a pool that is none, or that the data has no use for", async () => {
  const field = "config.model.pool";
  await assert.rejects(model({ pool: "max" }), {
    field,
    message: 'config.model.pool is "max", expected mean or last',
  });
  await assert.rejects(model({ pool: "last" }, "induction-heads"), { field });
});
