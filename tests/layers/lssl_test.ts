import assert from "node:assert/strict";
import { openTape } from "../../src/autodiff/tape.ts";
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

Deno.test("lsslConvolve() passes the same gradients back as lssl.forward()", () => {
  for (const change of [{}, { discretization: "zoh", mix: false } as const]) {
    const params = lssl.init({ ...CONFIG, ...change }, seedRandom(1));
    const u = tensorOf([1, 33, 2], Float64Array.from({ length: 66 }, (_, i) => Math.sin(i)));
    const gradients = [false, true].map((isConvolved) => {
      const tape = openTape(cpu);
      const watched = Object.entries({ ...params.tensors, u }).map(([name, tensor]) =>
        [name, tape.watch(cpu.upload(tensor))] as const
      );
      const { u: input, ...tensors } = Object.fromEntries(watched);
      const own = { config: params.config, tensors };
      const y = isConvolved
        ? lsslConvolve(tape.device, own, input!)
        : lssl.forward(tape.device, own, input!).y;
      const size = y.shape.reduce((a, b) => a * b, 1);
      const weights = Float64Array.from({ length: size }, (_, i) => Math.cos(7 * i));
      tape.backward([[y, tensorOf(y.shape, weights)]]);
      return new Map(watched.map(([name, tensor]) => [name, cpu.dataOf(tape.gradient(tensor)!)]));
    });
    for (const [name, byScan] of gradients[0]!) {
      const largest = Math.max(...byScan.map(Math.abs));
      gradients[1]!.get(name)!.forEach((value, i) => {
        // Two adjoints of one function in f64.
        assert.ok(Math.abs(value - byScan[i]!) <= 1e-12 * largest, name);
      });
    }
  }
});

Deno.test("lssl.step() makes the systems of another elapsed time anew", () => {
  const params = lssl.init({ ...CONFIG, discretization: "zoh" }, seedRandom(1));
  const apart = { ...params.tensors, logDt: params.tensors["logDt"]! };
  apart.logDt = tensorOf([2], apart.logDt.data.map((value) => value + Math.log(2.5)));
  const u = Float64Array.of(0.3, -1);
  const states = [lssl.initialState(params.config, 1), lssl.initialState(params.config, 1)];
  const scaled = lssl.step(params, u, states[0]!, 2.5);
  const plain = lssl.step({ config: params.config, tensors: apart }, u, states[1]!);
  scaled.forEach((value, i) => assert.ok(Math.abs(value - plain[i]!) < 1e-14));
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
