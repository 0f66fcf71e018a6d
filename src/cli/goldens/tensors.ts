/** Between the files' f64 arrays and the tensors of ops and layers. */
import type { DeviceTensor } from "../../device/device.ts";
import {
  asDtype,
  type Dtype,
  type FloatArray,
  floatArray,
  type Tensor,
  tensorOf,
  transpose,
} from "../../tensor/tensor.ts";
import { type GoldenCase, tensorOfCase } from "./golden_file.ts";
import type { GoldenDevice } from "./group.ts";

/** A tensor of a case in its own shape; complex ones get a last axis of 2. */
export function fileTensor(golden: GoldenCase, name: string): Tensor {
  const { shape, complex, values } = tensorOfCase(golden, name);
  return tensorOf(complex ? [...shape, 2] : shape, values);
}

/** The same where the case has it. */
export function fileTensorIf(golden: GoldenCase, name: string): Tensor | undefined {
  return golden.tensors.has(name) ? fileTensor(golden, name) : undefined;
}

/** `[batch, feature, time]` as `[batch, time, feature]`, or back. */
export function swapTime(tensor: Tensor): Tensor {
  return transpose(tensor, [0, 2, 1]);
}

/** In the dtype of the device. */
export function cast(tensor: Tensor, dtype: Dtype): Tensor;
export function cast(tensor: Tensor | undefined, dtype: Dtype): Tensor | undefined;
export function cast(tensor: Tensor | undefined, dtype: Dtype): Tensor | undefined {
  return tensor && asDtype(tensor, dtype);
}

/** Reads a result and frees it. */
export async function take(on: GoldenDevice, tensor: DeviceTensor): Promise<Tensor> {
  const host = await on.device.read(tensor);
  on.device.free(tensor);
  return host;
}

/** Values as the comparison wants them. */
export function valuesF64(tensor: Tensor): Float64Array {
  return Float64Array.from(tensor.data);
}

/** The first (0) or the second (1) numbers of a list of pairs: real or imaginary parts. */
export function everySecond(pairs: FloatArray, offset: 0 | 1): Float64Array {
  return Float64Array.from({ length: pairs.length / 2 }, (_, i) => pairs[2 * i + offset]!);
}

/** f64 values as the device would hold them. */
export function rounded(values: Float64Array, dtype: Dtype): Float64Array {
  return dtype === "f64" ? values : Float64Array.from(values, Math.fround);
}

/** One time of `[batch, time, feature]`.                                  [batch, 1, feature] */
export function timeOf(tensor: Tensor, time: number): Tensor {
  const [batch = 0, length = 0, feature = 0] = tensor.shape;
  const out = floatArray(tensor.dtype, batch * feature);
  for (let b = 0; b < batch; b++) {
    const at = (b * length + time) * feature;
    out.set(tensor.data.subarray(at, at + feature), b * feature);
  }
  return tensorOf([batch, 1, feature], out);
}

/** The first `count` times of `[batch, time, feature]`.               [batch, count, feature] */
export function leading(tensor: Tensor, count: number): Tensor {
  const [batch = 0, length = 0, feature = 0] = tensor.shape;
  const out = floatArray(tensor.dtype, batch * count * feature);
  for (let b = 0; b < batch; b++) {
    const at = b * length * feature;
    out.set(tensor.data.subarray(at, at + count * feature), b * count * feature);
  }
  return tensorOf([batch, count, feature], out);
}

/** The times of `[batch, time, feature]` from `start` on.      [batch, time − start, feature] */
export function trailing(tensor: Tensor, start: number): Tensor {
  const [batch = 0, length = 0, feature = 0] = tensor.shape;
  const kept = (length - start) * feature;
  const out = floatArray(tensor.dtype, batch * kept);
  for (let b = 0; b < batch; b++) {
    const at = (b * length + start) * feature;
    out.set(tensor.data.subarray(at, at + kept), b * kept);
  }
  return tensorOf([batch, length - start, feature], out);
}

/** Stacks equal tensors along a new axis: `[.., rest]` of each at `[.., i, rest]`. */
export function stack(parts: readonly Tensor[], axis: number): Tensor {
  const first = parts[0];
  if (first === undefined) throw new SyntaxError("Nothing to stack");
  const outer = first.shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const block = first.data.length / outer;
  const out = floatArray(first.dtype, first.data.length * parts.length);
  parts.forEach((part, i) => {
    for (let o = 0; o < outer; o++) {
      const from = part.data.subarray(o * block, (o + 1) * block);
      out.set(from, (o * parts.length + i) * block);
    }
  });
  const shape = [...first.shape.slice(0, axis), parts.length, ...first.shape.slice(axis)];
  return tensorOf(shape, out);
}

/** Of two ways to the same values, element by element the one farther from the reference. */
export function fartherOf(
  reference: Float64Array,
  a: Float64Array,
  b: Float64Array,
): Float64Array {
  return a.map((value, i) =>
    Math.abs(b[i]! - reference[i]!) > Math.abs(value - reference[i]!) ? b[i]! : value
  );
}
