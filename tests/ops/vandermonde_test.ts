import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { leftHalfPlane, normal } from "../../src/ops/_helpers/cases.ts";
import { linearScan } from "../../src/ops/linear_scan.ts";
import { vandermonde } from "../../src/ops/vandermonde.ts";
import { asDtype } from "../../src/tensor/tensor.ts";
import { distance, filled, run, t } from "./_run.ts";

Deno.test("vandermonde() is linearScan()'s answer to an impulse", async () => {
  const random = seedRandom(3);
  const logAbar = asDtype(leftHalfPlane(random, [2, 5], 0.3, 2), "f64");
  const C = asDtype(normal(random, [2, 5, 2]), "f64");
  const { kernel } = await run(vandermonde, { logAbar, C }, { length: 20 });
  const A = t(
    [2, 5, 2],
    Array.from({ length: 10 }, (_, i) => {
      const [re, im] = [logAbar.data[2 * i]!, logAbar.data[2 * i + 1]!];
      return [Math.exp(re) * Math.cos(im), Math.exp(re) * Math.sin(im)];
    }).flat(),
  );
  const { y } = await run(linearScan, {
    u: filled([1, 20, 2], (i) => i < 2 ? 1 : 0),
    A,
    B: filled([2, 5, 2], (i) => i % 2 === 0 ? 1 : 0),
    C,
  }, { variant: "lti" });
  const byFeature = [0, 1].flatMap((d) =>
    Array.from({ length: 20 }, (_, k) => y!.data[2 * k + d]!)
  );
  // Twenty products of numbers near 1.
  assert.ok(distance(kernel!.data, byFeature) < 1e-13);
});

Deno.test("vandermonde() refuses a length of 0 and other shapes", async () => {
  const logAbar = filled([1, 2, 2], () => -1);
  await assert.rejects(() => run(vandermonde, { logAbar, C: logAbar }, { length: 0 }), {
    field: "length",
  });
  const C = filled([1, 3, 2], () => 1);
  await assert.rejects(() => run(vandermonde, { logAbar, C }, { length: 4 }), { axis: "C.state" });
});
