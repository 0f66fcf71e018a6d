import { ShapeError } from "../base/errors.ts";
import { type Shape, sizeOf } from "./shape.ts";

/** Element types of the numeric core. */
export type Dtype = "f32" | "f64";

/** The array behind a tensor. */
export type FloatArray = Float32Array | Float64Array;

/** A dense array on the host with a shape; row-major. */
export interface Tensor {
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly data: FloatArray;
}

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = { f32: 4, f64: 8 };

/** The dtype of an array. */
export function dtypeOf(data: FloatArray): Dtype {
  return data instanceof Float64Array ? "f64" : "f32";
}

/** A zeroed array of `count` elements. */
export function floatArray(dtype: Dtype, count: number): FloatArray {
  return dtype === "f64" ? new Float64Array(count) : new Float32Array(count);
}

/**
 * Puts a shape on an array; the array is not copied.
 *
 * @throws {ShapeError} the array has another number of elements than the shape
 */
export function tensorOf(shape: Shape, data: FloatArray): Tensor {
  const size = sizeOf(shape);
  if (data.length !== size) throw new ShapeError("elements", size, data.length);
  return { shape, dtype: dtypeOf(data), data };
}

/** A tensor of zeros. */
export function zeros(shape: Shape, dtype: Dtype): Tensor {
  return { shape, dtype, data: floatArray(dtype, sizeOf(shape)) };
}

/** The same values in another element type; the very same tensor where it has that type. */
export function asDtype(tensor: Tensor, dtype: Dtype): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const data = dtype === "f64" ? new Float64Array(tensor.data) : new Float32Array(tensor.data);
  return { shape: tensor.shape, dtype, data };
}

/**
 * The same elements under another shape; nothing is copied. Works for host and device tensors.
 *
 * @throws {ShapeError} the number of elements differs
 */
export function reshape<T extends { readonly shape: Shape }>(tensor: T, shape: Shape): T {
  const size = sizeOf(tensor.shape);
  if (sizeOf(shape) !== size) throw new ShapeError("elements", size, sizeOf(shape));
  return { ...tensor, shape };
}

/**
 * Reorders the axes into a new tensor: axis `i` of the result is axis `order[i]` of the source.
 *
 * @throws {ShapeError} `order` has another length than the shape
 */
export function transpose(tensor: Tensor, order: readonly number[]): Tensor {
  const { shape, data, dtype } = tensor;
  if (order.length !== shape.length) throw new ShapeError("order", shape.length, order.length);
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  const outShape = order.map((axis) => shape[axis]!);
  const outStrides = order.map((axis) => strides[axis]!);
  const out = floatArray(dtype, data.length);
  const index = new Array<number>(shape.length).fill(0);
  let source = 0;
  for (let at = 0; at < out.length; at++) {
    out[at] = data[source]!;
    for (let axis = outShape.length - 1; axis >= 0; axis--) {
      source += outStrides[axis]!;
      if (++index[axis]! < outShape[axis]!) break;
      source -= outStrides[axis]! * outShape[axis]!;
      index[axis] = 0;
    }
  }
  return { shape: outShape, dtype, data: out };
}
