import assert from "node:assert/strict";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import {
  isActive,
  JOB_WORK_MAX,
  MODEL_NAME,
  parseRecord,
  RECIPE_DEFAULT,
  recipeOf,
} from "../../src/service/job_record.ts";

Deno.test("recipeOf() fills in what was not asked for", () => {
  assert.deepEqual(recipeOf({}), RECIPE_DEFAULT);
  assert.deepEqual(recipeOf({ steps: 3, tune: undefined }), { ...RECIPE_DEFAULT, steps: 3 });
});

Deno.test("recipeOf() names the limit that is passed", () => {
  for (
    const [given, limitName] of [
      [{ steps: 5_001 }, "JOB_STEPS_MAX"],
      [{ rate: 0.2 }, "JOB_RATE_MAX"],
      [{ seed: 2 ** 31 }, "JOB_SEED_MAX"],
      [{ batch: 65 }, "JOB_BATCH_MAX"],
      [{ length: 1_025 }, "JOB_LENGTH_MAX"],
      [{ steps: 5_000, batch: 10, length: 1_001 }, "JOB_WORK_MAX"],
    ] as const
  ) {
    assert.throws(
      () => recipeOf(given),
      (error) => error instanceof LimitError && error.limitName === limitName,
    );
  }
  const most = recipeOf({ steps: 5_000, batch: 10, length: 1_000 });
  assert.equal(most.steps * most.batch * most.length, JOB_WORK_MAX);
});

Deno.test("recipeOf() names the value that is none", () => {
  for (
    const [field, value] of [
      ["steps", 0],
      ["steps", 1.5],
      ["steps", NaN],
      ["rate", 0],
      ["rate", -1],
      ["rate", Infinity],
      ["seed", -1],
      ["batch", 0],
      ["length", 31],
    ] as const
  ) {
    assert.throws(
      () => recipeOf({ [field]: value }),
      (error) => error instanceof InvalidValueError && error.field === field,
      `${field} ${value}`,
    );
  }
});

Deno.test("names of models can stand in paths", () => {
  for (const name of ["a", "pump-2_b", "a".repeat(63)]) assert.ok(MODEL_NAME.test(name), name);
  for (const name of ["", "A", "1a", "a/b", "..", "a.b", "a b", "a".repeat(64), "a\n"]) {
    assert.ok(!MODEL_NAME.test(name), JSON.stringify(name));
  }
});

Deno.test("parseRecord() refuses what is no record", () => {
  assert.throws(() => parseRecord("{"), SyntaxError);
  assert.throws(() => parseRecord("{}"), InvalidValueError);
  assert.ok(isActive({ state: "queued" }) && isActive({ state: "running" }));
  assert.ok(!isActive({ state: "failed" }));
});
