import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { gss } from "../../src/layers/gss.ts";
import { s4d } from "../../src/layers/s4d.ts";
import { gelu } from "../../src/ops/_helpers/activation.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { distance, filled } from "../ops/_run.ts";

const cpu = openCpu({ poison: true });
const CONFIG = { feature: 4, gate: 6, inner: 2, state: 5 };
const LENGTH = 25;
const params = gss.init(CONFIG, seedRandom(5));
const u = filled([1, LENGTH, 4], (i) => Math.sin(i * i));

/** Sums of some tens of terms near 1, and kernels by other exponentials. */
const CLOSE = 1e-12;

/** x·Wᵀ for rows of x. */
function linear(x: Float64Array, W: Tensor): Float64Array {
  const [out = 0, width = 0] = W.shape;
  return Float64Array.from({ length: x.length / width * out }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < width; i++) {
      sum += x[Math.floor(at / out) * width + i]! * W.data[at % out * width + i]!;
    }
    return sum;
  });
}

/** DSS's kernel with a step of 1: Re Σ C·(exp(lambda) − 1)/lambda·exp(lambda·l). */
function kernel(d: number, l: number): number {
  const { tensors } = params;
  let sum = 0;
  for (let n = 0; n < CONFIG.state; n++) {
    const a = -Math.exp(tensors["logDecay"]!.data[n]!);
    // Of a pole and its conjugate the code has the one with a negative imaginary part.
    const b = -Math.exp(tensors["logFrequency"]!.data[n]!);
    const size = a * a + b * b;
    const [er, ei] = [Math.exp(a) * Math.cos(b) - 1, Math.exp(a) * Math.sin(b)];
    const [fr, fi] = [(er * a + ei * b) / size, (ei * a - er * b) / size];
    const [tr, ti] = [Math.exp(a * l) * Math.cos(b * l), Math.exp(a * l) * Math.sin(b * l)];
    const at = 2 * (d * CONFIG.state + n);
    const [cr, ci] = [tensors["C"]!.data[at]!, tensors["C"]!.data[at + 1]!];
    const [gr, gi] = [fr * tr - fi * ti, fr * ti + fi * tr];
    sum += cr * gr - ci * gi;
  }
  return sum;
}

Deno.test("gss is DSS's convolution between the gate's projections", () => {
  const { tensors } = params;
  const data = u.data as Float64Array;
  const h = linear(data, tensors["uProj"]!).map(gelu);
  const gate = linear(data, tensors["vProj"]!).map(gelu);
  const y = h.map((value, at) => {
    const [k, d] = [Math.floor(at / CONFIG.inner), at % CONFIG.inner];
    let sum = tensors["D"]!.data[d]! * value;
    for (let l = 0; l <= k; l++) sum += kernel(d, l) * h[(k - l) * CONFIG.inner + d]!;
    return sum;
  });
  const gated = linear(y, tensors["upProj"]!).map((value, i) => value * gate[i]!);
  const expected = linear(gated, tensors["outProj"]!);
  assert.ok(distance(cpu.dataOf(gss.forward(cpu, params, u).y), expected) < CLOSE);
});

Deno.test("gss with open gates is S4D over the inner features", () => {
  // One inner feature, whose gate is always gelu(3), and maps that hand one number through.
  const config = { feature: 1, gate: 1, inner: 1, state: CONFIG.state };
  const one = (value: number) => filled([1, 1], () => value);
  const open = 3;
  const { logDecay, logFrequency } = params.tensors as Record<string, Tensor>;
  const C = tensorOf([1, CONFIG.state, 2], params.tensors["C"]!.data.slice(0, 2 * CONFIG.state));
  const D = filled([1], () => 0.7);
  const tensors = {
    ...{ logDecay: logDecay!, logFrequency: logFrequency!, C, D },
    ...{ vProj: one(open), uProj: one(open), upProj: one(1), outProj: one(1 / gelu(open)) },
  };
  const held = filled([1, LENGTH, 1], () => 1);
  const { y } = gss.forward(cpu, { config, tensors }, held);
  const modes = s4d.forward(cpu, {
    config: {
      ...{ feature: 1, state: 2 * CONFIG.state, start: "lin", discretization: "zoh" },
      ...{ dtMin: 1, dtMax: 1, activation: "identity", mix: false },
    },
    tensors: {
      logDt: filled([1], () => 0),
      logDecay: tensorOf([1, CONFIG.state], logDecay!.data),
      frequency: filled([1, CONFIG.state], (n) => -Math.exp(logFrequency!.data[n]!)),
      B: filled([1, CONFIG.state, 2], (i) => 1 - i % 2),
      C: filled([1, CONFIG.state, 2], (i) => C.data[i]! / 2),
      D,
    },
  }, filled([1, LENGTH, 1], () => gelu(open)));
  assert.ok(distance(cpu.dataOf(y), cpu.dataOf(modes.y)) < CLOSE);
});

Deno.test("gss names what is out of range", () => {
  for (const field of ["feature", "gate", "inner", "state"]) {
    assert.throws(() => gss.init({ ...CONFIG, [field]: 0 }, seedRandom(1)), { field });
  }
});
