import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { liquidKernels, liquidS4, type LiquidS4Config } from "../../src/layers/liquid_s4.ts";
import { s4dDiscrete } from "../../src/layers/s4d.ts";
import { diagonalScan } from "../../src/ops/diagonal_scan.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { distance, filled, run } from "../ops/_run.ts";

const cpu = openCpu({ poison: true });
const CONFIG: LiquidS4Config = {
  ...{ feature: 2, state: 6, order: 3, kernel: "kb", start: "lin", discretization: "bilinear" },
  ...{ dtMin: 0.2, dtMax: 0.6, activation: "identity", mix: false },
};
const HALF = 3;
const LENGTH = 9;
const params = liquidS4.init(CONFIG, seedRandom(5));
const u = filled([1, LENGTH, 2], (i) => Math.sin(i * i));

/** Sums of some hundred products of values near 1. */
const CLOSE = 1e-12;

type Complex = readonly [re: number, im: number];
const times = ([a, b]: Complex, [c, d]: Complex): Complex => [a * c - b * d, a * d + b * c];
const plus = ([a, b]: Complex, [c, d]: Complex): Complex => [a + c, b + d];

/** The transition, the input and the output of a mode; they are S4D's. */
function modeOf(d: number, n: number): { A: Complex; B: Complex; C: Complex } {
  const { Abar, Bbar } = s4dDiscrete({ config: CONFIG, tensors: params.tensors });
  const at = 2 * (d * HALF + n);
  const C = params.tensors["C"]!.data;
  return {
    A: [Abar[at]!, Abar[at + 1]!],
    B: [Bbar[at]!, Bbar[at + 1]!],
    C: [C[at]!, C[at + 1]!],
  };
}

/** 2·Re Σ C·x + D·u, x of every mode and sample by a function. */
function outputs(
  input: Tensor,
  states: (d: number, A: Complex, B: Complex) => Complex[],
): Float64Array {
  const y = new Float64Array(input.data.length);
  for (let d = 0; d < 2; d++) {
    for (let n = 0; n < HALF; n++) {
      const { A, B, C } = modeOf(d, n);
      states(d, A, B).forEach((x, k) => y[2 * k + d]! += 2 * times(C, x)[0]);
    }
    for (let k = 0; k < LENGTH; k++) {
      y[2 * k + d]! += params.tensors["D"]!.data[d]! * input.data[2 * k + d]!;
    }
  }
  return y;
}

/** x[k] = (Abar + Bbar·u[k])·x[k−1] + Bbar·u[k]. */
function recurrence(input: Tensor): Float64Array {
  return outputs(input, (d, A, B) => {
    const states: Complex[] = [];
    for (let k = 0; k < LENGTH; k++) {
      const drive = times(B, [input.data[2 * k + d]!, 0]);
      states.push(plus(times(plus(A, drive), states.at(-1) ?? [0, 0]), drive));
    }
    return states;
  });
}

/** Σ Bbar^p·Abar^(k − j1 − p + 1)·u[j1]···u[jp] over the sets of samples that are kept. */
function expansion(input: Tensor, keep: (samples: readonly number[]) => boolean): Float64Array {
  return outputs(input, (d, A, B) =>
    Array.from({ length: LENGTH }, (_, k) => {
      let x: Complex = [0, 0];
      for (let set = 1; set < 1 << (k + 1); set++) {
        const samples = Array.from({ length: k + 1 }, (_, j) => j).filter((j) => set >> j & 1);
        if (!keep(samples)) continue;
        let term: Complex = [1, 0];
        for (const j of samples) term = times(term, times(B, [input.data[2 * j + d]!, 0]));
        const waits = k - samples[0]! - samples.length + 1;
        for (let i = 0; i < waits; i++) term = times(term, A);
        x = plus(x, term);
      }
      return x;
    }));
}

const neighbours = (samples: readonly number[]) => samples.at(-1)! - samples[0]! < samples.length;

function layer(input: Tensor, change: Partial<LiquidS4Config> = {}): Float64Array {
  const { tensors } = params;
  return cpu.dataOf(
    liquidS4.forward(cpu, { config: { ...CONFIG, ...change }, tensors }, input).y,
  ) as Float64Array;
}

Deno.test("Liquid-S4's recurrence is its expansion over all products of samples", () => {
  assert.ok(distance(recurrence(u), expansion(u, () => true)) < CLOSE);
});

Deno.test("liquidS4 has the expansion's products of neighbours up to its order", () => {
  for (const order of [2, 3, 5]) {
    const kept = (samples: readonly number[]) => samples.length <= order && neighbours(samples);
    assert.ok(distance(layer(u, { order }), expansion(u, kept)) < CLOSE, `order ${order}`);
  }
});

Deno.test("liquidS4 is the recurrence where only two neighbours differ from 0", () => {
  const pulses = filled(u.shape, (i) => Math.floor(i / 2) === 3 || Math.floor(i / 2) === 4 ? 1 : 0);
  assert.ok(distance(layer(pulses), recurrence(pulses)) < CLOSE);
  // Not otherwise: the terms of samples further apart are what a truncation leaves out.
  assert.ok(distance(layer(u), recurrence(u)) > 1e-3);
});

Deno.test("liquidKernels() convolve the products of neighbours", () => {
  const kernels = liquidKernels(params, LENGTH);
  assert.deepEqual(kernels.shape, [3, 2, LENGTH]);
  /** Convolution of every order with the first `taps` of its kernel, the linear one whole. */
  const convolved = (taps: number) =>
    Float64Array.from(u.data, (value, at) => {
      const [k, d] = [Math.floor(at / 2), at % 2];
      let sum = params.tensors["D"]!.data[d]! * value;
      for (let p = 0; p < 3; p++) {
        for (let l = 0; l <= k - p && (p === 0 || l < taps); l++) {
          let product = kernels.data[(p * 2 + d) * LENGTH + l]!;
          for (let j = 0; j <= p; j++) product *= u.data[2 * (k - l - j) + d]!;
          sum += product;
        }
      }
      return sum;
    });
  assert.ok(distance(layer(u), convolved(LENGTH)) < CLOSE);
  assert.ok(distance(layer(u, { kernel: "pb" }), convolved(1)) < CLOSE);
});

Deno.test("Liquid-S4's recurrence is a scan with transitions from the input", async () => {
  const modes = Array.from({ length: 2 * HALF }, (_, i) => modeOf(Math.floor(i / HALF), i % HALF));
  const drives = Array.from({ length: LENGTH * 2 * HALF }, (_, at) => {
    const [k, i] = [Math.floor(at / (2 * HALF)), at % (2 * HALF)];
    return times(modes[i]!.B, [u.data[2 * k + Math.floor(i / HALF)]!, 0]);
  });
  const logs = drives.map((drive, at): Complex => {
    const [re, im] = plus(modes[at % (2 * HALF)]!.A, drive);
    return [Math.log(Math.hypot(re, im)), Math.atan2(im, re)];
  });
  const shape = [1, LENGTH, 2 * HALF, 2];
  const { x } = await run(diagonalScan, {
    v: filled(shape, (i) => drives[i >> 1]![i & 1]!),
    A: filled(shape, (i) => logs[i >> 1]![i & 1]!),
  }, { variant: "logs" });
  const states = (d: number, _A: Complex, B: Complex) => {
    const i = modes.findIndex((mode, i) => Math.floor(i / HALF) === d && mode.B[1] === B[1]);
    return Array.from({ length: LENGTH }, (_, k): Complex => {
      const at = 2 * (k * 2 * HALF + i);
      return [x!.data[at]!, x!.data[at + 1]!];
    });
  };
  assert.ok(distance(outputs(u, states), recurrence(u)) < CLOSE);
});

Deno.test("liquidS4 names what is out of range", () => {
  const refused = (change: object, field: string) =>
    assert.throws(() => liquidS4.init({ ...CONFIG, ...change }, seedRandom(1)), { field });
  refused({ state: 3 }, "state");
  refused({ order: 1 }, "order");
  refused({ order: 9 }, "order");
  refused({ kernel: "other" }, "kernel");
  refused({ start: "none" }, "start");
  refused({ discretization: "euler" }, "discretization");
});
