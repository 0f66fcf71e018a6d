import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { sizedKalmanCase } from "../../src/ops/_helpers/kalman_cases.ts";
import { kalmanFilter } from "../../src/ops/kalman_filter.ts";
import { kalmanSmoother } from "../../src/ops/kalman_smoother.ts";
import type { DeviceTensor } from "../../src/device/device.ts";
import { openScope } from "../../src/device/scope.ts";
import { isRolled } from "../../src/ops/_helpers/kalman_model.ts";
import type { AnyOp, Pass } from "../../src/ops/op.ts";
import { runOp } from "../../src/ops/run.ts";
import { caseInputs, relativeError } from "../../src/ops/self_check.ts";
import { multiply, transpose } from "../../src/ssm/dense.ts";
import { kalmanFilter as covarianceFilter } from "../../src/ssm/kalman.ts";
import { kalmanSmoother as covarianceSmoother } from "../../src/ssm/kalman_smoother.ts";
import { asDtype, type Tensor } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { DEFAULT_LIMITS, distance, filled, run, t } from "./_run.ts";

/** A stable model of some states, and drawn observations of its first. */
function drawnModel(batch: number, length: number, state: number) {
  const random = seedRandom(11);
  const draw = (shape: readonly number[], scale: number) =>
    filled(shape, () => Math.fround(scale * nextNormal(random)));
  const unit = (scale: number) => (i: number) => i % (state + 1) === 0 ? scale : 0;
  const within = (i: number) => i % state ** 2;
  return {
    y: draw([batch, length, 1], 1),
    A: filled([state, state], (i) => unit(0.9)(i) + (i % (state + 1) === 1 ? 0.3 : 0)),
    C: filled([1, state], (i) => i === 0 ? 1 : 0.2),
    processFactor: filled([state, state], unit(0.4)),
    observationFactor: filled([1, 1], () => 0.5),
    startMean: draw([batch, state], 1),
    startFactor: filled([batch, state, state], (i) => unit(1)(within(i))),
  };
}

/** Two smoothers of another form on matrices of condition below 1e4, in f64. */
const CLOSE = 1e-10;

function square(factor: ArrayLike<number>, size: number): Float64Array {
  const root = Float64Array.from(factor);
  return multiply(root, transpose(root, size, size), size, size, size);
}

/** Filters and smooths on the CPU in f64. */
async function smooth(inputs: Record<string, Tensor>, start: "filtered" | "predicted") {
  const filtered = await run(kalmanFilter, inputs, { start });
  const given = {
    mean: filtered["mean"]!,
    factor: filtered["factor"]!,
    A: inputs["A"]!,
    processFactor: inputs["processFactor"]!,
    ...(inputs["stateIntercept"] && { stateIntercept: inputs["stateIntercept"] }),
  };
  return { given, smoothed: await run(kalmanSmoother, given, {}) };
}

Deno.test("kalmanSmoother() is the smoother that inverts no state covariance", async () => {
  const inputs = caseInputs(sizedKalmanCase(140 * 50), "f64");
  const { smoothed } = await smooth(inputs, "predicted");
  const [n, noise, length] = [4, 2, inputs["y"]!.shape[1]!];
  const data = (name: string) => Float64Array.from(inputs[name]!.data);
  const y = data("y").map((value, i) => inputs["mask"]!.data[i] === 0 ? NaN : value);
  const system = {
    sizes: { state: n, observed: 1, noise },
    A: data("A"),
    C: data("C"),
    G: data("processFactor"),
    processCov: Float64Array.of(1, 0, 0, 1),
    observationCov: square(inputs["observationFactor"]!.data, 1),
  };
  const start = { mean: data("startMean"), cov: square(inputs["startFactor"]!.data, n) };
  const filtered = covarianceFilter(system, start, y as Float64Array);
  const expected = covarianceSmoother(system, filtered, y as Float64Array);
  assert.ok(distance(smoothed["smoothedMean"]!.data, expected.mean) < CLOSE);
  for (let k = 0; k < length; k++) {
    const factor = smoothed["smoothedFactor"]!.data.slice(k * n * n, (k + 1) * n * n);
    const cov = expected.cov.slice(k * n * n, (k + 1) * n * n);
    assert.ok(distance(square(factor, n), cov) < CLOSE, `sample ${k}`);
  }
});

Deno.test("kalmanSmoother() leaves the last sample as it was filtered", async () => {
  const { given, smoothed } = await smooth(
    caseInputs(sizedKalmanCase(140 * 9), "f64"),
    "filtered",
  );
  const last = (tensor: Tensor) => tensor.data.slice(-tensor.data.length / 9);
  assert.deepEqual(last(smoothed["smoothedMean"]!), last(given.mean));
  // One reflection of numbers near 3 that changes nothing.
  assert.ok(distance(last(smoothed["smoothedFactor"]!), last(given.factor)) < 1e-14);
});

/** A known slope beside a random level: the slope has no variance, ever. */
function knownSlope(): Record<string, Tensor> {
  const random = seedRandom(6);
  return {
    y: filled([1, 40, 1], (i) => Math.fround(0.25 * i + nextNormal(random))),
    A: t([2, 2], [1, 1, 0, 1]),
    C: t([1, 2], [1, 0]),
    processFactor: t([2, 1], [0.5, 0]),
    observationFactor: t([1, 1], [1]),
    startMean: t([1, 2], [0, 0.25]),
    startFactor: t([1, 2, 2], [1, 0, 0, 0]),
  };
}

Deno.test("kalmanSmoother() does not regress on a state of no variance", async () => {
  const { smoothed } = await smooth(knownSlope(), "filtered");
  for (let k = 0; k < 40; k++) {
    assert.equal(smoothed["smoothedMean"]!.data[2 * k + 1], 0.25);
    const [a = 0, , b = NaN, c = NaN] = smoothed["smoothedFactor"]!.data.slice(4 * k, 4 * k + 4);
    assert.ok(a > 0);
    assert.deepEqual([b, c], [0, 0]);
  }
});

gpuTest("kalmanSmoother() in f32 keeps six orders between deviations", async (gpu) => {
  const random = seedRandom(4);
  let [level, slope] = [0.5, 0.01];
  const inputs = {
    y: filled([1, 100, 1], () => {
      level += slope;
      slope += 1e-3 * nextNormal(random);
      return Math.fround(level + 1e-3 * nextNormal(random));
    }),
    A: t([2, 2], [1, 1, 0, 1]),
    C: t([1, 2], [1, 0]),
    processFactor: t([2, 1], [0, Math.fround(1e-3)]),
    observationFactor: t([1, 1], [Math.fround(1e-3)]),
    startMean: t([1, 2], [0, 0]),
    startFactor: t([1, 2, 2], [1e3, 0, 0, 1e3]),
  };
  const { given, smoothed } = await smooth(inputs, "filtered");
  const single = Object.fromEntries(
    Object.entries(given).map(([name, tensor]) => [name, asDtype(tensor, "f32")]),
  ) as typeof given;
  const outputs = runOp(gpu, kalmanSmoother, single, {});
  const factor = (await gpu.read(outputs.smoothedFactor)).data;
  for (const output of Object.values(outputs)) gpu.free(output);
  for (let k = 0; k < 100; k++) {
    const [a = 0, , b = 0, c = 0] = factor.slice(4 * k, 4 * k + 4);
    const [d = 0, , e = 0, f = 0] = smoothed["smoothedFactor"]!.data.slice(4 * k, 4 * k + 4);
    assert.ok(a > 0 && c > 0, `sample ${k}`);
    // From filtered factors with a start of 1e3 to smoothed ones of 1e-3: 6e-8 · 1e6, at most.
    const off = Math.max(
      Math.abs(a / d - 1),
      Math.abs(c / f - 1),
      Math.abs(b - e) / (Math.abs(e) + f),
    );
    assert.ok(off < (k < 3 ? 0.06 : 1e-4), `sample ${k}: ${off}`);
  }
  assert.deepEqual(takeFaults(), []);
});

Deno.test("kalmanSmoother() names the axis at fault", async () => {
  const { given } = await smooth(caseInputs(sizedKalmanCase(140 * 9), "f64"), "filtered");
  const refuses = (change: Record<string, Tensor>, axis: string) =>
    assert.rejects(() => run(kalmanSmoother, { ...given, ...change }, {}), { axis });
  await refuses({ A: filled([4, 3], () => 1) }, "A.state");
  await refuses({ factor: filled([1, 9, 4, 3], () => 1) }, "factor.state");
  await refuses({ stateIntercept: filled([2, 4], () => 1) }, "stateIntercept.batch");
});

Deno.test("kalmanSmoother() names the size that its shaders do not hold", () => {
  const shapes = (state: number) => ({
    mean: [1, 3, state],
    factor: [1, 3, state, state],
    A: [state, state],
    processFactor: [state, 1],
    stateIntercept: [state],
  });
  const states = { field: "A.state", message: /at most 8 on a GPU/ };
  assert.throws(() => kalmanSmoother.launch(shapes(9), {}, DEFAULT_LIMITS), states);
  const gradients = { field: "A.state", message: /at most 6 on a GPU/ };
  assert.throws(() => kalmanSmoother.backward!.launch(shapes(7), {}, DEFAULT_LIMITS), gradients);
  for (const plan of [kalmanSmoother.launch, kalmanSmoother.backward!.launch]) {
    for (const pass of plan(shapes(6), {}, DEFAULT_LIMITS).passes) {
      assert.ok(pass.bindings.length <= DEFAULT_LIMITS.storageBuffersMax, pass.entry);
    }
  }
});

/** An op whose shaders leave the rows of their matrices to loops. */
function rolled<T extends typeof kalmanFilter | typeof kalmanSmoother>(op: T): T {
  const launch = (...given: Parameters<AnyOp["launch"]>) => {
    const plan = (op as AnyOp).launch(...given);
    const passes = plan.passes.map((pass: Pass) => ({
      ...pass,
      constants: { ...pass.constants, ROLLED: 1 },
    }));
    return { ...plan, passes };
  };
  return { ...op, launch };
}

gpuTest("rows of matrices in loops give what rows written out give", async (gpu) => {
  // Several chunks, so that all phases run. Three states: software takes minutes over more.
  const inputs = drawnModel(2, 300, 3);
  const scope = openScope(gpu);
  const params = { start: "filtered" } as const;
  const expected = runOp(scope, kalmanFilter, inputs, params);
  const filtered = runOp(scope, rolled(kalmanFilter), inputs, params);
  for (const name of kalmanFilter.outputs) await same(filtered[name], expected[name], name);
  const given = { ...expected, A: inputs.A, processFactor: inputs.processFactor };
  const { mean, factor, A, processFactor } = given;
  const smoothed = runOp(scope, kalmanSmoother, { mean, factor, A, processFactor }, {});
  const again = runOp(scope, rolled(kalmanSmoother), { mean, factor, A, processFactor }, {});
  for (const name of kalmanSmoother.outputs) await same(again[name], smoothed[name], name);
  scope.release();
  assert.deepEqual(takeFaults(), []);

  /** The same sums; a compiler may fuse others of their products. */
  async function same(actual: DeviceTensor, wanted: DeviceTensor, what: string): Promise<void> {
    const [a, b] = await Promise.all([scope.read(actual), scope.read(wanted)]);
    const error = relativeError(a.data, b.data);
    assert.ok(error < 2e-6, `${what} is off by ${error}`);
  }
});

Deno.test("rows are loops from 5 states on, but not for a software adapter", () => {
  const run = { batch: 1, length: 9, observed: 1, noise: 1 };
  const limits = { ...DEFAULT_LIMITS, isSoftware: false };
  assert.deepEqual([4, 5, 8].map((state) => isRolled({ ...run, state }, limits)), [0, 1, 1]);
  assert.equal(isRolled({ ...run, state: 8 }, { ...limits, isSoftware: true }), 0);
});
