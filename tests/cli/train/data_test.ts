import assert from "node:assert/strict";
import { parseTrainConfig, type TrainConfig } from "../../../src/cli/train/config.ts";
import { openData } from "../../../src/cli/train/data.ts";
import { hourlyCsv, withFolder } from "../_run.ts";

function config(data: object, change: object = {}): TrainConfig {
  return parseTrainConfig(JSON.stringify({
    model: { width: 8, layers: ["mamba"] },
    data,
    training: { steps: 10, batch: 4, schedule: { kind: "constant", rate: 0.01 } },
    ...change,
  }));
}

Deno.test("openData() reads series by the end of their names", async () => {
  await withFolder(async (folder) => {
    const [csv, ndjson] = [`${folder}/a.csv`, `${folder}/b.ndjson`];
    await Deno.writeTextFile(csv, hourlyCsv(60));
    const lines = Array.from({ length: 60 }, (_, i) => `{"timestamp":${i * 1000},"value":${i}}`);
    await Deno.writeTextFile(ndjson, `${lines.join("\n")}\n`);
    const series = { kind: "series", context: 10, horizon: 2, quantiles: [0.1, 0.5, 0.9] };
    const data = await openData(config({ ...series, files: [csv, ndjson] }));
    assert.deepEqual(data.input, { kind: "signal", feature: 2 });
    assert.equal(data.size, 6);
    assert.ok(data.isPooled);
    assert.deepEqual(data.minibatch(0).input.shape, [4, 10, 2]);
    assert.deepEqual(data.minibatch(0), data.minibatch(0));
    assert.deepEqual([...data.heldOut()], [...data.heldOut()]);
    // The constant column is left out.
    const one = await openData(config({ ...series, files: [csv], columns: ["wave"] }));
    assert.ok([...one.heldOut()].every(({ target }) => target.data.some((value) => value !== 0)));
    const named = await openData(config({ ...series, datasets: ["co2-monthly"] }));
    assert.deepEqual(named.minibatch(0).target.shape, [4, 2]);
    const nothing = openData(config(series));
    await assert.rejects(nothing, { field: "series.length" });
    const unknown = openData(config({ ...series, files: [`${folder}/c.xls`] }));
    await assert.rejects(unknown, { field: "config.data.files[0]", message: /csv/ });
    const noSet = openData(config({ ...series, datasets: ["tides"] }));
    await assert.rejects(noSet, { field: "config.data.datasets[0]", message: /co2-monthly/ });
    const empty = `${folder}/empty.csv`;
    await Deno.writeTextFile(empty, "");
    const headless = openData(config({ ...series, files: [empty] }));
    await assert.rejects(headless, { name: "ProtocolError", message: /empty\.csv: / });
    const gaps = `${folder}/gaps.csv`;
    const rows = Array.from({ length: 60 }, (_, i) => `${i * 1000},`);
    await Deno.writeTextFile(gaps, `timestamp,wave\n${rows.join("\n")}\n`);
    await assert.rejects(openData(config({ ...series, files: [gaps] })), { field: "config.data" });
    await assert.rejects(openData(config({ ...series, files: [csv, folder] })), {
      field: "config.data.files[1]",
    });
    const wrong = openData(config({ ...series, files: [csv] }, { loss: "crossEntropy" }));
    await assert.rejects(wrong, { field: "config.loss" });
  });
});

Deno.test("openData() trains on no sample that is held out, and forecasts only those", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/rise.csv`;
    // 0 and 1 in turn, and over the last fifth each value four times the one before.
    const valueAt = (i: number) => i < 48 ? i % 2 : 4 ** (i - 46);
    const rows = Array.from({ length: 60 }, (_, i) => `${i * 1000},${valueAt(i)}`);
    await Deno.writeTextFile(path, `timestamp,rise\n${rows.join("\n")}\n`);
    const series = { kind: "series", context: 10, horizon: 2, files: [path] };
    const data = await openData(config(series));
    for (let index = 0; index < 50; index++) {
      const { input, target } = data.minibatch(index);
      assert.ok([...input.data, ...target.data].every((value) => Math.abs(value) <= 1));
    }
    const held = [...data.heldOut()];
    assert.equal(held.length, 1);
    assert.ok(held.every(({ target }) => target.data.every((value) => value > 2)));
  });
});

Deno.test("openData() draws a task's examples, others for training than for tests", async () => {
  const task = { kind: "task", name: "induction-heads", setting: { length: 16 } };
  const data = await openData(config(task));
  assert.equal(data.input.kind, "tokens");
  assert.equal(data.loss.kind, "crossEntropy");
  const [test] = data.heldOut();
  assert.notDeepEqual(test, data.minibatch(0));
  assert.deepEqual(data.minibatch(3), (await openData(config(task))).minibatch(3));
  await assert.rejects(openData(config({ ...task, setting: { length: 1 } })), {
    field: "config.data.setting.length",
  });
  await assert.rejects(openData(config({ ...task, name: "chess" })), {
    field: "config.data.name",
    message: /expected one of .*delay/,
  });
  await assert.rejects(openData(config(task, { loss: "gaussian" })), { field: "config.loss" });
});
