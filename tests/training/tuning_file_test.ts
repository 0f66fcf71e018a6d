import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { TRAINER_START } from "../../src/training/trainer.ts";
import type { TuningRecipe, TuningState } from "../../src/training/tuning.ts";
import { decodeTuning, encodeTuning } from "../../src/training/tuning_file.ts";

const RECIPE: TuningRecipe = {
  ...{ steps: 9, rate: 0.1, seed: 2, tune: "head", batch: 3, length: 64 },
};

const STATE: TuningState = {
  training: {
    step: 4,
    rate: 0.05,
    counts: { minibatches: 2 },
    tensors: {
      "weights/a": tensorOf([2], Float32Array.of(1, 0.1)),
      "sum/loss": tensorOf([1], Float64Array.of(0.3)),
    },
  },
  trainer: { ...TRAINER_START, elapsedS: 3, divergence: { first: 2, losses: [2, 1] } },
};

Deno.test("decodeTuning() reads what encodeTuning() wrote, in every bit", () => {
  assert.deepEqual(decodeTuning(encodeTuning(RECIPE, STATE), RECIPE), STATE);
});

Deno.test("decodeTuning() refuses a file that was cut anywhere", () => {
  const bytes = encodeTuning(RECIPE, STATE);
  for (let length = 0; length < bytes.length; length += 7) {
    assert.throws(() => decodeTuning(bytes.subarray(0, length), RECIPE), SyntaxError);
  }
});

Deno.test("decodeTuning() refuses another recipe, changed metadata and numbers that are none", () => {
  const bytes = encodeTuning(RECIPE, STATE);
  assert.throws(
    () => decodeTuning(bytes, { ...RECIPE, seed: 3 }),
    /recipe.seed is "2", expected 3, as it was asked for/,
  );
  const text = new TextDecoder("latin1").decode(bytes).replace('\\"step\\":4', '\\"step\\":5');
  const changed = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  assert.throws(() => decodeTuning(changed, RECIPE), /metadata.stateHash/);
  const spoilt = encodeTuning(RECIPE, {
    ...STATE,
    training: { ...STATE.training, tensors: { "weights/a": tensorOf([1], Float32Array.of(NaN)) } },
  });
  assert.throws(() => decodeTuning(spoilt, RECIPE), InvalidValueError);
});
