import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import {
  lssl,
  type LsslConfig,
  lsslConvolve,
  lsslDiscrete,
  lsslKernel,
  lsslKrylov,
} from "../../src/layers/lssl.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

const CONFIG: LsslConfig = {
  feature: 2,
  state: 5,
  channel: 3,
  measure: "legs",
  discretization: "gbt",
  alpha: 0.5,
  dtMin: 0.01,
  dtMax: 0.2,
  activation: "gelu",
  mix: true,
};

Deno.test("lsslConvolve() is lssl.forward() from a zero state", () => {
  for (const change of [{}, { mix: false }, { channel: 1 }, { alpha: 1 }]) {
    const params = lssl.init({ ...CONFIG, ...change }, seedRandom(1));
    const u = tensorOf([2, 33, 2], Float64Array.from({ length: 132 }, (_, i) => Math.sin(i)));
    const scanned = cpu.dataOf(lssl.forward(cpu, params, u).y);
    cpu.dataOf(lsslConvolve(cpu, params, u)).forEach((value, i) => {
      // FFT rounding against the recurrence, on values near 10.
      assert.ok(Math.abs(value - scanned[i]!) < 1e-12);
    });
  }
});

Deno.test("lsslKrylov() holds Abar^l·Bbar, lsslKernel() its product with C", () => {
  const params = lssl.init(CONFIG, seedRandom(1));
  const { A, B } = lsslDiscrete(params);
  const krylov = cpu.dataOf(lsslKrylov(cpu, params, 4, "f64"));
  const kernel = cpu.dataOf(lsslKernel(cpu, params, 4, "f64"));
  const d = 1;
  let column = Array.from(B.data.slice(d * 5, (d + 1) * 5));
  for (let l = 0; l < 4; l++) {
    column.forEach((value, n) => {
      assert.ok(Math.abs(krylov[(d * 5 + n) * 4 + l]! - value) < 1e-14);
    });
    const row = params.tensors["C"]!.data.slice((d * 3 + 2) * 5, (d * 3 + 3) * 5);
    const tap = column.reduce((sum, value, n) => sum + value * row[n]!, 0);
    assert.ok(Math.abs(kernel[(d * 3 + 2) * 4 + l]! - tap) < 1e-14);
    column = column.map((_, i) =>
      column.reduce((sum, value, j) => sum + A.data[(d * 5 + i) * 5 + j]! * value, 0)
    );
  }
});

Deno.test("lssl names what is out of range", () => {
  const refused = (change: object, field: string) =>
    assert.throws(() => lssl.init({ ...CONFIG, ...change } as LsslConfig, seedRandom(1)), {
      field,
    });
  refused({ alpha: 1.5 }, "alpha");
  refused({ channel: 0 }, "channel");
  refused({ measure: "none" }, "measure");
  refused({ discretization: "euler" }, "discretization");
});
