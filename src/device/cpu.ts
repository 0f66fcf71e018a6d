import { type Dtype, type FloatArray, floatArray, type Tensor } from "../tensor/tensor.ts";
import { expectAxis, type Shape, sizeOf } from "../tensor/shape.ts";
import { ArrayPool, type ArraySource } from "./array_pool.ts";
import type { BufferHandle, CpuDevice, DeviceTensor, SimdUnit } from "./device.ts";
import { openSimd, type SimdOptions } from "./simd.ts";

/** Memory of the device's own, shared by a tensor and its views. */
interface Owned {
  readonly array: FloatArray;
  readonly use: "resident" | undefined;
  /** Nobody else has the array: it may serve another tensor once this one is freed. */
  isOurs: boolean;
}

interface CpuBuffer extends BufferHandle {
  readonly data: FloatArray;
  /** Undefined where the memory is the caller's. */
  readonly owned: Owned | undefined;
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
  /**
   * Tensors are left to the garbage collector rather than freed: none lies in the memory of the
   * kernels, which the collector does not know the size of. Default false.
   */
  readonly collected?: boolean;
}

/**
 * Where the device's own arrays come from: in f32 from the memory of the SIMD kernels, as long as
 * there is place for them.
 */
function arraySource(unit: SimdUnit | undefined): ArraySource {
  return {
    make: (dtype, length) =>
      (dtype === "f32" ? unit?.hold(length, "tensor") : undefined) ?? floatArray(dtype, length),
    drop(array) {
      if (unit?.holds(array)) unit.release(array);
    },
  };
}

/**
 * The host as a device: memory is typed arrays, long ones in f32 in the memory of the SIMD kernels.
 * `upload` does not copy, so an op must not write into its inputs (the op laws check that). A freed
 * array serves again, unless somebody was shown it (by `read` or `dataOf`): then it is his, and
 * left to the garbage collector. Of what lies in the kernels' memory everybody is shown a copy.
 *
 * A tensor that nobody freed gives its memory back when the collector finds it gone.
 */
export function openCpu(options: CpuOptions = {}): CpuDevice {
  const { simd = {}, poison = false, collected = false } = options;
  const unit = simd === false ? undefined : openSimd({ poison, ...simd });
  const source = arraySource(collected ? undefined : unit);
  const pool = new ArrayPool(source);
  const forgotten = new FinalizationRegistry<FloatArray>((array) => source.drop(array));
  let nextId = 1;

  function wrap({ shape, dtype, data }: Tensor, owned?: Owned): DeviceTensor {
    const place = { id: nextId++, bytes: data.byteLength, generation: 0 };
    const buffer: CpuBuffer = { ...place, data, owned };
    return { shape, dtype, buffer };
  }
  function own(shape: Shape, dtype: Dtype, use: "resident" | undefined): DeviceTensor {
    const size = sizeOf(shape);
    const resident = use && dtype === "f32" ? unit?.hold(size, "resident") : undefined;
    const array = resident ?? pool.take(dtype, size);
    if (poison) array.fill(NaN);
    const owned: Owned = { array, use: resident && use, isOurs: true };
    if (resident === undefined && unit?.holds(array)) forgotten.register(owned, array, owned);
    return wrap({ shape, dtype, data: array } as Tensor, owned);
  }
  function arrayOf(tensor: DeviceTensor): FloatArray {
    if (!isCpuBuffer(tensor.buffer)) throw new TypeError("Tensor is not on the CPU device");
    const { data, view } = tensor.buffer;
    if (view === undefined) return data;
    return data.subarray(view.start, view.start + sizeOf(tensor.shape));
  }
  function dataOf(tensor: DeviceTensor): FloatArray {
    const array = arrayOf(tensor);
    const { owned } = tensor.buffer as CpuBuffer;
    if (owned === undefined || owned.use === "resident") return array;
    if (unit?.holds(array)) return array.slice();
    owned.isOurs = false;
    return array;
  }

  return {
    kind: "cpu",
    simd: unit,
    alloc: own,
    upload: (tensor) => wrap(tensor),
    write(tensor, data) {
      expectAxis("elements", sizeOf(tensor.shape), data.length);
      arrayOf(tensor).set(data);
    },
    read: (tensor) =>
      Promise.resolve({ shape: tensor.shape, dtype: tensor.dtype, data: dataOf(tensor) } as Tensor),
    free({ buffer, dtype }) {
      if (!isCpuBuffer(buffer) || buffer.view !== undefined || !buffer.owned?.isOurs) return;
      const { owned } = buffer;
      owned.isOurs = false;
      forgotten.unregister(owned);
      // Whoever goes on using it in a test shall see it.
      if (poison) owned.array.fill(NaN);
      if (owned.use === "resident") unit!.release(owned.array);
      else pool.give(dtype, owned.array);
    },
    close() {
      unit?.close();
      return Promise.resolve();
    },
    dataOf,
    arrayOf,
  };
}
