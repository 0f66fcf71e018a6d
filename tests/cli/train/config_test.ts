import assert from "node:assert/strict";
import { firstDifference, parseTrainConfig, scheduleOf } from "../../../src/cli/train/config.ts";

const GOOD = {
  model: { width: 8, layers: ["mamba"] },
  data: { kind: "task", name: "delay" },
  training: { steps: 10, schedule: { kind: "warmupCosine", rate: 0.01, warmup: 2 } },
};

const parse = (change: object) => parseTrainConfig(JSON.stringify({ ...GOOD, ...change }));

Deno.test("parseTrainConfig() fills in what is customary", () => {
  const config = parse({});
  assert.equal(config.device, "auto");
  assert.equal(config.training.batch, 16);
  assert.equal(config.training.optimizer.clipNorm, 1);
  assert.deepEqual(config.data, { kind: "task", name: "delay", setting: {} });
  assert.deepEqual(scheduleOf(config), {
    kind: "warmupCosine",
    rate: 0.01,
    warmup: 2,
    floor: 0,
    steps: 10,
  });
});

Deno.test("parseTrainConfig() names the path of what is wrong", () => {
  const { training, data } = GOOD;
  const series = { kind: "series", files: ["a.csv"], context: 8, horizon: 2 };
  const broken: [string, object][] = [
    ["config.training.steps", { training: { ...training, steps: 0 } }],
    ["config.training.step", { training: { ...training, step: 5 } }],
    ["config.training.schedule.rate", {
      training: { ...training, schedule: { ...training.schedule, rate: -1 } },
    }],
    ["config.training.schedule.floor", {
      training: {
        ...training,
        schedule: { kind: "warmupCosine", rate: 0.01, warmup: 1, floor: 1 },
      },
    }],
    ["config.data.kind", { data: { ...data, kind: "picture" } }],
    ["config.data.files[0]", { data: { ...series, files: [""] } }],
    ["config.data.quantiles[1]", { data: { ...series, quantiles: [0.5, 1] } }],
    ["config.model.output", { model: { ...GOOD.model, output: { size: 3 } } }],
    ["config.loss", { loss: "hinge" }],
    ["config.device", { device: "tpu" }],
  ];
  for (const [field, change] of broken) {
    assert.throws(() => parse(change), { name: "InvalidValueError", field }, field);
  }
  assert.throws(() => parseTrainConfig("{"), { name: "SyntaxError", message: /is not JSON/ });
});

Deno.test("firstDifference() finds the first field that differs", () => {
  assert.equal(firstDifference({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }), undefined);
  const found = firstDifference({ a: [1, { b: 2 }] }, { a: [1, { b: 3 }] });
  assert.deepEqual(found, { path: "config.a.1.b", a: 2, b: 3 });
  assert.deepEqual(firstDifference({}, { c: 1 }), { path: "config.c", a: undefined, b: 1 });
});

Deno.test("parseTrainConfig() refuses weights to begin with where no network is pretrained", () => {
  const config = {
    model: {},
    data: { kind: "task", name: "copy" },
    training: { steps: 1, schedule: { kind: "constant", rate: 0.01 }, start: "a.safetensors" },
  };
  assert.throws(() => parseTrainConfig(JSON.stringify(config)), /config\.training\.start/);
});
