import assert from "node:assert/strict";
import { statesIn, trainingOf } from "../../../src/cli/train/run.ts";
import { TRAINER_START } from "../../../src/training/trainer.ts";

const saved = { step: 3, rate: 0.01, tensors: {}, counts: { minibatches: 1 } };
const settings = { data: { kind: "task" }, training: { steps: 9, batch: 4 } };
const checkpoint = {
  config: { width: 4 },
  tensors: {},
  step: 3,
  training: trainingOf(settings, saved, TRAINER_START),
};

Deno.test("statesIn() gives back what trainingOf() took", () => {
  const states = statesIn(checkpoint, { model: { width: 4 }, settings });
  assert.deepEqual(states, { training: saved, trainer: TRAINER_START });
});

Deno.test("statesIn() names the first setting that is another training's", () => {
  assert.throws(() => statesIn(checkpoint, { model: { width: 5 }, settings }), {
    field: "config.model.width",
    message: 'config.model.width is "5", expected 4 as in the checkpoint',
  });
  const longer = { ...settings, training: { steps: 10, batch: 4 } };
  assert.throws(() => statesIn(checkpoint, { model: { width: 4 }, settings: longer }), {
    field: "config.training.steps",
  });
  const settle = () => ({});
  assert.ok(statesIn(checkpoint, { model: { width: 4 }, settings: longer }, settle));
});
