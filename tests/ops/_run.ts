/** Small helpers of the op tests: run on the CPU in f64, make tensors from numbers. */
import assert from "node:assert/strict";
import type { GpuDevice, GpuLimits } from "../../src/device/device.ts";
import { openCpu } from "../../src/device/cpu.ts";
import { openScope, type ScopedDevice } from "../../src/device/scope.ts";
import type { AnyOp } from "../../src/ops/op.ts";
import type { LaunchPlan } from "../../src/ops/op.ts";
import { runOp } from "../../src/ops/run.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

/** An f64 tensor. */
export function t(shape: Shape, values: ArrayLike<number>): Tensor {
  return tensorOf(shape, Float64Array.from(values));
}

/** An f64 tensor filled by index. */
export function filled(shape: Shape, at: (i: number) => number): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return t(shape, Array.from({ length: size }, (_, i) => at(i)));
}

/** The outputs of an op on the CPU, on the host. */
export async function run(
  op: AnyOp,
  inputs: Record<string, Tensor>,
  params: unknown,
): Promise<Record<string, Tensor>> {
  const outputs = runOp(cpu, op, inputs, params);
  const read: Record<string, Tensor> = {};
  for (const name of op.outputs) read[name] = await cpu.read(outputs[name]!);
  return read;
}

/** Largest absolute difference. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}

/** Steps `start` to `end` of a tensor with axes [batch, length, ..]. */
export function steps(tensor: Tensor, start: number, end: number): Tensor {
  const [batch, length, ...rest] = tensor.shape as [number, number, ...number[]];
  const width = rest.reduce((a, b) => a * b, 1);
  const out: number[] = [];
  for (let b = 0; b < batch; b++) {
    const at = b * length * width;
    out.push(...tensor.data.subarray(at + start * width, at + end * width));
  }
  return t([batch, end - start, ...rest], out);
}

/** What every WebGPU device has. */
export const DEFAULT_LIMITS: GpuLimits = {
  workgroupBytesMax: 16_384,
  invocationsMax: 256,
  storageBuffersMax: 8,
  bindingBytesMax: 134_217_728,
  workgroupsPerAxisMax: 65_535,
  subgroupSize: 0,
  f16: false,
};

/** A GPU that says it has other limits: what runs on it is planned for these. What it allocates goes back at `release`. */
export function withLimits(
  gpu: GpuDevice,
  limits: GpuLimits,
): GpuDevice & Pick<ScopedDevice, "release"> {
  const scope = openScope(gpu);
  assert.ok(scope.kind === "webgpu");
  return {
    ...scope,
    limits,
    dispatch(launches) {
      for (const { bindings, entry } of launches) {
        assert.ok(Object.keys(bindings).length <= limits.storageBuffersMax, entry);
      }
      scope.dispatch(launches);
    },
  };
}

/** f32 elements that a plan allocates for its run only. */
export function scratchOf({ scratch }: LaunchPlan): number {
  return Object.values(scratch).reduce((sum, count) => sum + count, 0);
}

/** The most storage buffers that a pass binds. */
export function buffersOf({ passes }: LaunchPlan): number {
  return Math.max(...passes.map(({ bindings }) => bindings.length));
}
