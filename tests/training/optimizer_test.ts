import assert from "node:assert/strict";
import { openTape } from "../../src/autodiff/tape.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/cpu.ts";
import type { Device, DeviceTensor, Launch } from "../../src/device/device.ts";
import { openScope } from "../../src/device/scope.ts";
import { adam, add, gate, matmul, runOp } from "../../src/ops/mod.ts";
import { openOptimizer, type OptimizerState } from "../../src/training/optimizer.ts";
import { asDtype, type Dtype, type Tensor, tensorOf, zeros } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";
import { withLimits } from "../ops/_run.ts";

function drawn(shape: number[], seed: number): Tensor {
  const random = seedRandom(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return tensorOf(shape, Float64Array.from({ length: size }, () => nextNormal(random)));
}

type Tensors = Readonly<Record<string, DeviceTensor>>;

/** Gradients of |x·w + b − target|² / 2 through a tape, in their homes where there are any. */
function gradientsOf(device: Device, parameters: Tensors, dtype: Dtype, homes: Tensors = {}) {
  const tape = openTape(device);
  const scope = openScope(tape.device);
  for (const [name, tensor] of Object.entries(parameters)) tape.watch(tensor, homes[name]);
  const a = asDtype(drawn([20, 3], 1), dtype);
  const product = runOp(scope, matmul, { a, b: parameters["w"]!, bias: parameters["b"]! }, {}).c;
  const target = asDtype(drawn([20, 2], 2), dtype);
  const error = runOp(scope, add, { a: product, b: target }, {}).out;
  const square = runOp(scope, gate, { y: error, z: error }, { activation: "identity" }).out;
  const half = asDtype(tensorOf([20, 2], new Float64Array(40).fill(0.5)), dtype);
  tape.backward([[square, half]]);
  scope.release();
  return {
    tape,
    gradients: { w: tape.gradient(parameters["w"]!), b: tape.gradient(parameters["b"]!) },
  };
}

const OPTIONS = {
  clipNorm: 2,
  amsgrad: true,
  ofParameter: (name: string) => name === "b" ? { rateScale: 0.5, decay: 0 } : {},
};

interface Run {
  readonly steps: number;
  readonly saved?: OptimizerState;
  readonly from?: Record<string, Tensor>;
  readonly atHome?: boolean;
}

function train(device: Device, dtype: Dtype, { steps, saved, from, atHome = true }: Run) {
  const optimizer = openOptimizer(device, from ?? start(dtype), OPTIONS, saved);
  for (let i = 0; i < steps; i++) {
    const { parameters, homes } = optimizer;
    const { tape, gradients } = gradientsOf(device, parameters, dtype, atHome ? homes : {});
    optimizer.step(gradients, 0.05);
    tape.release();
  }
  return optimizer;
}

const start = (dtype: Dtype): Record<string, Tensor> => ({
  w: asDtype(drawn([3, 2], 3), dtype),
  b: asDtype(drawn([2], 4), dtype),
});

const bits = (device: ReturnType<typeof openCpu>, tensors: Tensors) =>
  Object.values(tensors).flatMap((tensor) => [...device.dataOf(tensor)]);

Deno.test("an optimizer finds the least squares", () => {
  const cpu = openCpu({ poison: true });
  const { parameters } = train(cpu, "f64", { steps: 400 });
  const { gradients } = gradientsOf(cpu, parameters, "f64");
  // Weight decay pulls by 0.01·|w|, so the gradient does not vanish wholly.
  const left = Math.hypot(...bits(cpu, { w: gradients.w!, b: gradients.b! }));
  assert.ok(left < 0.1, `a gradient of ${left} is left`);
});

Deno.test("a step has the bits of Adam on each parameter alone", () => {
  const cpu = openCpu({ poison: true });
  const optimizer = openOptimizer(cpu, start("f64"), OPTIONS);
  const { gradients } = gradientsOf(cpu, optimizer.parameters, "f64");
  const squared = bits(cpu, gradients as Tensors).reduce((sum, g) => sum + g * g, 0);
  const alone = Object.entries(start("f64")).flatMap(([name, parameter]) => {
    const zero = zeros(parameter.shape, "f64");
    const { decay = 0.01, rateScale = 1 } = OPTIONS.ofParameter(name);
    const { nextParameter } = runOp(cpu, adam, {
      parameter,
      gradient: gradients[name as "w" | "b"]!,
      ...{ mean: zero, variance: zero, largest: zero },
      squaredNorm: tensorOf([1], Float64Array.of(squared)),
    }, {
      rate: 0.05 * rateScale,
      step: 1,
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      decay,
      clipNorm: 2,
    });
    return [...cpu.dataOf(nextParameter)];
  });
  optimizer.step(gradients, 0.05);
  assert.deepEqual(bits(cpu, optimizer.parameters), alone);
});

Deno.test("gradients in their homes and elsewhere give the same steps", () => {
  const cpu = openCpu({ poison: true });
  const atHome = train(cpu, "f32", { steps: 3 });
  const elsewhere = train(cpu, "f32", { steps: 3, atHome: false });
  assert.deepEqual(bits(cpu, atHome.parameters), bits(cpu, elsewhere.parameters));
});

Deno.test("a saved optimizer goes on bit for bit", async () => {
  const cpu = openCpu({ poison: true });
  const whole = train(cpu, "f32", { steps: 7 });
  const first = train(cpu, "f32", { steps: 4 });
  const saved = await first.save();
  const second = train(cpu, "f32", { steps: 3, from: await first.read(), saved });
  assert.deepEqual(bits(cpu, second.parameters), bits(cpu, whole.parameters));
  assert.equal((await second.save()).steps, 7);
});

Deno.test("a parameter without a gradient stays, and so do its averages", async () => {
  const cpu = openCpu({ poison: true });
  const optimizer = openOptimizer(cpu, start("f64"), { clipNorm: 1 });
  const { gradients } = gradientsOf(cpu, optimizer.parameters, "f64");
  optimizer.step(gradients, 0.1);
  const [before, averages] = [await optimizer.read(), (await optimizer.save()).tensors];
  optimizer.step({ b: gradients["b"] }, 0.1);
  const [after, { tensors }] = [await optimizer.read(), await optimizer.save()];
  assert.deepEqual(after["w"], before["w"]);
  assert.notDeepEqual(after["b"], before["b"]);
  for (const kind of ["mean", "variance"]) {
    assert.deepEqual(tensors[`${kind}/w`], averages[`${kind}/w`]);
  }
  // Nor is the gradient that it had before a part of the norm.
  const squared = bits(cpu, { b: gradients["b"]! }).reduce((sum, g) => sum + g * g, 0);
  assert.ok(Math.abs(cpu.dataOf(optimizer.squaredNorm()!)[0]! - squared) < 1e-12 * squared);
});

Deno.test("an optimizer that does not clip takes no norm", () => {
  const cpu = openCpu({ poison: true });
  const optimizer = openOptimizer(cpu, start("f64"));
  optimizer.step(gradientsOf(cpu, optimizer.parameters, "f64").gradients, 0.1);
  assert.equal(optimizer.squaredNorm(), undefined);
});

gpuTest("training steps on the GPU are the CPU's, and give their memory back", async (gpu) => {
  const used = gpu.memory.used;
  const cpu = openCpu({ poison: true });
  const expected = train(cpu, "f64", { steps: 5 });
  const actual = train(gpu, "f32", { steps: 5 });
  for (const [name, { data }] of Object.entries(await actual.read())) {
    const reference = cpu.dataOf(expected.parameters[name]!);
    // Five steps of 0.05 on values near 1, each a quotient of f32 averages.
    data.forEach((value, i) => assert.ok(Math.abs(value - reference[i]!) < 1e-5, name));
  }
  actual.release();
  assert.equal(gpu.memory.used, used);
});

gpuTest("a step is one launch, and its norm two, however many parameters there are", (gpu) => {
  const entries: string[] = [];
  const scope = openScope(gpu);
  const spy: Device = {
    ...scope,
    dispatch(launches: readonly Launch[]) {
      entries.push(...launches.map(({ shader }) => shader));
      gpu.dispatch(launches);
    },
  } as Device;
  const names = Array.from({ length: 40 }, (_, i) => `p${i}`);
  const initial = Object.fromEntries(names.map((name) => [name, zeros([300], "f32")]));
  const optimizer = openOptimizer(spy, initial, { clipNorm: 1 });
  optimizer.step(optimizer.homes, 0.1);
  assert.deepEqual(entries, ["squared_norm", "squared_norm", "adam"]);
  scope.release();
  return Promise.resolve();
});

gpuTest("a step over several arenas is the step over one", async (gpu) => {
  const narrow = withLimits(gpu, { ...gpu.limits, bindingBytesMax: 256 });
  const [one, several] = [gpu, narrow].map((device) => train(device, "f32", { steps: 3 }));
  assert.deepEqual([one!.arenas.length, several!.arenas.length], [1, 2]);
  assert.deepEqual(await several!.read(), await one!.read());
  one!.release();
  several!.release();
  narrow.release();
});
