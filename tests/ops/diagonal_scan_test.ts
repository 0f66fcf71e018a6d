import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { leftHalfPlane, normal, uniform } from "../../src/ops/_helpers/cases.ts";
import { diagonalScan } from "../../src/ops/diagonal_scan.ts";
import { complexAffine, scanChunked } from "../../src/ssm/monoid.ts";
import { asDtype, type Tensor } from "../../src/tensor/tensor.ts";
import { DEFAULT_LIMITS, distance, filled, run, steps, t } from "./_run.ts";

const random = seedRandom(13);
const f64 = (tensor: Tensor) => asDtype(tensor, "f64");
const LENGTH = 21;
const v = f64(normal(random, [2, LENGTH, 3, 2]));
const A = f64(leftHalfPlane(random, [3], 2, 4));
const dt = f64(uniform(random, [2, LENGTH, 3], 0.01, 1));
const params = { variant: "perStep" } as const;

Deno.test("diagonalScan() goes on from a carried state", async () => {
  const whole = await run(diagonalScan, { v, A, dt }, params);
  const cut = (from: number, to: number) => ({
    v: steps(v, from, to),
    dt: steps(dt, from, to),
  });
  const first = await run(diagonalScan, { A, ...cut(0, 9) }, params);
  const rest = await run(diagonalScan, { A, ...cut(9, LENGTH), x0: first.state! }, params);
  // The same additions in the same order.
  assert.ok(distance(rest.x!.data, steps(whole.x!, 9, LENGTH).data) < 1e-13);
  assert.ok(distance(rest.state!.data, whole.state!.data) < 1e-13);
});

Deno.test("diagonalScan() in reverse is the scan of the reversed samples", async () => {
  const mirrored = (x: Tensor, width: number) =>
    filled(x.shape, (i) => {
      const k = Math.floor(i / width) % LENGTH;
      return x.data[i + (LENGTH - 1 - 2 * k) * width]!;
    });
  const back = await run(diagonalScan, { v, A, dt }, { ...params, reverse: true });
  const turned = { v: mirrored(v, 6), A, dt: mirrored(dt, 3) };
  const forth = await run(diagonalScan, turned, params);
  assert.deepEqual(mirrored(forth.x!, 6).data, back.x!.data);
  assert.deepEqual(forth.state!.data, back.state!.data);
});

Deno.test("diagonalScan() is the scan of the complex affine monoid", async () => {
  const Abar = t([1, 2], [0.9, 0.2]);
  const drive = steps(v, 0, LENGTH);
  const { x } = await run(diagonalScan, {
    v: filled([1, LENGTH, 1, 2], (i) => drive.data[Math.floor(i / 2) * 6 + (i % 2)]!),
    A: Abar,
  }, { variant: "lti" });
  const maps = Array.from({ length: LENGTH }, (_, k) => ({
    aRe: 0.9,
    aIm: 0.2,
    bRe: drive.data[k * 6]!,
    bIm: drive.data[k * 6 + 1]!,
  }));
  scanChunked(complexAffine, maps, 4).forEach(({ bRe, bIm }, k) => {
    assert.ok(Math.hypot(bRe - x!.data[2 * k]!, bIm - x!.data[2 * k + 1]!) < 1e-13);
  });
});

Deno.test("diagonalScan() names the axis or the parameter at fault", async () => {
  const fails = (inputs: Record<string, Tensor>, given: object, error: object) =>
    assert.rejects(() => run(diagonalScan, inputs, given), error);
  await fails({ v, A: filled([2, 2], () => 0) }, { variant: "lti" }, { axis: "A.state" });
  await fails({ v, A }, params, { field: "dt" });
  await fails({ v, A, dt }, { variant: "lti" }, { field: "dt" });
  await fails({ v, A, dt: filled([2, 5, 3], () => 1) }, params, { axis: "dt.length" });
});

Deno.test("diagonalScan() spreads rows over two axes where one is too short", () => {
  const shapes = { v: [131_072, 1, 96, 2], A: [96, 2] };
  const given = { variant: "lti" } as const;
  for (const way of [diagonalScan, diagonalScan.backward!]) {
    for (const { entry, workgroups } of way.launch(shapes, given, DEFAULT_LIMITS).passes) {
      assert.ok(workgroups.every((count) => count <= DEFAULT_LIMITS.workgroupsPerAxisMax), entry);
      if (!entry.endsWith("_chunks") && !entry.endsWith("_flows")) continue;
      const [across, chunks, layers] = workgroups;
      assert.equal(chunks, 1, entry);
      assert.ok(across * layers * 64 >= 131_072 * 96, entry);
      assert.ok(layers > 1, entry);
    }
  }
});
