import assert from "node:assert/strict";
import { openTape } from "../../src/autodiff/tape.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/cpu.ts";
import type { Device, DeviceTensor } from "../../src/device/device.ts";
import { openScope } from "../../src/device/scope.ts";
import { add, gate, matmul, runOp } from "../../src/ops/mod.ts";
import { openOptimizer, type OptimizerState } from "../../src/training/optimizer.ts";
import { asDtype, type Dtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";

function drawn(shape: number[], seed: number): Tensor {
  const random = seedRandom(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return tensorOf(shape, Float64Array.from({ length: size }, () => nextNormal(random)));
}

type Tensors = Record<string, DeviceTensor>;

/** Gradients of |x·w + b − target|² / 2 through a tape. */
function gradientsOf(device: Device, parameters: Tensors, dtype: Dtype) {
  const tape = openTape(device);
  const scope = openScope(tape.device);
  for (const tensor of Object.values(parameters)) tape.watch(tensor);
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

function train(device: Device, dtype: Dtype, from: Tensors, steps: number, saved?: OptimizerState) {
  const optimizer = openOptimizer(device, {
    clipNorm: 2,
    amsgrad: true,
    ofParameter: (name) => name === "b" ? { rateScale: 0.5, decay: 0 } : {},
  }, saved);
  let parameters = from;
  for (let i = 0; i < steps; i++) {
    const { tape, gradients } = gradientsOf(device, parameters, dtype);
    const next = optimizer.step(parameters, gradients, 0.05);
    tape.release();
    parameters = next;
  }
  return { optimizer, parameters };
}

const start = (device: Device, dtype: Dtype): Tensors => ({
  w: device.upload(asDtype(drawn([3, 2], 3), dtype)),
  b: device.upload(asDtype(drawn([2], 4), dtype)),
});

const bits = (device: ReturnType<typeof openCpu>, tensors: Tensors) =>
  Object.values(tensors).flatMap((tensor) => [...device.dataOf(tensor)]);

Deno.test("an optimizer finds the least squares", () => {
  const cpu = openCpu({ poison: true });
  const { parameters } = train(cpu, "f64", start(cpu, "f64"), 400);
  const { gradients } = gradientsOf(cpu, parameters, "f64");
  // Weight decay pulls by 0.01·|w|, so the gradient does not vanish wholly.
  const left = Math.hypot(...bits(cpu, { w: gradients.w!, b: gradients.b! }));
  assert.ok(left < 0.1, `a gradient of ${left} is left`);
});

Deno.test("a saved optimizer goes on bit for bit", async () => {
  const cpu = openCpu({ poison: true });
  const whole = train(cpu, "f32", start(cpu, "f32"), 7);
  const first = train(cpu, "f32", start(cpu, "f32"), 4);
  const second = train(cpu, "f32", first.parameters, 3, await first.optimizer.save());
  assert.deepEqual(bits(cpu, second.parameters), bits(cpu, whole.parameters));
  assert.equal((await second.optimizer.save()).steps, 7);
});

Deno.test("a parameter without a gradient stays", () => {
  const cpu = openCpu({ poison: true });
  const parameters = start(cpu, "f64");
  const optimizer = openOptimizer(cpu);
  const next = optimizer.step(parameters, { b: parameters["b"] }, 0.1);
  assert.equal(next["w"], parameters["w"]);
  assert.notEqual(next["b"], parameters["b"]);
  assert.equal(optimizer.squaredNorm(), undefined);
});

gpuTest("training steps on the GPU are the CPU's, and give their memory back", async (gpu) => {
  const used = gpu.memory.used;
  const cpu = openCpu({ poison: true });
  const expected = train(cpu, "f64", start(cpu, "f64"), 5);
  const actual = train(gpu, "f32", start(gpu, "f32"), 5);
  for (const [name, tensor] of Object.entries(actual.parameters)) {
    const { data } = await gpu.read(tensor);
    const reference = cpu.dataOf(expected.parameters[name]!);
    // Five steps of 0.05 on values near 1, each a quotient of f32 averages.
    data.forEach((value, i) => assert.ok(Math.abs(value - reference[i]!) < 1e-5, name));
    gpu.free(tensor);
  }
  actual.optimizer.release();
  assert.equal(gpu.memory.used, used);
});
