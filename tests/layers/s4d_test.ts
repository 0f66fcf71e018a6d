import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { dssKernel, s4d, type S4dConfig, s4dConvolve } from "../../src/layers/s4d.ts";
import { s4dDiscrete, s4dKernel } from "../../src/layers/s4d.ts";
import { tensorOf, zeros } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

const CONFIG: S4dConfig = {
  feature: 2,
  state: 6,
  start: "lin",
  discretization: "zoh",
  dtMin: 0.02,
  dtMax: 0.1,
  activation: "identity",
  mix: false,
};

function impulse(length: number, feature: number) {
  const u = zeros([1, length, feature], "f64");
  for (let d = 0; d < feature; d++) u.data[d] = 1;
  return u;
}

/** Largest difference of two arrays. */
function apart(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  return worst;
}

for (const discretization of ["zoh", "bilinear"] as const) {
  const params = s4d.init({ ...CONFIG, discretization }, seedRandom(1));

  Deno.test(`s4dKernel() is the response of the ${discretization} bank to an impulse`, () => {
    const length = 50;
    const { y } = s4d.forward(cpu, params, impulse(length, 2));
    const kernel = cpu.dataOf(s4dKernel(cpu, params, length, "f64"));
    const response = cpu.dataOf(y);
    for (let l = 0; l < length; l++) {
      for (let d = 0; d < 2; d++) {
        const skip = l === 0 ? params.tensors["D"]!.data[d]! : 0;
        // Fifty steps of rounding on values near 1.
        assert.ok(Math.abs(response[2 * l + d]! - skip - kernel[d * length + l]!) < 1e-13);
      }
    }
  });

  Deno.test(`s4dConvolve() is forward of the ${discretization} bank`, () => {
    const random = seedRandom(2);
    const data = Float64Array.from({ length: 3 * 45 * 2 }, () => nextNormal(random));
    const u = tensorOf([3, 45, 2], data);
    const mixed = s4d.init({ ...CONFIG, discretization, activation: "gelu", mix: true }, random);
    const scanned = cpu.dataOf(s4d.forward(cpu, mixed, u).y);
    // An FFT of 128 points on values near 1.
    assert.ok(apart(cpu.dataOf(s4dConvolve(cpu, mixed, u)), scanned) < 1e-13);
  });
}

Deno.test("s4d init starts lambda and dt where the configuration says", () => {
  const { tensors } = s4d.init({ ...CONFIG, feature: 40 }, seedRandom(7));
  assert.deepEqual(Array.from(tensors["frequency"]!.data.slice(0, 3)), [0, -Math.PI, -2 * Math.PI]);
  assert.ok(tensors["logDecay"]!.data.every((value) => Math.abs(Math.exp(value) - 0.5) < 1e-15));
  for (const value of tensors["logDt"]!.data) {
    assert.ok(Math.exp(value) >= 0.02 * (1 - 1e-12) && Math.exp(value) <= 0.1 * (1 + 1e-12));
  }
});

Deno.test("s4dDiscrete() of twice the elapsed time is the square", () => {
  const params = s4d.init(CONFIG, seedRandom(1));
  const once = s4dDiscrete(params).Abar;
  const twice = s4dDiscrete(params, 2).Abar;
  for (let i = 0; i < once.length; i += 2) {
    assert.ok(Math.abs(twice[i]! - (once[i]! ** 2 - once[i + 1]! ** 2)) < 1e-15);
    assert.ok(Math.abs(twice[i + 1]! - 2 * once[i]! * once[i + 1]!) < 1e-15);
  }
});

Deno.test("dssKernel() sums to the normalised modes", () => {
  const config: S4dConfig = { ...CONFIG, feature: 1, start: "real" };
  const made = s4d.init(config, seedRandom(1));
  const ones = tensorOf([1, 3, 2], Float64Array.of(1, 0, 1, 0, 1, 0));
  const params = { config, tensors: { ...made.tensors, B: ones, C: ones } };
  const kernel = cpu.dataOf(dssKernel(cpu, params, 400, "f64"));
  let sum = 0;
  for (const value of kernel) sum += value;
  // Each real mode's weights sum to 1/lambda, lambda = -1, -2, -3, up to the regularisation.
  assert.ok(Math.abs(sum + 1 + 1 / 2 + 1 / 3) < 1e-5, `sum ${sum}`);
});

Deno.test("s4d names what is out of range", () => {
  const broken: [Partial<S4dConfig>, RegExp][] = [
    [{ feature: 0 }, /feature is "0"/],
    [{ state: 5 }, /state is "5"/],
    [{ dtMin: 0 }, /dtMin is "0"/],
    [{ dtMax: 0.001 }, /dtMax is "0.001"/],
    [{ start: "none" as "lin" }, /start is "none"/],
    [{ discretization: "euler" as "zoh" }, /discretization is "euler"/],
  ];
  for (const [change, message] of broken) {
    assert.throws(() => s4d.init({ ...CONFIG, ...change }, seedRandom(1)), message);
  }
});

Deno.test("s4d forward names the axis that differs", () => {
  const params = s4d.init(CONFIG, seedRandom(1));
  assert.throws(() => s4d.forward(cpu, params, zeros([1, 4, 3], "f64")), { name: "ShapeError" });
  const u = zeros([1, 4, 2], "f64");
  const dtScale = zeros([1, 5], "f64");
  assert.throws(() => s4d.forward(cpu, params, u, { dtScale }), /dtScale\.length/);
  const state = { x: zeros([2, 2, 3, 2], "f64") };
  assert.throws(() => s4d.forward(cpu, params, u, { state }), { name: "ShapeError" });
});
