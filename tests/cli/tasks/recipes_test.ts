import assert from "node:assert/strict";
import { RECIPES, recipesOf, TASK_SIZES } from "../../../src/cli/tasks/recipes.ts";
import { backboneOfPlan } from "../../../src/training/task_training.ts";
import { taskByName, TASKS } from "../../../datasets/tasks/mod.ts";

Deno.test("every recipe's plans fit their task", () => {
  for (const { task, plans } of RECIPES) {
    for (const size of TASK_SIZES) {
      const plan = plans[size];
      assert.ok(plan, `${task} has no ${size} plan`);
      assert.ok(backboneOfPlan(taskByName(task), plan));
      assert.ok(plan.tests.length > 0);
    }
  }
});

Deno.test("every task has a recipe, and no two rows are the same", () => {
  assert.deepEqual(
    new Set(RECIPES.map(({ task }) => task)),
    new Set(TASKS.map(({ name }) => name)),
  );
  const rows = RECIPES.map(({ task, member }) => `${task}, ${member}`);
  assert.equal(new Set(rows).size, rows.length);
});

Deno.test("recipesOf() takes all where nothing is named", () => {
  assert.deepEqual(recipesOf([], []), RECIPES);
  assert.ok(recipesOf(["delay"], []).every(({ task }) => task === "delay"));
  assert.deepEqual(recipesOf(["delay"], ["mamba"]), []);
});
