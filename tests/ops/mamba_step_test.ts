import assert from "node:assert/strict";
import { InvalidValueError, ShapeError } from "../../src/base/errors.ts";
import { openCpu } from "../../src/device/cpu.ts";
import { openScope } from "../../src/device/scope.ts";
import { mambaStepPlan, type MambaTiles } from "../../src/ops/_helpers/mamba_step_plan.ts";
import { canStepFused, mambaStep, packMambaWeights } from "../../src/ops/mamba_step.ts";
import { runOp } from "../../src/ops/run.ts";
import { caseInputs, relativeError } from "../../src/ops/self_check.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { DEFAULT_LIMITS, filled, run } from "./_run.ts";

const SIZES = { feature: 4, inner: 8, state: 4, width: 3, rank: 2, bias: false };

function partsOf({ feature, inner, state, width, rank } = SIZES) {
  return {
    inProj: filled([2 * inner, feature], (i) => i),
    convWeight: filled([inner, width], (i) => i),
    convBias: filled([inner], (i) => i),
    xProj: filled([rank + 2 * state, inner], (i) => i),
    dtProj: filled([inner, rank], (i) => i),
    dtBias: filled([inner], (i) => 100 + i),
    logA: filled([inner, state], () => 0),
    D: filled([inner], (i) => 200 + i),
    outProj: filled([feature, inner], (i) => i),
  };
}

Deno.test("packMambaWeights() puts four inputs of a column together, columns side by side", () => {
  const normWeight = filled([4], (i) => i + 1);
  const packed = packMambaWeights(SIZES, { ...partsOf(), normWeight });
  // Column 1 of inProj, times the norm's weight.
  assert.deepEqual([...packed.subarray(4, 8)], [4, 10, 18, 28]);
  const taps = 4 * 16;
  assert.deepEqual([...packed.subarray(taps + 4, taps + 8)], [3, 4, 5, 0]);
  const lane = taps + 4 * 8;
  assert.deepEqual([...packed.subarray(lane + 4, lane + 8)], [1, 101, 201, 0]);
  const A = lane + 2 * 4 * 8;
  assert.deepEqual([...packed.subarray(A, A + 4)], new Array(4).fill(-Math.LOG2E));
  // Two columns of the rank, two of padding, then B: row 2 of xProj.
  const xProj = A + 4 * 8;
  assert.deepEqual([...packed.subarray(xProj + 8, xProj + 20)], [
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    16,
    17,
    18,
    19,
  ]);
});

Deno.test("packMambaWeights() refuses a parameter of another shape", () => {
  const parts = { ...partsOf(), D: filled([7], () => 0) };
  assert.throws(() => packMambaWeights(SIZES, parts), new ShapeError("D.feature", 8, 7));
});

Deno.test("mambaStep() refuses sizes that fill no vector, and rows without their fields", async () => {
  const [testCase] = mambaStep.cases;
  const inputs = caseInputs(testCase!, "f64");
  const change = (params: Record<string, unknown>) =>
    run(mambaStep, inputs, { ...testCase!.params, ...params });
  await assert.rejects(
    () => change({ inner: 6 }),
    new InvalidValueError("inner", 6, "a multiple of 4"),
  );
  await assert.rejects(() => change({ width: 0 }), /width is "0"/);
  await assert.rejects(() => change({ eps: 0 }), /eps is "0"/);
  const rows = filled([inputs["x"]!.shape[0]!, 2], () => 0);
  await assert.rejects(
    () => run(mambaStep, { ...inputs, rows }, testCase!.params),
    new InvalidValueError("rows.field", 2, "at least 3"),
  );
});

Deno.test("canStepFused() knows what a workgroup holds", () => {
  const wide = { ...SIZES, feature: 128, inner: 256 };
  assert.equal(canStepFused(wide, DEFAULT_LIMITS), true);
  assert.equal(canStepFused({ ...wide, inner: 512 }, DEFAULT_LIMITS), false);
  assert.equal(canStepFused({ ...wide, inner: 254 }, DEFAULT_LIMITS), false);
  assert.equal(canStepFused(wide, { ...DEFAULT_LIMITS, workgroupBytesMax: 1024 }), false);
});

/** Tiles beyond those that the size of a run leads to. */
const TILES: readonly MambaTiles[] = [
  { streams: 4, split: 1, chunk: 4, slices: 2 },
  { streams: 4, split: 2, chunk: 1, slices: 4 },
  { streams: 2, split: 2, chunk: 1, slices: 1 },
  { streams: 8, split: 2, chunk: 2, slices: 4 },
  { streams: 8, split: 4, chunk: 1, slices: 2 },
];

for (const tiles of TILES) {
  const name = Object.entries(tiles).map(([key, value]) => `${key} ${value}`).join(", ");
  gpuTest(`mambaStep() on the GPU is the twin with ${name}`, async (gpu) => {
    const forced = {
      ...mambaStep,
      launch: (shapes, params, limits) => {
        const run = { batch: shapes.x[0]!, rows: shapes.state[0]!, fields: shapes.rows[1]! };
        return mambaStepPlan(run, params, limits, tiles);
      },
    } satisfies typeof mambaStep;
    const cpu = openCpu({ simd: false });
    for (const testCase of mambaStep.cases.slice(0, 3)) {
      const scope = openScope(gpu);
      const exact = runOp(cpu, mambaStep, caseInputs(testCase, "f64") as any, testCase.params);
      const made = runOp(scope, forced, caseInputs(testCase, "f32") as any, testCase.params);
      for (const output of mambaStep.outputs) {
        const [actual, expected] = [await scope.read(made[output]), await cpu.read(exact[output])];
        const error = relativeError(actual.data, expected.data);
        assert.ok(error <= mambaStep.tolerance, `${testCase.name}: ${output} is off by ${error}`);
      }
      scope.release();
    }
    assert.deepEqual(takeFaults(), []);
  });
}
