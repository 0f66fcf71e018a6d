import assert from "node:assert/strict";
import { type RandomState, seedRandom } from "../../src/base/random.ts";
import { multiplyPlan } from "../../src/ops/_helpers/matmul_plan.ts";
import { cutOf, TILES } from "../../src/ops/_helpers/matmul_tiles.ts";
import { normal } from "../../src/ops/_helpers/cases.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { runOp } from "../../src/ops/run.ts";
import { relativeError } from "../../src/ops/self_check.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { asDtype, type Tensor } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { DEFAULT_LIMITS, filled, run, t } from "./_run.ts";

/** Values that f32 holds, in f64. */
function drawn(shape: Shape, random: RandomState): Tensor {
  return asDtype(asDtype(normal(random, shape), "f32"), "f64");
}

Deno.test("matmul() multiplies, transposes and adds the bias", async () => {
  const a = t([2, 3], [1, 2, 3, 4, 5, 6]);
  const b = t([3, 2], [7, 8, 9, 10, 11, 12]);
  const expected = [58, 64, 139, 154];
  assert.deepEqual([...(await run(matmul, { a, b }, {})).c!.data], expected);
  const aT = t([3, 2], [1, 4, 2, 5, 3, 6]);
  const bT = t([2, 3], [7, 9, 11, 8, 10, 12]);
  const both = { transposeA: true, transposeB: true };
  assert.deepEqual([...(await run(matmul, { a: aT, b: bT }, both)).c!.data], expected);
  const biased = await run(matmul, { a, b, bias: t([2], [100, 200]) }, {});
  assert.deepEqual([...biased.c!.data], [158, 264, 239, 354]);
});

Deno.test("matmul() keeps leading axes", async () => {
  const { c } = await run(matmul, {
    a: filled([2, 3, 5, 4], (i) => i),
    b: filled([4, 6], () => 1),
  }, {});
  assert.deepEqual(c!.shape, [2, 3, 5, 6]);
});

Deno.test("matmul() names the axis or the rank at fault", async () => {
  const a = filled([2, 3], () => 1);
  const fails = (b: number[], params: object, error: object) =>
    assert.rejects(() => run(matmul, { a, b: filled(b, () => 1) }, params), error);
  await fails([4, 2], {}, { axis: "b.k" });
  await fails([3], {}, { field: "b.rank" });
  await assert.rejects(
    () => run(matmul, { a, b: filled([3, 2], () => 1), bias: filled([3], () => 1) }, {}),
    { axis: "bias.n" },
  );
  await assert.rejects(
    () =>
      run(matmul, {
        a: filled([2, 3, 4], () => 1),
        b: filled([3, 2], () => 1),
      }, { transposeA: true }),
    { field: "a.rank" },
  );
});

Deno.test("matmul() applies its activation, and names one that is none", async () => {
  const a = t([1, 2], [1, -3]);
  const b = t([2, 1], [2, 1]);
  const { c } = await run(matmul, { a, b, bias: t([1], [-4]) }, { activation: "relu" });
  assert.deepEqual([...c!.data], [0]);
  await assert.rejects(
    () => run(matmul, { a, b }, { activation: "none" }),
    { field: "activation" },
  );
});

/**
 * Sizes with edges in every tile and in its steps, operands turned and not; the laws' cases have the
 * others. Two programs a tile, since software drivers take a second to compile the larger ones.
 */
const FORMS = [
  { m: 131, n: 66, k: 35, transposeA: false, transposeB: true },
  { m: 132, n: 260, k: 37, transposeA: true, transposeB: false },
] as const;

for (const [name, tile] of Object.entries(TILES)) {
  gpuTest(`matmul() in tiles "${name}" is the twin, however its operands lie`, async (gpu) => {
    for (const form of FORMS) {
      const { m, n, k, transposeA, transposeB } = form;
      const cut = { tile, parts: 1, kOfPart: Math.ceil(k / tile.STEPS) * tile.STEPS };
      const names = { a: "a", b: "b", target: "c" };
      const launch = () => multiplyPlan({ pairs: 2, ...form }, names, { cut }, gpu.limits);
      const random = seedRandom(m + k);
      const inputs = {
        a: drawn(transposeA ? [2, k, m] : [2, m, k], random),
        b: drawn(transposeB ? [2, n, k] : [2, k, n], random),
      };
      const params = { transposeA, transposeB };
      const { c } = runOp(gpu, { ...matmul, launch }, inputs, params);
      const expected = (await run(matmul, inputs, params))["c"]!;
      const error = relativeError((await gpu.read(c)).data, expected.data);
      assert.ok(error <= matmul.tolerance, `${m}, ${n}, ${k}: off by ${error}`);
      gpu.free(c);
    }
  });
}

Deno.test("cutOf() splits long inner axes of few outputs, and keeps tiles within limits", () => {
  const plain = { pairs: 1, transposeA: false, transposeB: false };
  const training = { ...plain, m: 1024, n: 256, k: 65_536 };
  const cut = cutOf(training, false, DEFAULT_LIMITS);
  assert.ok(cut.parts > 1 && cut.parts * cut.kOfPart >= training.k);
  assert.equal(cutOf(training, true, DEFAULT_LIMITS).parts, 1);
  for (const [m, n, k] of [[1, 1, 1], [4096, 4096, 4096], [65_536, 48, 512], [1 << 22, 1, 8]]) {
    const { tile } = cutOf({ ...plain, m: m!, n: n!, k: k! }, false, DEFAULT_LIMITS);
    assert.ok(4 * tile.STEPS * (tile.ROWS + tile.COLUMNS) <= DEFAULT_LIMITS.workgroupBytesMax);
    assert.ok(Math.ceil(m! / tile.ROWS) <= DEFAULT_LIMITS.workgroupsPerAxisMax);
  }
});

Deno.test("cutOf() names the limit that a product's rows are beyond", () => {
  const product = { pairs: 1, m: 10_000_000, n: 1, k: 4, transposeA: false, transposeB: false };
  assert.throws(() => cutOf(product, false, DEFAULT_LIMITS), { name: "LimitError" });
});
