import assert from "node:assert/strict";
import { compareCase, compareTensor } from "../../../src/cli/goldens/compare.ts";
import { parseGoldenGroup, tensorOfCase } from "../../../src/cli/goldens/golden_file.ts";
import { fileOf, manifestOf } from "./_files.ts";

const golden = parseGoldenGroup(manifestOf(), fileOf()).cases[0]!;
const y = tensorOfCase(golden, "y");

Deno.test("compareTensor() scales the error by the largest reference value", () => {
  // rtol 1e-9 of 4 and atol 1e-13.
  const { ratio } = compareTensor(golden, y, Float64Array.of(2 + 2e-9, 4), "f64");
  assert.ok(Math.abs(ratio - 0.5) < 1e-3);
  assert.ok(compareTensor(golden, y, Float64Array.of(2 + 5e-9, 4), "f64").ratio > 1);
  assert.ok(compareTensor(golden, y, Float64Array.of(2 + 5e-9, 4), "f32").ratio < 1);
});

Deno.test("compareTensor() never passes what is absent, short or not finite", () => {
  for (const actual of [undefined, Float64Array.of(2), Float64Array.of(NaN, 4)]) {
    assert.equal(compareTensor(golden, y, actual, "f64").ratio, Infinity);
  }
  assert.equal(compareTensor(golden, y, Float64Array.of(2, Infinity), "f64").ratio, Infinity);
});

Deno.test("compareTensor() leaves ignored positions out and widens only the stated part", () => {
  const off = Float64Array.of(99, 4);
  const ignored = { ignored: (_: unknown, __: string, index: number) => index === 0 };
  assert.equal(compareTensor(golden, y, off, "f64", ignored).ratio, 0);
  const widened = { widened: () => ({ count: 1, allowed: 194, reason: "a test" }) };
  const wide = compareTensor(golden, y, off, "f64", widened);
  assert.equal(wide.ratio, 0.5);
  assert.equal(wide.note, "a test");
  assert.ok(compareTensor(golden, y, Float64Array.of(2, 5), "f64", widened).ratio > 1);
});

Deno.test("compareTensor() measures complex errors by modulus", () => {
  const about = { role: "output", shape: [1], complex: true, rtol: { f64: 1, f32: 1 } };
  const file = fileOf({ "one/x": [1, 2], "one/y.re": [0], "one/y.im": [10] });
  const complex = parseGoldenGroup(manifestOf({ y: about }), file).cases[0]!;
  const result = compareTensor(complex, tensorOfCase(complex, "y"), Float64Array.of(3, 14), "f64");
  assert.ok(Math.abs(result.ratio - 0.5) < 1e-12);
});

Deno.test("compareCase() fails on a wrong, a missing and an unsupported tensor differently", () => {
  const good = compareCase(golden, { values: { y: Float64Array.of(2, 4) } }, "f64");
  assert.deepEqual([good.status, good.worst, good.compared], ["passed", 0, 1]);
  const wrong = compareCase(golden, { values: { y: Float64Array.of(2, 5) } }, "f64");
  assert.equal(wrong.status, "failed");
  assert.match(wrong.messages[0]!, /one\/y error 1\.00e\+0/);
  const missing = compareCase(golden, { values: {} }, "f64");
  assert.match(missing.messages[0]!, /one\/y not computed/);
  const unsupported = compareCase(golden, { unsupported: "no such thing" }, "f64");
  assert.deepEqual([unsupported.status, unsupported.worst], ["unsupported", null]);
});

Deno.test("compareCase() counts gradients as unsupported, and a case of nothing else too", () => {
  const grad = { role: "grad", shape: [2], complex: false, rtol: { f64: 1, f32: 1 } };
  const file = fileOf({ "one/x": [1, 2], "one/y": [2, 4], "one/g": [0, 0] });
  const both = parseGoldenGroup(manifestOf({ g: grad }), file).cases[0]!;
  const result = compareCase(both, { values: { y: Float64Array.of(2, 4) } }, "f64");
  assert.deepEqual(result.messages, ["one: gradients g"]);
  assert.deepEqual([result.status, result.gradientsUnsupported], ["passed (forward)", 1]);
  const only = parseGoldenGroup(manifestOf({ y: grad }), fileOf()).cases[0]!;
  assert.equal(compareCase(only, { values: {} }, "f64").status, "unsupported");
});
