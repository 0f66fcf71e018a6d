import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { dampedEma, dampedEmaSystem } from "../../src/layers/damped_ema.ts";
import { s4d, type S4dConfig } from "../../src/layers/s4d.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { distance, filled } from "../ops/_run.ts";

const cpu = openCpu({ poison: true });
const CONFIG = { feature: 3, state: 4 };
const LENGTH = 30;
const params = dampedEma.init(CONFIG, seedRandom(5));
const u = filled([2, LENGTH, 3], (i) => Math.sin(i * i));
const elapsed = filled([2, LENGTH], (i) => 0.2 + i % 5);

/** Sums of a few roundings on values near 1. */
const CLOSE = 1e-13;

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const silu = (x: number) => x * sigmoid(x);
const valueOf = (name: string, i: number) => params.tensors[name]!.data[i]!;

/** Mega's equations, one sample after another; without skip and activation. */
function averages(): Float64Array {
  const y = new Float64Array(u.data.length);
  const h = new Float64Array(2 * 3 * 4);
  for (let b = 0; b < 2; b++) {
    for (let k = 0; k < LENGTH; k++) {
      for (let d = 0; d < 3; d++) {
        const at = (b * LENGTH + k) * 3 + d;
        for (let n = 0; n < 4; n++) {
          const [i, j] = [d * 4 + n, (b * 3 + d) * 4 + n];
          const [alpha, delta] = [sigmoid(valueOf("alpha", i)), sigmoid(valueOf("delta", i))];
          const expanded = valueOf("beta", i) * u.data[at]!;
          h[j] = alpha * expanded + (1 - alpha * delta) * h[j]!;
          y[at]! += valueOf("eta", i) * h[j]!;
        }
      }
    }
  }
  return y;
}

Deno.test("dampedEma is Mega's recurrence", () => {
  const expected = averages().map((y, i) => silu(y + valueOf("omega", i % 3) * u.data[i]!));
  const { y } = dampedEma.forward(cpu, params, u);
  assert.ok(distance(cpu.dataOf(y), expected) < CLOSE);
});

Deno.test("dampedEma without damping is an exponential moving average", () => {
  // Equation 2 of the paper: y = α·u + (1 − α)·y, one average with δ = 1 and β = η = 1.
  const one = (value: number) => filled([1, 1], () => value);
  const tensors = {
    ...{ alpha: one(-1), delta: one(40), beta: one(1), eta: one(1) },
    omega: filled([1], () => 0),
  };
  const single = filled([1, LENGTH, 1], (i) => Math.cos(i));
  const ema = { config: { feature: 1, state: 1 }, tensors };
  const y = cpu.dataOf(dampedEma.forward(cpu, ema, single).y);
  const alpha = sigmoid(-1);
  let average = 0;
  single.data.forEach((value, k) => {
    average = alpha * value + (1 - alpha) * average;
    assert.ok(Math.abs(y[k]! - silu(average)) < CLOSE, `at ${k}`);
  });
});

/** The averages as a layer of S4D whose modes do not turn. */
function asS4d(): { config: S4dConfig; tensors: Record<string, Tensor> } {
  const { A, B, C } = dampedEmaSystem(params, "continuous");
  return {
    config: {
      ...{ feature: 3, state: 8, start: "real", discretization: "zoh", dtMin: 1, dtMax: 1 },
      ...{ activation: "silu", mix: false },
    },
    tensors: {
      logDt: filled([3], () => 0),
      logDecay: filled([3, 4], (i) => Math.log(-A.data[2 * i]!)),
      frequency: filled([3, 4], () => 0),
      B,
      // S4D takes twice the real part, for the conjugates that it does not store.
      C: filled([3, 4, 2], (i) => C.data[i]! / 2),
      D: params.tensors["omega"]!,
    },
  };
}

Deno.test("dampedEma is S4D with real modes, over equal and irregular samples", () => {
  for (const options of [{}, { dtScale: elapsed }]) {
    const ema = dampedEma.forward(cpu, params, u, options);
    const modes = s4d.forward(cpu, asS4d(), u, options);
    assert.ok(distance(cpu.dataOf(ema.y), cpu.dataOf(modes.y)) < CLOSE);
    const real = cpu.dataOf(modes.state["x"]!).filter((_, i) => i % 2 === 0);
    assert.ok(distance(cpu.dataOf(ema.state["h"]!), real) < CLOSE);
  }
});

Deno.test("dampedEma names what is out of range", () => {
  const refused = (change: object, field: string) =>
    assert.throws(() => dampedEma.init({ ...CONFIG, ...change }, seedRandom(1)), { field });
  refused({ feature: 0 }, "feature");
  refused({ state: 1.5 }, "state");
});
