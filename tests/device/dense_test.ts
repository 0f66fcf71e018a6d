import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { denseBytes, denseMatrixBytes, DenseUnit } from "../../src/device/mod.ts";

function draws(length: number, seed: number): Float32Array {
  const random = seedRandom(seed);
  return Float32Array.from({ length }, () => nextNormal(random));
}

/** In f32, one product after the other: what the kernel has to give bit for bit. */
function plainProduct(
  start: (row: number, output: number) => number,
  a: Float32Array,
  weight: Float32Array,
  sizes: { rows: number; outputs: number; inputs: number },
): Float32Array {
  const { rows, outputs, inputs } = sizes;
  const out = new Float32Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outputs; o++) {
      let sum = start(r, o);
      for (let i = 0; i < inputs; i++) {
        sum = Math.fround(sum + Math.fround(a[r * inputs + i]! * weight[o * inputs + i]!));
      }
      out[r * outputs + o] = sum;
    }
  }
  return out;
}

for (
  const [rows, outputs, inputs] of [[1, 1, 1], [3, 5, 7], [6, 43, 19], [9, 96, 33], [
    5,
    20,
    32,
  ]] as const
) {
  Deno.test(`DenseUnit multiplies ${rows}×${inputs} by ${outputs} outputs in one order`, () => {
    const sizes = { rows, outputs, inputs };
    const unit = new DenseUnit(
      denseMatrixBytes(outputs, inputs) + denseBytes(rows * inputs) + denseBytes(outputs) +
        denseBytes(rows * outputs),
    );
    const weight = draws(outputs * inputs, 1);
    const matrix = unit.matrix(weight, outputs, inputs);
    const a = unit.place(draws(rows * inputs, 2));
    const bias = unit.place(draws(outputs, 3));
    const out = unit.floats(rows * outputs);
    unit.product(out, a, matrix, rows, bias);
    const first = plainProduct((_, o) => bias[o]!, a, weight, sizes);
    assert.deepEqual([...out], [...first]);
    unit.addProduct(out, a, matrix, rows);
    const start = (r: number, o: number) => first[r * outputs + o]!;
    assert.deepEqual([...out], [...plainProduct(start, a, weight, sizes)]);
    unit.product(out, a, matrix, rows);
    assert.deepEqual([...out], [...plainProduct(() => 0, a, weight, sizes)]);
  });
}

Deno.test("DenseUnit normalises and gates as the equations have it", () => {
  const [rows, width] = [3, 7];
  const unit = new DenseUnit(6 * denseBytes(rows * width) + 2 * denseBytes(width));
  const x = unit.place(draws(rows * width, 1));
  const z = unit.place(draws(2 * rows * width, 2));
  const weight = unit.place(draws(width, 3));
  const bias = unit.place(draws(width, 4));
  const out = unit.floats(rows * width);
  const near = (expected: (row: number, i: number) => number) => {
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < width; i++) {
        const difference = Math.abs(out[r * width + i]! - expected(r, i));
        assert.ok(difference < 1e-5, `row ${r}, ${i}: ${difference}`);
      }
    }
  };
  const row = (r: number) => x.subarray(r * width, (r + 1) * width);
  const mean = (r: number) => row(r).reduce((a, b) => a + b, 0) / width;
  const square = (r: number, less: number) =>
    row(r).reduce((sum, value) => sum + (value - less) ** 2, 0) / width;
  unit.layerNorm(out, x, weight, bias, rows, 1e-5);
  near((r, i) =>
    (row(r)[i]! - mean(r)) / Math.sqrt(square(r, mean(r)) + 1e-5) * weight[i]! + bias[i]!
  );
  unit.rmsNorm(out, x, weight, rows, 1e-5);
  near((r, i) => row(r)[i]! / Math.sqrt(square(r, 0) + 1e-5) * weight[i]!);
  const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
  unit.gate("sigmoid", out, x, z, rows, width);
  near((r, i) => row(r)[i]! * sigmoid(z[r * width + i]!));
  unit.gateHalves("silu", out, z, rows, width);
  near((r, i) => {
    const gate = z[2 * r * width + width + i]!;
    return z[2 * r * width + i]! * gate * sigmoid(gate);
  });
  unit.activate("silu", out, x, rows * width);
  near((r, i) => row(r)[i]! * sigmoid(row(r)[i]!));
});

Deno.test("DenseUnit gives no more room than it was made for", () => {
  const unit = new DenseUnit(1000);
  assert.throws(() => unit.floats(40_000), /asked for more than it was made for/);
});

Deno.test("DenseUnit takes one step of the selective recurrence", () => {
  const [feature, state] = [8, 4];
  const arrays = { u: 8, delta: 8, D: 8, y: 8, A: 32, states: 32, B: 4, C: 4 };
  const bytes = Object.values(arrays).reduce((sum, length) => sum + denseBytes(length), 0);
  const unit = new DenseUnit(bytes);
  const step = {
    u: unit.place(draws(8, 1)),
    delta: unit.place(draws(8, 2).map(Math.abs)),
    D: unit.place(draws(8, 3)),
    A: unit.place(draws(32, 4).map((value) => -Math.abs(value))),
    B: unit.place(draws(4, 5)),
    C: unit.place(draws(4, 6)),
    states: unit.place(draws(32, 7)),
    y: unit.floats(8),
  };
  const before = step.states.slice();
  unit.selectiveStep(step);
  for (let d = 0; d < feature; d++) {
    let y = step.D[d]! * step.u[d]!;
    for (let n = 0; n < state; n++) {
      const at = 4 * d + n;
      const next = Math.exp(step.delta[d]! * step.A[at]!) * before[at]! +
        step.delta[d]! * step.u[d]! * step.B[n]!;
      assert.ok(Math.abs(step.states[at]! - next) < 1e-5);
      y += step.C[n]! * next;
    }
    assert.ok(Math.abs(step.y[d]! - y) < 1e-5);
  }
});

Deno.test("DenseUnit mixes the anchors that are there and spreads quantiles around them", () => {
  const [rows, anchor, level] = [3, 5, 4];
  const columns = anchor + 1 + level;
  const sizes = [rows * columns, rows * anchor, rows * anchor, rows, rows * level, level];
  const unit = new DenseUnit(sizes.reduce((sum, size) => sum + denseBytes(size), 0));
  const z = unit.place(draws(rows * columns, 1));
  const anchors = unit.place(draws(rows * anchor, 2));
  const valid = unit.place(Array.from({ length: rows * anchor }, (_, i) => i % 3 === 1 ? 0 : 1));
  anchors[1] = NaN;
  const scale = unit.place([0.5, 2, 1]);
  const [q, offsets] = [unit.floats(rows * level), unit.floats(level)];
  unit.anchorMixture({ q, z, anchors, valid, scale, offsets }, rows, anchor);
  const softplus = (x: number) => Math.log1p(Math.exp(x));
  for (let row = 0; row < rows; row++) {
    let [total, sum] = [0, 0];
    for (let i = 0; i < anchor; i++) {
      if (valid[row * anchor + i] === 0) continue;
      const weight = Math.exp(z[row * columns + i]!);
      total += weight;
      sum += weight * anchors[row * anchor + i]!;
    }
    const gain = scale[row]! * Math.exp(z[row * columns + anchor]!);
    const raw = z.subarray(row * columns + anchor + 1, (row + 1) * columns);
    const low = raw[2]! - softplus(raw[1]! - 0.5);
    const offset = [low - softplus(raw[0]! - 0.5), low, raw[2]!, raw[2]! + softplus(raw[3]! - 0.5)];
    offset.forEach((from, k) => {
      const expected = sum / total + gain * from;
      assert.ok(Math.abs(q[row * level + k]! - expected) < 1e-5, `row ${row}, level ${k}`);
    });
  }
});
