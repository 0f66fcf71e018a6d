import assert from "node:assert/strict";
import { FFT_POINTS_MAX, fftConv } from "../../src/ops/fft_conv.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("fftConv() with a kernel of one tap scales", async () => {
  const u = filled([3, 10, 2], (i) => Math.sin(i));
  const { y } = await run(fftConv, { u, kernel: t([2, 1], [2, 2]) }, {});
  assert.ok(distance(y!.data, u.data.map((v) => 2 * v)) < 1e-14);
});

Deno.test("fftConv() is causal and does not wrap around", async () => {
  const u = filled([1, 16, 1], (i) => i === 15 ? 1e6 : 0);
  const { y } = await run(fftConv, { u, kernel: filled([1, 16], () => 1) }, {});
  // The transform's rounding is relative to the largest value: 1e6 times some 1e-16.
  assert.ok(Math.max(...y!.data.subarray(0, 15).map(Math.abs)) < 1e-8);
  assert.ok(Math.abs(y!.data[15]! - 1e6) < 1e-8);
});

Deno.test("fftConv() refuses a transform that is too long, before it allocates", () => {
  const length = FFT_POINTS_MAX;
  assert.throws(
    () => fftConv.outputShapes({ u: [1, length, 1], kernel: [1, length] }, {}),
    { field: "u.length" },
  );
  assert.throws(
    () => fftConv.outputShapes({ u: [1, 8, 2], kernel: [3, 8] }, {}),
    { axis: "kernel.feature" },
  );
});
