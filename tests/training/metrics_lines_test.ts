import assert from "node:assert/strict";
import { isEvaluation, linesUpTo } from "../../src/training/metrics_lines.ts";

Deno.test("linesUpTo() leaves out later steps and a line that was torn", () => {
  const lines = [0, 2, 4].map((step) => ({ step, evaluation: { loss: 1 } }));
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("") + '{"step":1,"lo';
  assert.deepEqual(linesUpTo(text, 2), lines.slice(0, 2));
  assert.deepEqual(linesUpTo(text, Infinity), lines);
  assert.deepEqual(linesUpTo("", 2), []);
});

Deno.test("isEvaluation() tells evaluations from metrics", () => {
  assert.ok(isEvaluation({ step: 1, evaluation: { loss: 1 } }));
  assert.ok(!isEvaluation({ step: 1, loss: 1, rate: 1, samplesPerS: 1, elapsedS: 1 }));
});
