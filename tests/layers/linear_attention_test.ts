import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import {
  linearAttention,
  type LinearAttentionConfig,
  retentionLogDecays,
} from "../../src/layers/linear_attention.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

const CONFIG: LinearAttentionConfig = {
  feature: 6,
  head: 2,
  state: 4,
  decay: "gated",
  chunk: 8,
  eps: 1e-5,
};

const LENGTH = 17;
const u = tensorOf(
  [1, LENGTH, 6],
  Float64Array.from({ length: LENGTH * 6 }, (_, i) => Math.sin(i * i)),
);

/** y = x·Wᵀ for rows of x. */
function linear(x: Float64Array, W: Tensor): Float64Array {
  const [out = 0, width = 0] = W.shape;
  const rows = x.length / width;
  return Float64Array.from({ length: rows * out }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < width; i++) {
      sum += x[Math.floor(at / out) * width + i]! * W.data[at % out * width + i]!;
    }
    return sum;
  });
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** The layer as its equations say it, head by head. */
function plain(config: LinearAttentionConfig, tensors: Record<string, Tensor>): Float64Array {
  const { feature, head, state, decay, eps } = config;
  const size = feature / head;
  const rows = tensors["inProj"]!.shape[0]!;
  const projected = linear(u.data as Float64Array, tensors["inProj"]!);
  const gated = new Float64Array(LENGTH * feature);
  for (let h = 0; h < head; h++) {
    const S = new Float64Array(size * state);
    for (let i = 0; i < LENGTH; i++) {
      const at = (start: number) => i * rows + start;
      const alpha = {
        none: () => 1,
        fixed: () => 1 - 2 ** (-5 - h),
        gated: () => {
          const g = projected[at(2 * feature + 2 * head * state + h)]!;
          return sigmoid(g + tensors["gateBias"]!.data[h]!) ** (1 / 16);
        },
      }[decay]();
      const y = new Float64Array(size);
      for (let p = 0; p < size; p++) {
        for (let n = 0; n < state; n++) {
          const value = projected[at(feature + h * size + p)]!;
          const key = projected[at(2 * feature + h * state + n)]!;
          const query = projected[at(2 * feature + (head + h) * state + n)]!;
          S[p * state + n] = alpha * S[p * state + n]! + value * key;
          y[p]! += S[p * state + n]! * query;
        }
      }
      const scale = Math.sqrt(y.reduce((sum, value) => sum + value * value, 0) / size + eps);
      for (let p = 0; p < size; p++) {
        const z = projected[at(h * size + p)]!;
        const weight = tensors["normWeight"]!.data[h * size + p]!;
        gated[i * feature + h * size + p] = y[p]! / scale * weight * z * sigmoid(z);
      }
    }
  }
  return linear(gated, tensors["outProj"]!);
}

Deno.test("linearAttention is its equations, whatever the decay and the chunk", () => {
  for (const decay of ["none", "fixed", "gated"] as const) {
    for (const chunk of [1, 8, 40]) {
      const config = { ...CONFIG, decay, chunk };
      const params = linearAttention.init(config, seedRandom(3));
      const tensors: Record<string, Tensor> = { ...params.tensors };
      if (decay === "gated") tensors["gateBias"] = tensorOf([2], Float64Array.of(-1, 2));
      const y = cpu.dataOf(linearAttention.forward(cpu, { config, tensors }, u).y);
      // Some tens of roundings on values near 1.
      plain(config, tensors).forEach((value, i) =>
        assert.ok(Math.abs(value - y[i]!) < 1e-12, `${decay}, chunk ${chunk}, at ${i}`)
      );
    }
  }
});

Deno.test("retentionLogDecays() are RetNet's 1 − 2^(−5−h)", () => {
  const expected = [31 / 32, 63 / 64, 127 / 128, 255 / 256];
  retentionLogDecays(4).forEach((log, h) => {
    assert.ok(Math.abs(Math.exp(log) - expected[h]!) < 1e-15);
  });
});

Deno.test("linearAttention names what is out of range", () => {
  const refused = (change: object, field: string) =>
    assert.throws(() => linearAttention.init({ ...CONFIG, ...change }, seedRandom(1)), { field });
  refused({ head: 4 }, "head");
  refused({ state: 0 }, "state");
  refused({ decay: "slow" }, "decay");
  refused({ eps: 0 }, "eps");
});
