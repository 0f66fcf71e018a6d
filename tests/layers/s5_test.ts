import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { s5, type S5Config, s5Discrete } from "../../src/layers/s5.ts";
import { nplr } from "../../src/ssm/nplr.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { differenceErrors, tapeGradients } from "./_gradients.ts";

const cpu = openCpu({ poison: true });

const CONFIG: S5Config = {
  feature: 2,
  state: 8,
  block: 2,
  conjugatePairs: true,
  discretization: "zoh",
  clip: false,
  bidirectional: false,
  activation: "identity",
  dtMin: 0.01,
  dtMax: 0.2,
};

const u = tensorOf([1, 12, 2], Float64Array.from({ length: 24 }, (_, i) => Math.sin(i)));

Deno.test("s5 init puts the spectrum of LegS on each block", () => {
  const { tensors } = s5.init(CONFIG, seedRandom(1));
  const { W } = nplr("legs", 4);
  for (let i = 0; i < 4; i++) {
    assert.equal(tensors["lambdaRe"]!.data[i], W[2 * (i % 2)]);
    assert.equal(tensors["lambdaIm"]!.data[i], W[2 * (i % 2) + 1]);
  }
});

Deno.test("s5 with stored conjugates is s5 with pairs", () => {
  const params = s5.init({ ...CONFIG, block: 1 }, seedRandom(1));
  const { tensors } = params;
  const doubled = (name: string) => {
    const { data } = tensors[name]!;
    return tensorOf([8], Float64Array.from([...data, ...data]));
  };
  const conjugates = (values: Float64Array) => values.map((value, i) => i % 2 ? -value : value);
  const B = Float64Array.from(tensors["B"]!.data);
  const C = Float64Array.from(tensors["C"]!.data);
  const rows = (data: Float64Array) => [data.subarray(0, 8), data.subarray(8)];
  const lambdaIm = doubled("lambdaIm");
  lambdaIm.data.forEach((value, i) => lambdaIm.data[i] = i < 4 ? value : -value);
  const full = {
    config: { ...CONFIG, block: 1, conjugatePairs: false },
    tensors: {
      ...tensors,
      logDt: doubled("logDt"),
      lambdaRe: doubled("lambdaRe"),
      lambdaIm,
      B: tensorOf([8, 2, 2], Float64Array.from([...B, ...conjugates(B)])),
      C: tensorOf(
        [2, 8, 2],
        Float64Array.from(rows(C).flatMap((row) => [...row, ...conjugates(row)])),
      ),
    },
  };
  const expected = cpu.dataOf(s5.forward(cpu, params, u).y);
  // The same sums in another order.
  cpu.dataOf(s5.forward(cpu, full, u).y).forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) < 1e-13);
  });
});

Deno.test("s5 in both directions sees later samples and has no step", () => {
  const params = s5.init({ ...CONFIG, bidirectional: true }, seedRandom(1));
  const before = cpu.dataOf(s5.forward(cpu, params, u).y);
  const changed = tensorOf(u.shape, u.data.slice());
  changed.data[22] = 9;
  const after = cpu.dataOf(s5.forward(cpu, params, changed).y);
  assert.notEqual(after[0], before[0]);
  const state = s5.initialState(params.config, 1);
  assert.throws(() => s5.step(params, new Float64Array(2), state), { field: "bidirectional" });
});

Deno.test("s5 backwards is s5 of the reversed series, elapsed times between the same samples", () => {
  const params = s5.init({ ...CONFIG, bidirectional: true }, seedRandom(1));
  const { Creverse, ...tensors } = params.tensors;
  const silent = (name: string) => tensors[name]!.data.fill(0);
  silent("C");
  silent("D");
  const gaps = Float64Array.from({ length: 12 }, (_, i) => 0.2 + (i * 7 % 5));
  // The first of the reversed samples has nothing before it; the step to each other one is the gap
  // that stood before the sample behind it.
  const back = Float64Array.from({ length: 12 }, (_, j) => j === 0 ? 1 : gaps[12 - j]!);
  const rows = Array.from({ length: 12 }, (_, k) => [...u.data.subarray(2 * k, 2 * k + 2)]);
  const reversed = tensorOf(u.shape, Float64Array.from(rows.toReversed().flat()));
  const y = cpu.dataOf(s5.forward(cpu, params, u, { dtScale: tensorOf([1, 12], gaps) }).y);
  const forwards = {
    config: CONFIG,
    tensors: { ...tensors, C: Creverse! },
  };
  const other = cpu.dataOf(
    s5.forward(cpu, forwards, reversed, { dtScale: tensorOf([1, 12], back) }).y,
  );
  assert.ok(y.some((value) => Math.abs(value) > 0.01));
  // The same recurrence, in chunks that lie elsewhere.
  for (let k = 0; k < 12; k++) {
    for (const d of [0, 1]) {
      assert.ok(Math.abs(y[2 * k + d]! - other[2 * (11 - k) + d]!) < 1e-13, `sample ${k}`);
    }
  }
});

Deno.test("s5 in both directions passes gradients to all parameters, u and x0", async () => {
  const params = s5.init({ ...CONFIG, bidirectional: true }, seedRandom(1));
  const state = { x: tensorOf([1, 4, 2], Float64Array.from({ length: 8 }, (_, i) => Math.cos(i))) };
  const gaps = Float64Array.from({ length: 12 }, (_, i) => 0.2 + (i * 7 % 5));
  for (const dtScale of [undefined, tensorOf([1, 12], gaps)]) {
    const point = { params, u, state, ...(dtScale && { dtScale }) };
    const errors = await differenceErrors(s5, point);
    assert.deepEqual(Object.keys(errors), [
      ...["u", "logDt", "lambdaRe", "lambdaIm", "B", "C", "D", "Creverse", "x0.x"],
    ]);
    // Fourth-order differences of step 1e-4, as in the laws.
    for (const [name, error] of Object.entries(errors)) {
      assert.ok(error < 1e-8, `${name}: ${error}`);
    }
  }
});

Deno.test("s5 holds no gradient of a decay that is clipped", async () => {
  const params = s5.init({ ...CONFIG, clip: true }, seedRandom(1));
  params.tensors["lambdaRe"]!.data[0] = 5;
  const state = s5.initialState(params.config, 1);
  const { lambdaRe } = await tapeGradients(cpu, s5, { params, u, state }, "f64");
  assert.equal(lambdaRe!.data[0], 0);
  assert.notEqual(lambdaRe!.data[1], 0);
});

Deno.test("s5.step() of a batch is the step of each row", () => {
  const params = s5.init({ ...CONFIG, activation: "full_glu" }, seedRandom(1));
  const both = s5.initialState(params.config, 2);
  const rows = [0, 1].map(() => s5.initialState(params.config, 1));
  for (const scale of [1, 2.5]) {
    const sample = Float64Array.from([0.3, -1, 2, 0.7]);
    const y = s5.step(params, sample, both, scale);
    const each = rows.flatMap((state, i) => [
      ...s5.step(params, sample.subarray(2 * i, 2 * i + 2), state, scale),
    ]);
    assert.deepEqual([...y], each);
  }
  assert.deepEqual([...both["x"]!.data], rows.flatMap((state) => [...state["x"]!.data]));
});

Deno.test("s5Discrete() clips the decay where the configuration says", () => {
  const params = s5.init({ ...CONFIG, clip: true }, seedRandom(1));
  params.tensors["lambdaRe"]!.data[0] = 5;
  const { Abar } = s5Discrete(params);
  const dt = Math.exp(params.tensors["logDt"]!.data[0]!);
  assert.ok(Math.abs(Math.hypot(Abar[0]!, Abar[1]!) - Math.exp(-1e-4 * dt)) < 1e-15);
});

Deno.test("s5 names what is out of range", () => {
  const refused = (change: object, field: string) =>
    assert.throws(() => s5.init({ ...CONFIG, ...change } as S5Config, seedRandom(1)), { field });
  refused({ state: 6 }, "state");
  refused({ block: 0 }, "block");
  refused({ activation: "relu" }, "activation");
  refused({ discretization: "euler" }, "discretization");
});
