import assert from "node:assert/strict";
import { parseEvaluationWindow } from "../../../src/cli/evaluate/windows.ts";

const GOOD = { id: "a", task: "t", freq: "H", m: 24, h: 2, context: [1, 2], target: [3, null] };

Deno.test("parseEvaluationWindow() keeps task and target", () => {
  const window = parseEvaluationWindow(JSON.stringify(GOOD), 1);
  assert.deepEqual(window, GOOD);
});

Deno.test("parseEvaluationWindow() names line and field of what is wrong", () => {
  const wrong = (changes: object) => () =>
    parseEvaluationWindow(JSON.stringify({ ...GOOD, ...changes }), 4);
  assert.throws(wrong({ task: 3 }), /line 4: task is "3", expected a text/);
  assert.throws(wrong({ target: [1] }), /line 4: target is .* expected 2 numbers/);
  assert.throws(wrong({ target: [1, "x"] }), /line 4: target/);
  assert.throws(wrong({ h: 0 }), /line 4: h is "0"/);
});
