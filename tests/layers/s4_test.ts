import assert from "node:assert/strict";
import { openTape } from "../../src/autodiff/tape.ts";
import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { s4, type S4Config, s4Convolve, s4Kernel, s4TruncatedOutput } from "../../src/layers/s4.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

const CONFIG: S4Config = {
  feature: 2,
  state: 16,
  measure: "legs",
  rank: 1,
  dtMin: 0.01,
  dtMax: 0.2,
  activation: "gelu",
  mix: true,
};

Deno.test("s4Convolve() is s4.forward() from a zero state", () => {
  for (const [measure, rank] of [["legs", 1], ["legt", 2], ["fourier", 1]] as const) {
    const params = s4.init({ ...CONFIG, measure, rank }, seedRandom(1));
    for (const length of [1, 2, 33, 64]) {
      const u = tensorOf(
        [2, length, 2],
        Float64Array.from({ length: 4 * length }, (_, i) => Math.sin(i)),
      );
      const scanned = cpu.dataOf(s4.forward(cpu, params, u).y);
      // Cauchy sums and FFT against the recurrence. That the slow pair of the Fourier measure
      // decays by 1e-4 a unit of time costs no digits at damped nodes.
      cpu.dataOf(s4Convolve(cpu, params, u)).forEach((value, i) => {
        const error = Math.abs(value - scanned[i]!);
        assert.ok(error < 1e-12, `${measure}, ${length} samples: off by ${error}`);
      });
    }
  }
});

Deno.test("s4Convolve() passes the same gradients back as s4.forward()", () => {
  for (const [measure, rank] of [["legs", 1], ["legt", 2]] as const) {
    const params = s4.init({ ...CONFIG, measure, rank }, seedRandom(1));
    const u = tensorOf([1, 33, 2], Float64Array.from({ length: 66 }, (_, i) => Math.sin(i)));
    const gradients = [false, true].map((isConvolved) => {
      const tape = openTape(cpu);
      const watched = Object.entries({ ...params.tensors, u }).map(([name, tensor]) =>
        [name, tape.watch(cpu.upload(tensor))] as const
      );
      const { u: input, ...tensors } = Object.fromEntries(watched);
      const own = { config: params.config, tensors };
      const y = isConvolved
        ? s4Convolve(tape.device, own, input!)
        : s4.forward(tape.device, own, input!).y;
      tape.backward([[y, tensorOf([1, 33, 2], u.data.map((value) => Math.cos(7 * value)))]]);
      return new Map(watched.map(([name, tensor]) => [
        name,
        cpu.dataOf(tape.gradient(tensor)!),
      ]));
    });
    for (const [name, byScan] of gradients[0]!) {
      const largest = Math.max(...byScan.map(Math.abs));
      gradients[1]!.get(name)!.forEach((value, i) => {
        // Two adjoints of one function; the convolution's goes through powers and resolvents.
        assert.ok(Math.abs(value - byScan[i]!) <= 1e-10 * largest, `${measure}: ${name}`);
      });
    }
  }
});

Deno.test("s4Kernel() gives the same taps whatever the length they are made for", () => {
  const params = s4.init(CONFIG, seedRandom(1));
  const short = cpu.dataOf(s4Kernel(cpu, params, 20, "f64"));
  const long = cpu.dataOf(s4Kernel(cpu, params, 200, "f64"));
  for (let d = 0; d < 2; d++) {
    for (let l = 0; l < 20; l++) {
      assert.ok(Math.abs(short[d * 32 + l]! - long[d * 256 + l]!) < 1e-12);
    }
  }
});

Deno.test("s4TruncatedOutput() tends to C as the length grows", () => {
  const params = s4.init(CONFIG, seedRandom(1));
  const C = params.tensors["C"]!.data;
  const gap = (taps: number) => {
    const { data } = s4TruncatedOutput(params, taps);
    return Math.max(...Array.from(data, (value, i) => Math.abs(value - C[i]!)));
  };
  assert.ok(gap(4) > 0.1);
  assert.ok(gap(1 << 16) < 1e-12);
});

Deno.test("s4 names what is out of range", () => {
  const refused = (change: object, field: string) =>
    assert.throws(() => s4.init({ ...CONFIG, ...change } as S4Config, seedRandom(1)), { field });
  refused({ state: 5 }, "state");
  refused({ rank: 3 }, "rank");
  refused({ measure: "legt", rank: 1 }, "rank");
  refused({ measure: "none" }, "measure");
});
