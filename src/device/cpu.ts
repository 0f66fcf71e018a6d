import { type FloatArray, floatArray, type Tensor } from "../tensor/tensor.ts";
import { expectAxis, sizeOf } from "../tensor/shape.ts";
import type { BufferHandle, CpuDevice, DeviceTensor } from "./device.ts";
import { openSimd, type SimdOptions } from "./simd.ts";

interface CpuBuffer extends BufferHandle {
  readonly data: FloatArray;
  /** The same array where it lies in the memory of the SIMD kernels, until it is freed. */
  held: Float32Array | undefined;
}

function isCpuBuffer(buffer: BufferHandle): buffer is CpuBuffer {
  return "data" in buffer;
}

/** Options of {@linkcode openCpu}. */
export interface CpuOptions {
  /** Fills fresh memory with NaN, so that an op that leaves an element unwritten shows in tests. */
  readonly poison?: boolean;
  /** SIMD kernels for f32; `false` leaves the twins alone. Default: on, with one thread. */
  readonly simd?: SimdOptions | false;
}

/**
 * The host as a device: memory is typed arrays, freed by the garbage collector. `upload` does not
 * copy, so an op must not write into its inputs (the op laws check that).
 */
export function openCpu(options: CpuOptions = {}): CpuDevice {
  let nextId = 1;
  function wrap(tensor: Tensor, held?: Float32Array): DeviceTensor {
    const { shape, dtype, data } = tensor;
    const buffer: CpuBuffer = { id: nextId++, bytes: data.byteLength, generation: 0, data, held };
    return { shape, dtype, buffer };
  }
  function dataOf(tensor: DeviceTensor): FloatArray {
    if (!isCpuBuffer(tensor.buffer)) throw new TypeError("Tensor is not on the CPU device");
    const { data, view } = tensor.buffer;
    if (view === undefined) return data;
    return data.subarray(view.start, view.start + sizeOf(tensor.shape));
  }
  const { simd = {}, poison = false } = options;
  const unit = simd === false ? undefined : openSimd({ poison, ...simd });
  return {
    kind: "cpu",
    simd: unit,
    alloc(shape, dtype, use) {
      const size = sizeOf(shape);
      const held = use === "resident" && dtype === "f32" ? unit?.hold(size) : undefined;
      const data = held ?? floatArray(dtype, size);
      if (poison) data.fill(NaN);
      return wrap({ shape, dtype, data }, held);
    },
    upload: (tensor) => wrap(tensor),
    write(tensor, data) {
      expectAxis("elements", sizeOf(tensor.shape), data.length);
      dataOf(tensor).set(data);
    },
    read: (tensor) =>
      Promise.resolve({ shape: tensor.shape, dtype: tensor.dtype, data: dataOf(tensor) }),
    free({ buffer }) {
      if (!isCpuBuffer(buffer) || buffer.held === undefined) return;
      unit!.release(buffer.held);
      buffer.held = undefined;
    },
    close() {
      unit?.close();
      return Promise.resolve();
    },
    dataOf,
  };
}
