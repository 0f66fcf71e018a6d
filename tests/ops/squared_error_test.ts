import assert from "node:assert/strict";
import { squaredError } from "../../src/ops/squared_error.ts";
import { run, t } from "./_run.ts";

Deno.test("squaredError() is the mean of the squares", async () => {
  const predictions = t([2, 2], [1, 2, 3, 4]);
  const targets = t([2, 2], [1, 0, 0, 4]);
  const { loss, total } = await run(squaredError, { predictions, targets }, {});
  assert.equal(loss!.data[0], 13 / 4);
  assert.equal(total!.data[0], 4);
});

Deno.test("squaredError() weighs, and passes over what is missing", async () => {
  const predictions = t([3], [1, 2, 3]);
  const targets = t([3], [0, NaN, 1]);
  const weights = t([3], [1, 0, 3]);
  const { loss, total } = await run(squaredError, { predictions, targets, weights }, {});
  assert.equal(loss!.data[0], 13 / 4);
  assert.equal(total!.data[0], 4);
});

Deno.test("squaredError() names the axis at fault", async () => {
  const predictions = t([2, 3], [1, 2, 3, 4, 5, 6]);
  const targets = t([2, 2], [1, 2, 3, 4]);
  await assert.rejects(() => run(squaredError, { predictions, targets }, {}), {
    axis: "targets.length",
  });
});
