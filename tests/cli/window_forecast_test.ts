import assert from "node:assert/strict";
import {
  contextAsCsv,
  forecastWindow,
  WINDOW_QUANTILES,
  type WindowTask,
} from "../../src/cli/window_forecast.ts";

const CONTEXT = Array.from({ length: 96 }, (_, i) => 20 + 5 * Math.sin(Math.PI * i / 12) + i % 3);

function taskOf(changes: Partial<WindowTask> = {}): WindowTask {
  const window = { id: "w1", freq: "H", m: 24, h: 6, context: CONTEXT };
  const plain = { model: "structural", hint: "season", perturb: "none", seed: 1 } as const;
  return { window, ...plain, ...changes };
}

Deno.test("contextAsCsv() perturbs timestamps within their limits, the same way each time", () => {
  const rowsOf = (task: WindowTask) =>
    contextAsCsv(task).trim().split("\n").slice(1).map((row) => BigInt(row.split(",")[0]!));
  const even = rowsOf(taskOf());
  const jittered = rowsOf(taskOf({ perturb: "jitter" }));
  assert.equal(jittered.length, 96);
  jittered.forEach((ns, i) => assert.ok(Math.abs(Number(ns - even[i]!)) <= 0.3 * 3.6e12 + 1));
  assert.notDeepEqual(jittered, even);
  assert.deepEqual(rowsOf(taskOf({ perturb: "jitter" })), jittered);
  const dropped = rowsOf(taskOf({ perturb: "drop" }));
  // A fifth of 96 is 19; three standard deviations are 12.
  assert.ok(dropped.length > 64 && dropped.length < 90);
  assert.ok(dropped.every((ns) => even.includes(ns)));
});

Deno.test("forecastWindow() gives ordered quantiles near the truth, perturbed or not", () => {
  for (const perturb of ["none", "jitter", "drop"] as const) {
    const { q, id, model } = forecastWindow(taskOf({ perturb }));
    assert.deepEqual([id, model], ["w1", "structural"]);
    assert.equal(q!.length, WINDOW_QUANTILES.length);
    for (let l = 0; l < 6; l++) {
      for (let k = 1; k < q!.length; k++) assert.ok(q![k]![l]! >= q![k - 1]![l]!);
      const truth = 20 + 5 * Math.sin(Math.PI * (96 + l) / 12) + l % 3;
      assert.ok(Math.abs(q![5]![l]! - truth) < 3, `${perturb} lead ${l + 1}`);
    }
  }
});

Deno.test("forecastWindow() says why a window cannot be forecast", () => {
  const window = { ...taskOf().window, context: [null, null] };
  const { q, error } = forecastWindow(taskOf({ window }));
  assert.equal(q, null);
  assert.match(error!, /at least one/);
});
