import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { h3, type H3Config, h3ShiftTaps } from "../../src/layers/h3.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

const CONFIG: H3Config = { feature: 4, state: 6, headSize: 1, dtMin: 0.01, dtMax: 0.2 };

Deno.test("h3ShiftTaps() are shiftC where shiftB is the first unit vector", () => {
  const params = h3.init(CONFIG, seedRandom(1));
  assert.deepEqual(h3ShiftTaps(params).data, params.tensors["shiftC"]!.data);
});

Deno.test("h3ShiftTaps() are what a delay line gives after an impulse", () => {
  const params = h3.init(CONFIG, seedRandom(1));
  params.tensors["shiftB"]!.data.forEach((_, i, data) => data[i] = Math.cos(i));
  const taps = h3ShiftTaps(params).data;
  const B = params.tensors["shiftB"]!.data.slice(6, 12);
  const C = params.tensors["shiftC"]!.data.slice(6, 12);
  let x = Array.from(B);
  for (let l = 0; l < 6; l++) {
    const y = x.reduce((sum, value, n) => sum + value * C[n]!, 0);
    assert.ok(Math.abs(taps[6 + l]! - y) < 1e-14, `tap ${l}`);
    x = [0, ...x.slice(0, 5)];
  }
});

Deno.test("h3 with heads sums outer products of keys and values against queries", () => {
  const config = { ...CONFIG, headSize: 2 };
  const params = h3.init(config, seedRandom(1));
  const { tensors } = params;
  // No memory: the shift passes its input on, the diagonal systems pass theirs.
  tensors["shiftC"]!.data.fill(0);
  tensors["shiftD"]!.data.fill(1);
  tensors["C"]!.data.fill(0);
  tensors["D"]!.data.fill(1);
  for (const name of ["q", "k", "v", "out"]) {
    tensors[`${name}Proj`]!.data.forEach((_, i, data) => data[i] = i % 5 === 0 ? 1 : 0);
    tensors[`${name}Bias`]!.data.fill(0);
  }
  const u = tensorOf([1, 1, 4], Float64Array.from([2, 3, 5, 7]));
  const y = cpu.dataOf(h3.forward(cpu, params, u).y);
  // Head h: (q·k)·v, its outputs at j·head + h.
  const [first, second] = [2 * 2 + 3 * 3, 5 * 5 + 7 * 7];
  assert.deepEqual([...y], [first * 2, second * 5, first * 3, second * 7]);
});

Deno.test("h3.step() of a batch is the step of each row", () => {
  const params = h3.init({ ...CONFIG, headSize: 2, discretization: "zoh" }, seedRandom(1));
  const both = h3.initialState(params.config, 2);
  const rows = [0, 1].map(() => h3.initialState(params.config, 1));
  for (const scale of [1, 2.5, 1]) {
    const sample = Float64Array.from({ length: 8 }, (_, i) => Math.cos(3 * i * scale));
    const y = h3.step(params, sample, both, scale);
    const each = rows.flatMap((state, i) => [
      ...h3.step(params, sample.subarray(4 * i, 4 * i + 4), state, scale),
    ]);
    assert.deepEqual([...y], each);
  }
  for (const name of ["conv", "x"]) {
    assert.deepEqual([...both[name]!.data], rows.flatMap((state) => [...state[name]!.data]));
  }
});

Deno.test("h3 remembers by the rule of its configuration, the trapezoidal one unless told", () => {
  const params = h3.init(CONFIG, seedRandom(1));
  const u = tensorOf([1, 3, 4], Float64Array.from({ length: 12 }, (_, i) => Math.sin(i)));
  const outputs = ([undefined, "bilinear", "zoh"] as const).map((discretization) => {
    const config = { ...CONFIG, ...(discretization && { discretization }) };
    return [...cpu.dataOf(h3.forward(cpu, { ...params, config }, u).y)];
  });
  assert.deepEqual(outputs[0], outputs[1]);
  assert.notDeepEqual(outputs[0], outputs[2]);
});

Deno.test("h3 names what is out of range", () => {
  const refused = (change: Partial<H3Config>, field: string) =>
    assert.throws(() => h3.init({ ...CONFIG, ...change }, seedRandom(1)), { field });
  refused({ state: 5 }, "state");
  refused({ state: 66 }, "state");
  refused({ headSize: 3 }, "headSize");
  refused({ discretization: "euler" as "zoh" }, "discretization");
});
