/** Tensors kept in half the memory, two binary16 numbers a word, by the shader of the op `half`. */
import type { Device, DeviceTensor, GpuDevice } from "../../device/device.ts";
import { type Shape, sizeOf } from "../../tensor/shape.ts";
import { DTYPE_BYTES, type Tensor } from "../../tensor/tensor.ts";
import { groupsFor, spreadGroups, WIDE_GROUP } from "./plan.ts";

/** The largest number of binary16. */
const HALF_MAX = 65_504;

/** The nearest number of binary16, the largest for what is beyond its range. */
export function roundedToHalf(x: number): number {
  return Math.f16round(Math.max(-HALF_MAX, Math.min(HALF_MAX, x)));
}

/** Numbers that an invocation of the shader has: four where all have four, else one or a pair. */
export function halfVectorOf(count: number): 1 | 4 {
  return count % 4 === 0 ? 4 : 1;
}

function dispatch(
  device: GpuDevice,
  entry: string,
  count: number,
  [plain, words]: readonly [DeviceTensor, DeviceTensor],
): void {
  const vector = halfVectorOf(count);
  const invocations = vector === 4 ? count / 4 : Math.ceil(count / 2);
  const bind = (tensor: DeviceTensor) => ({
    buffer: tensor.buffer,
    bytes: sizeOf(tensor.shape) * DTYPE_BYTES.f32,
  });
  device.dispatch([{
    shader: "half",
    entry,
    constants: { GROUP: WIDE_GROUP, VECTOR: vector },
    dims: { count: count / vector },
    bindings: entry === "pack_half"
      ? { x: bind(plain), packed: bind(words) }
      : { words: bind(words), out: bind(plain) },
    workgroups: spreadGroups(groupsFor(invocations, WIDE_GROUP), device.limits),
  }]);
}

/**
 * A tensor's numbers rounded to half precision, on a GPU in half its memory. On the CPU they keep
 * their dtype, so that what is computed from them is what a GPU computes.
 *
 * @returns to be unpacked by {@linkcode unpackHalf} and freed by the caller
 */
export function packHalf(device: Device, x: DeviceTensor): DeviceTensor {
  const count = sizeOf(x.shape);
  if (device.kind === "cpu") {
    const data = device.arrayOf(x).map(roundedToHalf);
    return device.upload({ shape: x.shape, dtype: x.dtype, data } as Tensor);
  }
  const words = device.alloc([Math.ceil(count / 2)], "f32");
  dispatch(device, "pack_half", count, [x, words]);
  return words;
}

/** What {@linkcode packHalf} packed, in a tensor of its own. */
export function unpackHalf(device: Device, packed: DeviceTensor, shape: Shape): DeviceTensor {
  if (device.kind === "cpu") {
    return device.upload({ shape, dtype: packed.dtype, data: device.dataOf(packed) });
  }
  const out = device.alloc(shape, "f32");
  dispatch(device, "unpack_half", sizeOf(shape), [out, packed]);
  return out;
}
