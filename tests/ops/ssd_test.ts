import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { normal, uniform } from "../../src/ops/_helpers/cases.ts";
import { selectiveScan } from "../../src/ops/selective_scan.ts";
import { ssdBackwardPlan } from "../../src/ops/_helpers/ssd_backward.ts";
import type { SsdGeometry } from "../../src/ops/_helpers/ssd_passes.ts";
import { gradientsOn } from "../../src/ops/difference_check.ts";
import { type AnyOp, defineOp, type OpCase } from "../../src/ops/op.ts";
import { runOp } from "../../src/ops/run.ts";
import { caseInputs, relativeError } from "../../src/ops/self_check.ts";
import { ssd, ssdPlan } from "../../src/ops/ssd.ts";
import { asDtype, reshape, type Tensor } from "../../src/tensor/tensor.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import type { DeviceTensor } from "../../src/device/device.ts";
import { openCpu } from "../../src/device/cpu.ts";
import { openScope } from "../../src/device/scope.ts";
import { buffersOf, DEFAULT_LIMITS, distance, filled, run, scratchOf, steps } from "./_run.ts";

const random = seedRandom(12);
const f64 = (tensor: Tensor) => asDtype(tensor, "f64");
const LENGTH = 45;
const inputs = {
  u: f64(normal(random, [2, LENGTH, 4, 3])),
  delta: f64(uniform(random, [2, LENGTH, 4], 0.01, 0.5)),
  A: f64(uniform(random, [4], -3, -0.2)),
  B: f64(normal(random, [2, LENGTH, 2, 5])),
  C: f64(normal(random, [2, LENGTH, 2, 5])),
  D: f64(normal(random, [4])),
  x0: f64(normal(random, [2, 4, 3, 5])),
};

/** Some hundred roundings on values near 10. */
const CLOSE = 1e-12;

Deno.test("ssd() is one function in its three forms", async () => {
  const recurrence = await run(ssd, inputs, {});
  for (const chunk of [1, 2, 7, 16, LENGTH, 4 * LENGTH]) {
    const form = await run(ssd, inputs, { chunk });
    assert.ok(distance(form.y!.data, recurrence.y!.data) < CLOSE, `y, chunk ${chunk}`);
    assert.ok(distance(form.state!.data, recurrence.state!.data) < CLOSE, `state, chunk ${chunk}`);
  }
});

Deno.test("ssd() over all samples is attention with a mask of decays", async () => {
  const { D: _, x0: __, ...plain } = inputs;
  const { y } = await run(ssd, plain, { chunk: LENGTH });
  // One head, one feature, spelled out: y = (L ∘ C·Bᵀ)·(delta·u).
  const [h, p, g] = [3, 1, 1];
  for (let k = 0; k < LENGTH; k++) {
    let sum = 0;
    for (let j = 0; j <= k; j++) {
      let log = 0;
      for (let i = j + 1; i <= k; i++) log += inputs.delta.data[i * 4 + h]! * inputs.A.data[h]!;
      let score = 0;
      for (let n = 0; n < 5; n++) {
        score += inputs.C.data[(k * 2 + g) * 5 + n]! * inputs.B.data[(j * 2 + g) * 5 + n]!;
      }
      const weight = inputs.delta.data[j * 4 + h]!;
      sum += Math.exp(log) * score * weight * inputs.u.data[(j * 4 + h) * 3 + p]!;
    }
    assert.ok(Math.abs(y!.data[(k * 4 + h) * 3 + p]! - sum) < CLOSE, `sample ${k}`);
  }
});

Deno.test("ssd() goes on from a carried state", async () => {
  const { A, D, x0, ...moving } = inputs;
  const cut = (from: number, to: number) =>
    Object.fromEntries(Object.entries(moving).map(([name, x]) => [name, steps(x, from, to)]));
  const whole = await run(ssd, inputs, { chunk: 8 });
  const first = await run(ssd, { A, D, x0, ...cut(0, 19) }, { chunk: 8 });
  const rest = await run(ssd, { A, D, x0: first.state!, ...cut(19, LENGTH) }, { chunk: 8 });
  assert.ok(distance(rest.y!.data, steps(whole.y!, 19, LENGTH).data) < CLOSE);
  assert.ok(distance(rest.state!.data, whole.state!.data) < CLOSE);
});

Deno.test("ssd() is selectiveScan() with one A for all states of a head", async () => {
  const { y, state } = await run(ssd, inputs, { chunk: 8 });
  const spread = (x: Tensor) =>
    Float64Array.from({ length: 2 * LENGTH * 12 }, (_, i) => x.data[Math.floor(i / 3)]!);
  const scanned = await run(selectiveScan, {
    u: reshape(inputs.u, [2, LENGTH, 12]),
    delta: filled([2, LENGTH, 12], (i) => spread(inputs.delta)[i]!),
    A: filled([12, 5], (i) => inputs.A.data[Math.floor(i / 15)]!),
    B: inputs.B,
    C: inputs.C,
    D: filled([12], (i) => inputs.D.data[Math.floor(i / 3)]!),
    x0: reshape(inputs.x0, [2, 12, 5]),
  }, { softplus: false });
  assert.ok(distance(y!.data, scanned.y!.data) < CLOSE);
  assert.ok(distance(state!.data, scanned.state!.data) < CLOSE);
});

Deno.test("ssd() with a fixed decay is the retention of RetNet", async () => {
  const gamma = 0.9;
  const { u, B, C } = inputs;
  const delta = filled([2, LENGTH, 4], () => Math.log(gamma));
  const { y } = await run(ssd, { u, delta, B, C }, { chunk: 16 });
  // The last sample of the first row, head 0, feature 0.
  let sum = 0;
  for (let j = 0; j < LENGTH; j++) {
    let score = 0;
    for (let n = 0; n < 5; n++) score += C.data[(LENGTH - 1) * 10 + n]! * B.data[j * 10 + n]!;
    sum += gamma ** (LENGTH - 1 - j) * score * u.data[j * 12]!;
  }
  assert.ok(Math.abs(y!.data[(LENGTH - 1) * 12]! - sum) < CLOSE);
});

Deno.test("ssd() names the axis or the parameter at fault", async () => {
  const fails = (change: Record<string, Tensor>, params: object, error: object) =>
    assert.rejects(() => run(ssd, { ...inputs, ...change }, params), error);
  await fails({ A: filled([3], () => -1) }, {}, { axis: "A.head" });
  await fails({ delta: filled([2, LENGTH, 3], () => 1) }, {}, { axis: "delta.head" });
  await fails({ x0: filled([2, 4, 3, 4], () => 1) }, {}, { axis: "x0.state" });
  await fails({}, { chunk: 0 }, { field: "chunk" });
  const three = filled([2, LENGTH, 3, 5], () => 1);
  await fails({ B: three, C: three }, {}, { field: "B.group" });
});

Deno.test("ssd() goes back in memory that grows with the length, binding eight buffers", () => {
  const planOf = (length: number) =>
    ssd.backward!.launch(
      {
        u: [2, length, 8, 64],
        delta: [2, length, 8],
        A: [8],
        B: [2, length, 2, 128],
        C: [2, length, 2, 128],
        D: [8],
        x0: [2, 8, 64, 128],
      },
      { chunk: 32 },
      DEFAULT_LIMITS,
    );
  const [short, long] = [scratchOf(planOf(1024)), scratchOf(planOf(4096))];
  assert.ok(long <= 4 * short, `${short}, then ${long}`);
  // All states would be 2·8·64·128 numbers a sample; an eighth of them is kept at most.
  assert.ok(long < 4096 * 2 * 8 * 64 * 128 / 8, `${long}`);
  assert.ok(buffersOf(planOf(1024)) <= 8);
});

/** The op with one way to cut its calls into pieces on a GPU. */
function cutBy(geometry: SsdGeometry): AnyOp {
  const sizesOf = (shapes: Parameters<typeof ssd.launch>[0]) => {
    const [batch, length, head, feature] = shapes.u as [number, number, number, number];
    const [, , group, state] = shapes.B as [number, number, number, number];
    return { batch, length, head, feature, group, state };
  };
  return defineOp({
    ...ssd,
    launch: (shapes) => ssdPlan(shapes, sizesOf(shapes), geometry),
    backward: {
      ...ssd.backward!,
      launch: (shapes) => ssdBackwardPlan(sizesOf(shapes), shapes, geometry),
    },
  });
}

gpuTest("ssd() is the same on a GPU in chunks and runs of any number", async (gpu) => {
  const cpu = openCpu({ simd: false });
  const testCase: OpCase<object, string, string> = {
    name: "seven chunks of 64",
    params: {},
    inputs: (random) => ({
      u: normal(random, [1, 430, 2, 6]),
      delta: uniform(random, [1, 430, 2], 0.001, 0.3),
      A: uniform(random, [2], -4, -0.5),
      B: normal(random, [1, 430, 1, 5]),
      C: normal(random, [1, 430, 1, 5]),
      D: normal(random, [2]),
      x0: normal(random, [1, 2, 6, 5]),
    }),
  };
  const exact: Record<string, DeviceTensor> = runOp<object, string, string, string>(
    cpu,
    ssd as AnyOp,
    caseInputs(testCase, "f64"),
    {},
  );
  const exactGradients = await gradientsOn(cpu, ssd, testCase, "f64");
  const geometries: readonly SsdGeometry[] = [
    { chunk: 32, steps: 16, runs: 1, rows: 32 },
    { chunk: 128, steps: 16, runs: 2, rows: 64 },
  ];
  for (const geometry of geometries) {
    const op = cutBy(geometry);
    const scope = openScope(gpu);
    const outputs = runOp(scope, op, caseInputs(testCase, "f32"), {});
    for (const name of ["y", "state"]) {
      const [x, reference] = [await scope.read(outputs[name]!), await cpu.read(exact[name]!)];
      const error = relativeError(x.data, reference.data);
      assert.ok(error <= ssd.tolerance, `${JSON.stringify(geometry)}: ${name} is off by ${error}`);
    }
    scope.release();
    for (const [name, gradient] of Object.entries(await gradientsOn(gpu, op, testCase, "f32"))) {
      const error = relativeError(gradient, exactGradients[name]!);
      const place = `${JSON.stringify(geometry)}: gradient of ${name}`;
      assert.ok(error <= ssd.backward!.tolerance, `${place} is off by ${error}`);
    }
  }
  assert.deepEqual(takeFaults(), []);
});

Deno.test("ssd() walks over the chunks in as many runs as fill a GPU", () => {
  const groupsOf = (batch: number, length: number) =>
    ssd.launch(
      {
        u: [batch, length, 32, 64],
        delta: [batch, length, 32],
        B: [batch, length, 1, 128],
        C: [batch, length, 1, 128],
      },
      {},
      DEFAULT_LIMITS,
    ).passes.find(({ entry }) => entry === "reduce_runs")!.workgroups;
  // Enough rows: one run.
  assert.deepEqual(groupsOf(8, 2048), [1, 32, 8]);
  assert.deepEqual(groupsOf(1, 16384), [8, 32, 1]);
  // Few chunks: no more runs than those.
  assert.deepEqual(groupsOf(1, 256), [4, 32, 1]);
});
