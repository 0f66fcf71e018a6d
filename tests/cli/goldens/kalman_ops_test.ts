import assert from "node:assert/strict";
import { answerByOps, sizesRefused } from "../../../src/cli/goldens/kalman_ops.ts";
import { openCpu } from "../../../src/device/cpu.ts";
import { kalmanFilter } from "../../../src/ssm/kalman.ts";
import { kalmanSmoother } from "../../../src/ssm/kalman_smoother.ts";
import { exactDiffuseStart, type KalmanStart } from "../../../src/ssm/kalman_system.ts";
import type { KalmanSystem } from "../../../src/ssm/kalman_system.ts";
import { structuralSystem } from "../../../src/ssm/structural.ts";
import { gpuTest } from "../../_gpu.ts";
import { farthest, gappySeries, varyingSystem } from "../../ssm/_gaussian.ts";

const on = { device: openCpu(), dtype: "f64" } as const;

/** Another form of the same f64 computation on matrices of condition below 1e4. */
const CLOSE = 1e-10;

async function assertSame(system: KalmanSystem, start: KalmanStart, y: Float64Array) {
  const filtered = kalmanFilter(system, start, y);
  const smoothed = kalmanSmoother(system, filtered, y);
  const answer = await answerByOps(on, system, start, y);
  for (const name of ["predictedMean", "predictedCov", "gain", "logLik"] as const) {
    assert.ok(farthest(answer.filtered[name], filtered[name]) < CLOSE, name);
  }
  for (const name of Object.keys(smoothed) as (keyof typeof smoothed)[]) {
    assert.ok(farthest(answer.smoothed[name], smoothed[name]) < CLOSE, name);
  }
}

Deno.test("answerByOps() is the sequential answer, disturbances too", async () => {
  const start = { mean: Float64Array.of(1, -1), cov: Float64Array.of(2, 0.5, 0.5, 1) };
  await assertSame(varyingSystem(9), start, gappySeries(9));
});

Deno.test("answerByOps() goes on from an exact diffuse head", async () => {
  const spec = { trend: "lltrend", seasons: [{ period: 4, harmonics: 1 }] };
  const system = structuralSystem(spec, Float64Array.of(1, 0.3, 0.2, 0.1));
  const y = Float64Array.from({ length: 20 }, (_, t) => t + Math.sin(1.5 * t));
  y[2] = NaN;
  await assertSame(system, exactDiffuseStart(4), y);
});

Deno.test("answerByOps() leaves no noise to a row that has none, in f32 neither", async () => {
  const system = { ...varyingSystem(9), observationCov: Float64Array.of(0.5, 0, 0, 0) };
  const start = { mean: Float64Array.of(1, -1), cov: Float64Array.of(2, 0.5, 0.5, 1) };
  const y = gappySeries(9);
  await assertSame(system, start, y);
  const { smoothed } = await answerByOps({ ...on, dtype: "f32" }, system, start, y);
  for (let t = 0; t < 9; t++) {
    assert.equal(smoothed.observationNoise[2 * t + 1], 0);
    assert.deepEqual([...smoothed.observationNoiseCov.slice(4 * t + 1, 4 * t + 4)], [0, 0, 0]);
  }
});

gpuTest("sizesRefused() names what the shaders hold", (device) => {
  const system = varyingSystem(3);
  const large = { ...system, sizes: { ...system.sizes, state: 9 } };
  assert.equal(sizesRefused(on, large), null);
  assert.equal(sizesRefused({ device, dtype: "f32" }, system), null);
  assert.match(sizesRefused({ device, dtype: "f32" }, large)!, /^9 states .* hold 8 and 4$/);
});
