import type { FloatArray, Tensor } from "../tensor/tensor.ts";
import { expectAxis, sizeOf } from "../tensor/shape.ts";
import { ArrayPool } from "./array_pool.ts";
import type { BufferHandle, CpuDevice, DeviceTensor } from "./device.ts";
import { openSimd, type SimdOptions } from "./simd.ts";

interface CpuBuffer extends BufferHandle {
  readonly data: FloatArray;
  /** The same array where it lies in the memory of the SIMD kernels, until it is freed. */
  held: Float32Array | undefined;
  /** What a tensor and its views share, where the array is this device's own and may be reused. */
  readonly reuse: { isPossible: boolean } | undefined;
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
 * The host as a device: memory is typed arrays. `upload` does not copy, so an op must not write
 * into its inputs (the op laws check that). A freed array that nobody was shown (by `read` or
 * `dataOf`) serves again; what somebody was shown is his, and left to the garbage collector.
 */
export function openCpu(options: CpuOptions = {}): CpuDevice {
  let nextId = 1;
  function wrap(
    { shape, dtype, data }: Tensor,
    { held, reuse }: Partial<Pick<CpuBuffer, "held" | "reuse">> = {},
  ): DeviceTensor {
    const place = { id: nextId++, bytes: data.byteLength, generation: 0 };
    const buffer: CpuBuffer = { ...place, data, held, reuse };
    return { shape, dtype, buffer };
  }
  function arrayOf(tensor: DeviceTensor): FloatArray {
    if (!isCpuBuffer(tensor.buffer)) throw new TypeError("Tensor is not on the CPU device");
    const { data, view } = tensor.buffer;
    if (view === undefined) return data;
    return data.subarray(view.start, view.start + sizeOf(tensor.shape));
  }
  function dataOf(tensor: DeviceTensor): FloatArray {
    const array = arrayOf(tensor);
    const { reuse } = tensor.buffer as CpuBuffer;
    if (reuse !== undefined) reuse.isPossible = false;
    return array;
  }
  const { simd = {}, poison = false } = options;
  const pool = new ArrayPool();
  const unit = simd === false ? undefined : openSimd({ poison, ...simd });
  return {
    kind: "cpu",
    simd: unit,
    alloc(shape, dtype, use) {
      const size = sizeOf(shape);
      const held = use === "resident" && dtype === "f32" ? unit?.hold(size) : undefined;
      const data = held ?? pool.take(dtype, size);
      if (poison) data.fill(NaN);
      return wrap(
        { shape, dtype, data },
        held === undefined ? { reuse: { isPossible: true } } : { held },
      );
    },
    upload: (tensor) => wrap(tensor),
    write(tensor, data) {
      expectAxis("elements", sizeOf(tensor.shape), data.length);
      arrayOf(tensor).set(data);
    },
    read: (tensor) =>
      Promise.resolve({ shape: tensor.shape, dtype: tensor.dtype, data: dataOf(tensor) }),
    free({ buffer, dtype }) {
      if (!isCpuBuffer(buffer)) return;
      if (buffer.reuse?.isPossible && buffer.view === undefined) {
        buffer.reuse.isPossible = false;
        // Whoever goes on using it in a test shall see it.
        if (poison) buffer.data.fill(NaN);
        pool.give(dtype, buffer.data);
      }
      if (buffer.held === undefined) return;
      unit!.release(buffer.held);
      buffer.held = undefined;
    },
    close() {
      unit?.close();
      return Promise.resolve();
    },
    dataOf,
    arrayOf,
  };
}
