import assert from "node:assert/strict";
import { openTape } from "../../src/autodiff/tape.ts";
import { nextNormal, nextUniform, seedRandom } from "../../src/base/random.ts";
import { type Device, openCpu } from "../../src/device/mod.ts";
import { kalman, type KalmanConfig } from "../../src/layers/kalman.ts";
import { identity } from "../../src/ssm/dense.ts";
import { kalmanFilter as filterSequentially } from "../../src/ssm/kalman.ts";
import { asDtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { distance, filled } from "../ops/_run.ts";

const cpu = openCpu({ poison: true });
const CONFIG: KalmanConfig = { feature: 2, output: "level", startDeviation: 2 };
const params = kalman.init(CONFIG, seedRandom(6));

/** A layer of one feature with these deviations of level, slope and observation. */
function layerWith(deviations: readonly number[], change: Partial<KalmanConfig> = {}) {
  const config: KalmanConfig = { ...CONFIG, feature: 1, ...change };
  return { config, tensors: { logDeviation: filled([1, 3], (i) => Math.log(deviations[i]!)) } };
}

function drawn(shape: readonly number[], seed: number): Tensor {
  const random = seedRandom(seed);
  return filled(shape, () => Math.fround(nextNormal(random)));
}

function elapsedTimes(length: number): Float64Array {
  const random = seedRandom(9);
  return Float64Array.from({ length }, () => Math.fround(0.05 + 4 * nextUniform(random)));
}

/** Means and covariances of one feature by the sequential filter, in covariances. */
function sequential(u: Float64Array, scales: Float64Array, deviations: readonly number[]) {
  const [l, q, r] = deviations as [number, number, number];
  const A = (s: number) => [1, s, 0, 1];
  const Q = (s: number) => [l * l * s + q * q * s ** 3 / 3, q * q * s * s / 2, q * q * s * s / 2];
  const cov = (s: number) => [...Q(s), q * q * s];
  const [first = 1] = scales;
  // Slices lead from their sample to the next, and the start is the belief about the first.
  const next = Float64Array.from(scales, (_, k) => scales[k + 1] ?? 1);
  const variance = CONFIG.startDeviation ** 2;
  const start = [variance * (1 + first * first), variance * first, variance * first, variance];
  return filterSequentially(
    {
      sizes: { state: 2, observed: 1, noise: 2 },
      A: Float64Array.from([...next].flatMap(A)),
      C: Float64Array.of(1, 0),
      G: identity(2),
      processCov: Float64Array.from([...next].flatMap(cov)),
      observationCov: Float64Array.of(r * r),
    },
    { mean: new Float64Array(2), cov: Float64Array.from(cov(first), (v, i) => v + start[i]!) },
    u,
  );
}

Deno.test("kalman is the sequential filter in covariances, over irregular samples", () => {
  const length = 60;
  const u = drawn([1, length, 2], 3);
  const scales = elapsedTimes(length);
  const dtScale = tensorOf([1, length], scales);
  const level = cpu.dataOf(kalman.forward(cpu, params, u, { dtScale }).y);
  const other = { ...params, config: { ...CONFIG, output: "innovation" as const } };
  const { y, state } = kalman.forward(cpu, other, u, { dtScale });
  for (const d of [0, 1]) {
    const of = (data: ArrayLike<number>) =>
      Float64Array.from({ length }, (_, k) => data[2 * k + d]!);
    const logs = [...params.tensors["logDeviation"]!.data.subarray(3 * d, 3 * d + 3)];
    const found = sequential(of(u.data), scales, logs.map(Math.exp));
    const means = Float64Array.from({ length }, (_, k) => found.filteredMean[2 * k]!);
    // Covariances that are subtracted from one another: some roundings of their conditions.
    assert.ok(distance(of(level), means) < 1e-11);
    assert.ok(distance(of(cpu.dataOf(y)), found.innovation) < 1e-11);
    const [f0, , f2, f3] = cpu.dataOf(state["factor"]!).subarray(4 * d, 4 * d + 4);
    const cov = [f0! * f0!, f0! * f2!, f0! * f2!, f2! * f2! + f3! * f3!];
    assert.ok(distance(cov, found.filteredCov.slice(-4)) < 1e-11);
  }
});

Deno.test("kalman without a slope settles at the exponential average of Muth", () => {
  // Muth (1960): the gain of a random walk in noise, of the ratio g of their variances.
  const [l, r] = [0.6, 1.5];
  const layer = layerWith([l, 1e-30, r], { startDeviation: 1e-30 });
  const state = kalman.initialState(layer.config, 1);
  for (let k = 0; k < 200; k++) kalman.step(layer, Float64Array.of(Math.sin(k)), state);
  const g = (l / r) ** 2;
  const gain = (Math.sqrt(g * g + 4 * g) - g) / 2;
  let average = state["mean"]!.data[0]!;
  for (let k = 0; k < 20; k++) {
    average += gain * (3 - average);
    const [level = NaN] = kalman.step(layer, Float64Array.of(3), state);
    assert.ok(Math.abs(level - average) < 1e-12, `at ${k}: ${level}, not ${average}`);
  }
});

Deno.test("kalman settles at Holt's linear trend", () => {
  const layer = layerWith([0.4, 0.1, 1]);
  const state = kalman.initialState(layer.config, 1);
  const sample = (k: number) => 0.3 * k + Math.cos(k * k);
  for (let k = 0; k < 400; k++) kalman.step(layer, Float64Array.of(sample(k)), state);
  // The gains that an innovation of 1 shows; in Holt's form alpha and alpha·beta.
  const [level = NaN, slope = NaN] = state["mean"]!.data;
  const probe = kalman.initialState(layer.config, 1);
  probe["mean"]!.data.set([level, slope]);
  probe["factor"]!.data.set(state["factor"]!.data);
  kalman.step(layer, Float64Array.of(level + slope + 1), probe);
  const alpha = probe["mean"]!.data[0]! - (level + slope);
  const beta = (probe["mean"]!.data[1]! - slope) / alpha;
  let [a, b] = [level, slope];
  for (let k = 400; k < 450; k++) {
    const next = alpha * sample(k) + (1 - alpha) * (a + b);
    b = beta * (next - a) + (1 - beta) * b;
    a = next;
    const [found = NaN] = kalman.step(layer, Float64Array.of(sample(k)), state);
    // Values near 130, and gains that are differences of such.
    assert.ok(Math.abs(found - a) < 1e-9, `at ${k}: ${found}, not ${a}`);
  }
});

Deno.test("kalman's time is exact where nothing is seen: two halves are a whole", () => {
  // An observation with a deviation of 1e12 moves the belief by less than 1e-20.
  const layer = layerWith([0.7, 0.3, 1e12]);
  const begin = () => {
    const state = kalman.initialState(layer.config, 1);
    state["mean"]!.data.set([1, -0.5]);
    return state;
  };
  const [whole, halves] = [begin(), begin()];
  kalman.step(layer, Float64Array.of(0), whole, 3);
  kalman.step(layer, Float64Array.of(0), halves, 1.2);
  kalman.step(layer, Float64Array.of(0), halves, 1.8);
  for (const name of ["mean", "factor"]) {
    assert.ok(distance(halves[name]!.data, whole[name]!.data) < 1e-14, name);
  }
});

Deno.test("kalman is the less sure the longer a gap was, and never less than its sample", () => {
  const deviation = (gap: number) => {
    const layer = layerWith([0.1, 0.2, 1]);
    const state = kalman.initialState(layer.config, 1);
    for (let k = 0; k < 50; k++) kalman.step(layer, Float64Array.of(k), state);
    kalman.step(layer, Float64Array.of(49 + gap), state, gap);
    return state["factor"]!.data[0]!;
  };
  assert.ok(deviation(1) < deviation(5) && deviation(5) < deviation(25));
  assert.ok(deviation(25) < 1, "one sample alone has a deviation of 1");
});

Deno.test("kalman learns the deviations of a series by gradients of its innovations", () => {
  // A walk with steps of 0.3 in noise of 1; the slope has none. The layer starts far too quick.
  const length = 500;
  const random = seedRandom(2);
  let level = 0;
  const u = filled([1, length, 1], () => (level += 0.3 * nextNormal(random)) + nextNormal(random));
  const config = { output: "innovation" } as const;
  const lossOf = (deviations: readonly number[]) => {
    const y = Float64Array.from(
      cpu.dataOf(kalman.forward(cpu, layerWith(deviations, config), u).y),
    );
    return y.reduce((sum, v) => sum + v * v, 0) / length;
  };
  const start = [3, 0.3, 1];
  let logs = Float64Array.from(start, Math.log);
  for (let iteration = 0; iteration < 80; iteration++) {
    const tape = openTape(cpu);
    const watched = tape.watch(cpu.upload(tensorOf([1, 3], logs)));
    const layer = { ...layerWith(start, config), tensors: { logDeviation: watched } };
    const { y } = kalman.forward(tape.device, layer, u);
    const seed = tensorOf(y.shape, cpu.dataOf(y).map((v) => 2 * v / length) as Float64Array);
    tape.backward([[y, seed]]);
    const gradient = cpu.dataOf(tape.gradient(watched)!);
    logs = logs.map((value, i) => value - gradient[i]!);
    tape.release();
  }
  const [before, after, best] = [start, [...logs].map(Math.exp), [0.3, 1e-9, 1]].map(lossOf) as [
    number,
    number,
    number,
  ];
  assert.ok(before > 1.25 * best, `the start is no task: ${before} beside ${best}`);
  assert.ok(after < 1.03 * best, `learned ${after}, the true deviations have ${best}`);
});

const noSamples = async (device: Device) => {
  const { state } = kalman.forward(cpu, params, drawn([2, 7, 2], 8));
  const carried = {
    mean: asDtype(await cpu.read(state["mean"]!), "f32"),
    factor: asDtype(await cpu.read(state["factor"]!), "f32"),
  };
  const none = tensorOf([2, 0, 2], new Float32Array(0));
  const { y, state: after } = kalman.forward(device, params, none, { state: carried });
  assert.deepEqual(y.shape, [2, 0, 2]);
  assert.deepEqual(await device.read(after["mean"]!), carried.mean);
  assert.deepEqual(await device.read(after["factor"]!), carried.factor);
};

Deno.test("kalman without samples carries its state on", () => noSamples(cpu));
gpuTest("kalman without samples carries its state on, on the GPU", noSamples);

gpuTest("kalman over several chunks of the length is the CPU's on the GPU", async (gpu) => {
  // Five chunks of 64; the tolerance is that of the op.
  const u = drawn([2, 300, 2], 4);
  const dtScale = tensorOf(
    [2, 300],
    Float64Array.from([0, 1].flatMap(() => [...elapsedTimes(300)])),
  );
  for (const options of [{}, { dtScale }]) {
    const expected = kalman.forward(cpu, params, u, options);
    const single = options.dtScale ? { dtScale: asDtype(dtScale, "f32") } : {};
    const actual = kalman.forward(gpu, params, asDtype(u, "f32"), single);
    const pairs = [[actual.y, expected.y], [actual.state["factor"]!, expected.state["factor"]!]];
    for (const [ours, twin] of pairs) {
      const reference = cpu.dataOf(twin!);
      const scale = Math.max(...reference.map(Math.abs));
      const { data } = await gpu.read(ours!);
      assert.ok(distance(data, reference) / scale < 2e-5, `${distance(data, reference) / scale}`);
    }
  }
});

Deno.test("kalman names what is out of range", () => {
  const refused = (change: object, field: string) =>
    assert.throws(() => kalman.init({ ...CONFIG, ...change }, seedRandom(1)), { field });
  refused({ feature: 0 }, "feature");
  refused({ output: "slope" }, "output");
  refused({ startDeviation: 0 }, "startDeviation");
  refused({ startDeviation: Infinity }, "startDeviation");
});

Deno.test("kalman names the axis that differs", () => {
  const u = drawn([1, 5, 3], 1);
  assert.throws(() => kalman.forward(cpu, params, u), { axis: "u.feature" });
  const state = kalman.initialState(CONFIG, 2);
  const rows = drawn([1, 5, 2], 1);
  assert.throws(() => kalman.forward(cpu, params, rows, { state }), { axis: "state.mean.batch" });
  const dtScale = filled([1, 4], () => 1);
  assert.throws(() => kalman.forward(cpu, params, rows, { dtScale }), { axis: "dtScale.length" });
});
