import assert from "node:assert/strict";
import fc from "fast-check";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/cpu.ts";
import type { WebGpuDevice } from "../../src/device/webgpu.ts";
import { kalmanFilterCases, sizedKalmanCase } from "../../src/ops/_helpers/kalman_cases.ts";
import { kalmanFilter } from "../../src/ops/kalman_filter.ts";
import { runBackward, runOp } from "../../src/ops/run.ts";
import { caseInputs, relativeError } from "../../src/ops/self_check.ts";
import { multiply, transpose } from "../../src/ssm/dense.ts";
import { kalmanFilter as covarianceFilter } from "../../src/ssm/kalman.ts";
import { kalmanScore } from "../../src/ssm/kalman_score.ts";
import type { KalmanSystem } from "../../src/ssm/kalman_system.ts";
import { asDtype, type FloatArray, type Tensor } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { DEFAULT_LIMITS, distance, filled, run, steps, t } from "./_run.ts";

/** Another order of f64 operations on matrices of condition below 1e4. */
const CLOSE = 1e-11;

const params = { start: "filtered" } as const;
const varied = caseInputs(
  kalmanFilterCases.find(({ name }) => name.includes("everything varies"))!,
  "f64",
);

Deno.test("kalmanFilter() goes on from a carried belief", async () => {
  const whole = await run(kalmanFilter, varied, params);
  const [batch = 0, length = 0, state = 0] = whole["mean"]!.shape;
  const part = (from: number, to: number) =>
    Object.fromEntries(
      Object.entries(varied).map(([name, tensor]) => [
        name,
        name.startsWith("start") ? tensor : steps(tensor, from, to),
      ]),
    );
  fc.assert(
    await fc.asyncProperty(fc.integer({ min: 1, max: length - 1 }), async (cut) => {
      const first = await run(kalmanFilter, part(0, cut), params);
      const last = (name: string, shape: number[]) =>
        t(shape, steps(first[name]!, cut - 1, cut).data);
      const second = await run(kalmanFilter, {
        ...part(cut, length),
        startMean: last("mean", [batch, state]),
        startFactor: last("factor", [batch, state, state]),
      }, params);
      for (const name of kalmanFilter.outputs) {
        // The same operations on the same numbers.
        assert.deepEqual(second[name]!.data, steps(whole[name]!, cut, length).data);
      }
    }),
    { numRuns: 5 },
  );
});

Deno.test("kalmanFilter() filters each stream of a batch by itself", async () => {
  const whole = await run(kalmanFilter, varied, params);
  const row = (tensor: Tensor, b: number) => {
    const size = tensor.data.length / tensor.shape[0]!;
    return t([1, ...tensor.shape.slice(1)], tensor.data.slice(b * size, (b + 1) * size));
  };
  for (const b of [0, 1]) {
    const inputs = Object.fromEntries(
      Object.entries(varied).map(([name, tensor]) => [name, row(tensor, b)]),
    );
    const alone = await run(kalmanFilter, inputs, params);
    for (const name of kalmanFilter.outputs) {
      assert.deepEqual(alone[name]!.data, row(whole[name]!, b).data);
    }
  }
});

/** A case as the model of `src/ssm`, whose slices lead from their sample to the next. */
function systemOf(inputs: Record<string, Tensor>): { system: KalmanSystem; y: Float64Array } {
  const state = inputs["A"]!.shape.at(-1)!;
  const noise = inputs["processFactor"]!.shape.at(-1)!;
  const observed = inputs["C"]!.shape.at(-2)!;
  const square = (factor: Float64Array) =>
    multiply(factor, transpose(factor, observed, observed), observed, observed, observed);
  const data = (name: string) => Float64Array.from(inputs[name]!.data);
  const eye = (size: number) =>
    Float64Array.from({ length: size ** 2 }, (_, i) => i % (size + 1) === 0 ? 1 : 0);
  const y = data("y").map((value, i) => inputs["mask"]?.data[i] === 0 ? NaN : value);
  return {
    y: y as Float64Array,
    system: {
      sizes: { state, observed, noise },
      A: data("A"),
      C: data("C"),
      G: data("processFactor"),
      processCov: eye(noise),
      observationCov: square(data("observationFactor")),
    },
  };
}

Deno.test("kalmanFilter() and its gradient are those of the covariance form", async () => {
  const sized = caseInputs(sizedKalmanCase(140 * 60), "f64");
  const { system, y } = systemOf(sized);
  const { state, observed, noise } = system.sizes;
  const root = Float64Array.from(sized["startFactor"]!.data);
  const start = {
    mean: Float64Array.from(sized["startMean"]!.data),
    cov: multiply(root, transpose(root, state, state), state, state, state),
  };
  const filtered = covarianceFilter(system, start, y);
  const op = await run(kalmanFilter, sized, { start: "predicted" });
  assert.ok(distance(op["mean"]!.data, filtered.filteredMean) < CLOSE);
  assert.ok(distance(op["forecast"]!.data, filtered.forecast) < CLOSE);
  assert.ok(distance(op["forecastCov"]!.data, filtered.innovationCov) < CLOSE);
  assert.ok(distance(op["logLik"]!.data, filtered.logLik) < CLOSE);
  const score = kalmanScore(system, filtered, y);
  const gradients = logLikGradients(sized, op, "predicted");
  // dL/dW = 2·(dL/dQ)·W, and likewise for every factor.
  const twice = (cov: Float64Array, factor: ArrayLike<number>, size: number, cols: number) =>
    multiply(cov, Float64Array.from(factor), size, size, cols).map((value) => 2 * value);
  const Q = filteredNoise(score.G, noise, state);
  assert.ok(distance(gradients["gradA"]!, score.A) < 1e-9);
  assert.ok(distance(gradients["gradC"]!, score.C) < 1e-9);
  assert.ok(distance(gradients["gradProcessFactor"]!, Q) < 1e-9);
  const V = sized["observationFactor"]!.data;
  const ofV = twice(score.observationCov, V, observed, observed);
  assert.ok(distance(gradients["gradObservationFactor"]!, ofV) < 1e-9);
  assert.ok(distance(gradients["gradStartMean"]!, score.startMean) < 1e-9);
  const ofStart = twice(score.startCov, root, state, state);
  assert.ok(distance(gradients["gradStartFactor"]!, ofStart) < 1e-9);
  assert.ok(distance(gradients["gradY"]!, score.observations) < 1e-9);
});

/** With processCov = I the gradient by G is the one by the factor. */
function filteredNoise(ofG: Float64Array, noise: number, state: number): Float64Array {
  assert.equal(ofG.length, noise * state);
  return ofG;
}

/** Gradients of the summed log likelihood. */
function logLikGradients(
  inputs: Record<string, Tensor>,
  outputs: Record<string, Tensor>,
  start: "filtered" | "predicted",
): Record<string, FloatArray> {
  const cpu = openCpu();
  const { given, shapes } = backwardInputs(inputs, outputs);
  const gradients = runBackward(cpu, kalmanFilter, given, shapes, { start });
  return Object.fromEntries(
    Object.entries(gradients).map(([name, tensor]) => [name, cpu.dataOf(tensor)]),
  );
}

/** The same on a GPU, in f32. */
async function logLikGradientsOn(
  gpu: WebGpuDevice,
  inputs: Record<string, Tensor>,
  outputs: Record<string, Tensor>,
  start: "filtered" | "predicted",
): Promise<Record<string, FloatArray>> {
  const { given, shapes } = backwardInputs(inputs, outputs);
  const single = Object.fromEntries(
    Object.entries(given).map(([name, tensor]) => [name, asDtype(tensor, "f32")]),
  );
  const gradients = runBackward(gpu, kalmanFilter, single, shapes, { start });
  const read: Record<string, FloatArray> = {};
  for (const [name, tensor] of Object.entries(gradients)) {
    read[name] = (await gpu.read(tensor)).data;
    gpu.free(tensor);
  }
  return read;
}

function backwardInputs(inputs: Record<string, Tensor>, outputs: Record<string, Tensor>) {
  const seeds = Object.fromEntries(kalmanFilter.outputs.map((name) => {
    const grad = `grad${name[0]!.toUpperCase()}${name.slice(1)}`;
    return [grad, filled(outputs[name]!.shape, () => name === "logLik" ? 1 : 0)];
  }));
  const { mean, factor } = outputs as { mean: Tensor; factor: Tensor };
  return {
    given: { ...inputs, mean, factor, ...seeds },
    shapes: Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape])),
  };
}

/**
 * A slope observed through its integral with noise of 1e-3 from a start of 1e3: the variances of a
 * belief lie 12 orders apart, its factor's 6.
 */
function illConditioned(): Record<string, Tensor> {
  const length = 200;
  const random = seedRandom(4);
  let [level, slope] = [0.5, 0.01];
  const values = Array.from({ length }, () => {
    level += slope;
    slope += 1e-3 * nextNormal(random);
    return Math.fround(level + 1e-3 * nextNormal(random));
  });
  return {
    y: t([1, length, 1], values),
    A: t([2, 2], [1, 1, 0, 1]),
    C: t([1, 2], [1, 0]),
    processFactor: t([2, 1], [0, Math.fround(1e-3)]),
    observationFactor: t([1, 1], [Math.fround(1e-3)]),
    startMean: t([1, 2], [0, 0]),
    startFactor: t([1, 2, 2], [1e3, 0, 0, 1e3]),
  };
}

/** The same filter on covariances, every operation rounded to f32. */
function covarianceFilterInF32(inputs: Record<string, Tensor>): number[] {
  const f = Math.fround;
  const R = f(inputs["observationFactor"]!.data[0]! ** 2);
  const Q = f(inputs["processFactor"]!.data[1]! ** 2);
  let [p00, p01, p11] = [1e6, 0, 1e6];
  return Array.from({ length: inputs["y"]!.shape[1]! }, () => {
    p00 = f(f(p00 + f(2 * p01)) + p11);
    p01 = f(p01 + p11);
    p11 = f(p11 + Q);
    const S = f(p00 + R);
    const [k0, k1] = [f(p00 / S), f(p01 / S)];
    p11 = f(p11 - f(k1 * p01));
    p01 = f(p01 - f(k1 * p00));
    p00 = f(p00 - f(k0 * p00));
    return f(p00 * p11) - f(p01 * p01) < 0 || p00 <= 0 || p11 <= 0 ? -1 : 1;
  });
}

gpuTest("kalmanFilter() in f32 keeps covariances that the plain form loses", async (gpu) => {
  const inputs = illConditioned();
  // The plain form in f32 leaves the positive semidefinite matrices.
  assert.ok(covarianceFilterInF32(inputs).some((sign) => sign < 0));
  const exact = await run(kalmanFilter, inputs, params);
  const single = await onGpu(gpu, inputs);
  for (let k = 0; k < 200; k++) {
    const [a = 0, , b = 0, c = 0] = single["factor"]!.data.slice(4 * k, 4 * k + 4);
    const [d = 0, , e = 0, g = 0] = exact["factor"]!.data.slice(4 * k, 4 * k + 4);
    // A triangular factor with a positive diagonal is a positive definite covariance.
    assert.ok(a > 0 && c > 0, `sample ${k}`);
    const off = Math.max(
      Math.abs(a / d - 1),
      Math.abs(c / g - 1),
      Math.abs(b - e) / (Math.abs(e) + g),
    );
    assert.ok(off < (k < FORGOTTEN ? START_CLOSE : FACTOR_CLOSE), `sample ${k}: ${off}`);
    if (k < FORGOTTEN) continue;
    const likelihood = Math.abs(single["logLik"]!.data[k]! - exact["logLik"]!.data[k]!);
    assert.ok(likelihood < LIKELIHOOD_CLOSE, `log likelihood ${k}: ${likelihood}`);
  }
  assert.deepEqual(takeFaults(), []);
});

/** Samples after which the start is forgotten: the filter's slower mode halves at each. */
const FORGOTTEN = 24;
/** A pivot of 1e-3 is what reflections leave of a row of 1e3: 6e-8 · 1e6, a few times. */
const START_CLOSE = 0.25;
/** Then the belief's pivots are alike, and some tens of roundings of 6e-8 remain. */
const FACTOR_CLOSE = 2e-6;
/** Values near 4 round to 2e-7 in f32, 2e-4 of their deviation of 1e-3; its square counts. */
const LIKELIHOOD_CLOSE = 5e-3;

async function onGpu(
  gpu: WebGpuDevice,
  inputs: Record<string, Tensor>,
  start: "filtered" | "predicted" = "filtered",
): Promise<Record<string, Tensor>> {
  const single = Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => [name, asDtype(tensor, "f32")]),
  ) as Parameters<typeof runOp<typeof params, any, any, any>>[2];
  const outputs = runOp(gpu, kalmanFilter, single as any, { start });
  const read: Record<string, Tensor> = {};
  for (const name of kalmanFilter.outputs) {
    read[name] = await gpu.read(outputs[name]);
    gpu.free(outputs[name]);
  }
  return read;
}

/**
 * Series without observation noise, of three chunks and some. A chunk's first samples follow from
 * the belief before it: at once where the step adds no noise to what is seen (the trend's level),
 * or where nothing leads to the sample (the first of all). A strong slope moves with the level: to
 * tell it from what was seen doubles at each sample what was not known of it.
 */
function noiseless(model: (typeof NOISELESS)[number]) {
  const random = seedRandom(6);
  const state = model === "random walk" ? 1 : 2;
  const observed = model === "one sure channel" ? 2 : 1;
  const length = 197;
  const shape = [2, length, observed];
  return {
    y: filled(shape, () => Math.fround(nextNormal(random))),
    // The first sample of all is there, a fifth of the others is missing.
    ...(observed === 2 && { mask: filled(shape, (i) => i % 11 === 4 || i % 10 === 9 ? 0 : 1) }),
    A: state === 1 ? t([1, 1], [1]) : t([2, 2], [1, 0.5, 0, 1]),
    C: t([observed, state], state === 1 ? [1] : [1, 0, 0.5, 1].slice(0, 2 * observed)),
    processFactor: state === 1
      ? t([1, 1], [0.5])
      : t([2, 1], model === "strong slope" ? [0.25, 1.5] : [0, 0.25]),
    observationFactor: t([observed, observed], observed === 1 ? [0] : [0, 0, 0, 0.75]),
    startMean: filled([2, state], () => 0.5),
    startFactor: filled(
      [2, state, state],
      (i) => i % state === Math.floor(i / state) % state ? 1 : 0,
    ),
  };
}

const NOISELESS = ["random walk", "random trend", "strong slope", "one sure channel"] as const;

for (const model of NOISELESS) {
  gpuTest(`kalmanFilter() on a GPU takes series without noise: ${model}`, async (gpu) => {
    const inputs: Record<string, Tensor> = noiseless(model);
    for (const start of ["predicted", "filtered"] as const) {
      const exact = await run(kalmanFilter, inputs, { start });
      const single = await onGpu(gpu, inputs, start);
      for (const name of kalmanFilter.outputs) {
        // A singular covariance has many triangular factors, so these are compared as covariances.
        const of = name === "factor" ? squares : ({ data }: Tensor) => data;
        // What is seen without noise is known exactly: of the covariance that was expected nothing
        // is left, or what rounding it leaves.
        const size = name === "factor" ? Math.max(...exact["forecastCov"]!.data) : 0;
        const [got, wanted] = [single, exact].map((one) => [...of(one[name]!), size]);
        const error = relativeError(Float64Array.from(got!), Float64Array.from(wanted!));
        assert.ok(error <= kalmanFilter.tolerance, `${start}, ${name} is off by ${error}`);
      }
      const expected = logLikGradients(inputs, exact, start);
      const gradients = await logLikGradientsOn(gpu, inputs, single, start);
      for (const [name, gradient] of Object.entries(expected)) {
        const error = relativeError(gradients[name]!, gradient);
        assert.ok(error <= kalmanFilter.backward!.tolerance, `${start}, ${name}: ${error}`);
      }
    }
    assert.deepEqual(takeFaults(), []);
  });
}

Deno.test("kalmanFilter() without noise is the covariance form", async () => {
  for (const model of NOISELESS.slice(0, 3)) {
    const inputs: Record<string, Tensor> = noiseless(model);
    const first = Object.fromEntries(
      Object.entries(inputs).map(([name, tensor]) => [
        name,
        ["y", "startMean", "startFactor"].includes(name) ? firstOf(tensor) : tensor,
      ]),
    );
    const op = await run(kalmanFilter, first, { start: "predicted" });
    const { system, y } = systemOf(first);
    const { state } = system.sizes;
    const cov = Float64Array.from(first["startFactor"]!.data);
    const start = { mean: Float64Array.from(first["startMean"]!.data), cov };
    const filtered = covarianceFilter(system, start, y);
    assert.ok(distance(op["mean"]!.data, filtered.filteredMean) < CLOSE);
    assert.ok(distance(op["forecastCov"]!.data, filtered.innovationCov) < CLOSE);
    assert.ok(distance(op["logLik"]!.data, filtered.logLik) < CLOSE);
    const score = kalmanScore(system, filtered, y);
    const gradients = logLikGradients(first, op, "predicted");
    assert.ok(distance(gradients["gradA"]!, score.A) < 1e-9 * (1 + state));
    assert.ok(distance(gradients["gradProcessFactor"]!, score.G) < 1e-7);
    assert.ok(distance(gradients["gradY"]!, score.observations) < 1e-9);
    // The gradient by a factor of 0 is 0.
    assert.deepEqual([...gradients["gradObservationFactor"]! as Float64Array], [0]);
  }
});

/** factor·factorᵀ of each sample. */
function squares({ shape, data }: Tensor): FloatArray {
  const state = shape.at(-1)!;
  return Float64Array.from(data, (_, at) => {
    const [base, i, j] = [at - at % state ** 2, Math.floor(at / state) % state, at % state];
    let sum = 0;
    for (let k = 0; k < state; k++) {
      sum += data[base + i * state + k]! * data[base + j * state + k]!;
    }
    return sum;
  });
}

/** The first stream of a batch. */
function firstOf(tensor: Tensor): Tensor {
  const [batch = 1, ...rest] = tensor.shape;
  return t([1, ...rest], tensor.data.slice(0, tensor.data.length / batch));
}

gpuTest("kalmanFilter() on a GPU filters six states", async (gpu) => {
  const random = seedRandom(8);
  const state = 6;
  const inputs = {
    y: filled([2, 70, 1], () => Math.fround(nextNormal(random))),
    A: filled([state, state], (i) => Math.fround(i % 7 === 0 ? 0.8 : 0.1 * nextNormal(random))),
    C: filled([1, state], () => Math.fround(nextNormal(random))),
    processFactor: filled([state, 1], () => Math.fround(nextNormal(random))),
    observationFactor: t([1, 1], [1]),
    startMean: filled([2, state], () => 0),
    startFactor: filled(
      [2, state, state],
      (i) => i % state === Math.floor(i / state) % state ? 1 : 0,
    ),
  };
  const exact = await run(kalmanFilter, inputs, params);
  const single = await onGpu(gpu, inputs);
  for (const name of kalmanFilter.outputs) {
    const error = relativeError(single[name]!.data, exact[name]!.data);
    assert.ok(error <= kalmanFilter.tolerance, `${name} is off by ${error}`);
  }
  assert.deepEqual(takeFaults(), []);
});

Deno.test("kalmanFilter() names the size that its shaders do not hold", () => {
  const shapes = (state: number, observed: number) => ({
    y: [1, 3, observed],
    A: [state, state],
    C: [observed, state],
    processFactor: [state, 1],
    observationFactor: [observed, observed],
    startMean: [1, state],
    startFactor: [1, state, state],
  });
  const states = { field: "A.state", message: /at most 8 on a GPU/ };
  assert.throws(() => kalmanFilter.launch(shapes(9, 1), params, DEFAULT_LIMITS), states);
  const channels = { field: "C.observed", message: /at most 4 on a GPU/ };
  assert.throws(() => kalmanFilter.launch(shapes(2, 5), params, DEFAULT_LIMITS), channels);
  const gradients = { field: "A.state", message: /at most 6 on a GPU/ };
  assert.throws(
    () => kalmanFilter.backward!.launch(shapes(7, 1), params, DEFAULT_LIMITS),
    gradients,
  );
  for (const plan of [kalmanFilter.launch, kalmanFilter.backward!.launch]) {
    for (const pass of plan(shapes(6, 4), params, DEFAULT_LIMITS).passes) {
      assert.ok(pass.bindings.length <= DEFAULT_LIMITS.storageBuffersMax, pass.entry);
    }
  }
});

Deno.test("kalmanFilter() names the axis at fault", async () => {
  const refuses = (change: Record<string, Tensor>, axis: string) =>
    assert.rejects(() => run(kalmanFilter, { ...varied, ...change }, params), { axis });
  await refuses({ C: filled([2, 4], () => 1) }, "C.state");
  await refuses({ processFactor: filled([5, 3, 2], () => 1) }, "processFactor.batch");
  await refuses({ startFactor: filled([2, 3], () => 1) }, "rank of startFactor");
  await refuses({ mask: filled([2, 197, 1], () => 1) }, "mask.observed");
});
