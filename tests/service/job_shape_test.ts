import assert from "node:assert/strict";
import { type JobRecord, RECIPE_DEFAULT } from "../../src/service/job_record.ts";
import { jobShape } from "../../src/service/job_shape.ts";

const record = {
  ...{ id: "0123456789abcdef", order: 3, attempts: 1, state: "running", channels: ["a"] },
  recipe: RECIPE_DEFAULT,
} as JobRecord;

Deno.test("jobShape() parts lines into metrics and evaluations, and says what was gained", () => {
  const metrics = { step: 1, loss: 3, rate: 0.1, samplesPerS: 2, elapsedS: 1 };
  const evaluation = (step: number, loss: number) => ({ step, evaluation: { loss } });
  const shape = jobShape(record, [evaluation(0, 4), { ...metrics, extra: undefined }]);
  assert.deepEqual(shape.metrics, [metrics]);
  assert.deepEqual(shape.heldOut, { before: 4, after: 4 });
  assert.deepEqual(jobShape(record, [evaluation(0, 4), evaluation(9, 2)]).heldOut, {
    before: 4,
    after: 2,
  });
  assert.equal(jobShape(record, []).heldOut, null);
  const many = Array.from({ length: 95 }, (_, i) => ({ ...metrics, step: i + 1 }));
  const few = jobShape(record, [evaluation(0, 4), ...many], 40).metrics;
  assert.ok(few.length > 20 && few.length <= 40);
  assert.equal(few.at(-1)!["step"], 95);
  assert.equal(jobShape(record, many).metrics.length, 95);
  assert.equal(shape.steps, RECIPE_DEFAULT.steps);
  assert.ok(!("attempts" in shape) && !("order" in shape));
});
