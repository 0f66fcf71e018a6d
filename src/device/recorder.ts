/**
 * A GPU that computes nothing and notes what it is asked to launch: so a model's programs are known
 * before there are samples, without memory or time of the GPU (`WebGpuDevice.compileAhead`).
 */
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { DTYPE_BYTES, zeros } from "../tensor/tensor.ts";
import { invariant } from "../base/invariant.ts";
import type { DeviceTensor, GpuDevice, GpuLimits, Launch } from "./device.ts";

/**
 * Opens such a device. Its tensors have shapes and no values: whatever is read from it is 0.
 *
 * @param limits  those of the GPU that will run the launches: plans follow them
 * @param listen  told of launches as they are issued, in order
 */
export function openRecorder(
  limits: GpuLimits,
  listen: (launches: readonly Launch[]) => void,
): GpuDevice {
  let nextId = 1;
  const tables = new Map<string, DeviceTensor>();
  const alloc = (shape: Shape): DeviceTensor => ({
    shape,
    dtype: "f32",
    buffer: { id: nextId++, bytes: sizeOf(shape) * DTYPE_BYTES.f32, generation: 0 },
  });
  return {
    kind: "webgpu",
    info: {
      vendor: "",
      device: "",
      description: "none: plans only",
      software: true,
      fastReadback: false,
      timestamps: false,
    },
    limits,
    alloc,
    upload: ({ shape }) => alloc(shape),
    write() {},
    read: ({ shape }) => Promise.resolve(zeros(shape, "f32")),
    free() {},
    close: () => Promise.resolve(),
    dispatch: listen,
    table(key, make) {
      if (!tables.has(key)) tables.set(key, alloc([make().length]));
      const table = tables.get(key);
      invariant(table, "a table is kept under its key");
      return table;
    },
  };
}

/**
 * What a stretch of work would launch on a GPU of these limits.
 *
 * @param work  issues it on the device that it is given: a model's forward, an iteration
 */
export async function recordLaunches(
  limits: GpuLimits,
  work: (device: GpuDevice) => void | Promise<void>,
): Promise<Launch[]> {
  const issued: Launch[] = [];
  await work(openRecorder(limits, (launches) => void issued.push(...launches)));
  return issued;
}
