/**
 * The boundary with hardware. Everything above this folder sees tensors that live on a device and
 * launches that are plain data; nothing above it sees a GPU object, a Worker or a shader's text.
 *
 * Work is issued without waiting: `upload`, `alloc` and `dispatch` return at once and a failure of
 * the device shows at the next `read`. So layers chain ops without a readback, and a tape can
 * record a whole iteration.
 */
import type { Packed } from "./packing.ts";
import { InvalidValueError } from "../base/errors.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { Dtype, FloatArray, Tensor } from "../tensor/tensor.ts";

/** Memory on a device. `generation` grows when the device is reopened; older handles are dead. */
export interface BufferHandle {
  readonly id: number;
  readonly bytes: number;
  readonly generation: number;
  /** Where a view's elements lie; see {@linkcode viewOf}. */
  readonly view?: { readonly of: number; readonly start: number };
}

/** A tensor whose elements live on a device. Tensors made by `reshape` share the buffer. */
export interface DeviceTensor {
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly buffer: BufferHandle;
}

/** Views begin at multiples of this many elements: 256 bytes of f32, WebGPU's least alignment. */
export const VIEW_ELEMENTS = 64;

/** Views have ids below those of all memory, so that freeing one frees nothing. */
let nextViewId = -1;

/**
 * Some elements of a tensor as a tensor of their own in the same memory, which they die with. A
 * launch may not write one view while it only reads another of the same tensor.
 *
 * @param start  first element, a multiple of {@linkcode VIEW_ELEMENTS}
 * @throws {InvalidValueError} start is no such multiple, or the view reaches past the tensor
 */
export function viewOf(tensor: DeviceTensor, start: number, shape: Shape): DeviceTensor {
  const { id, view } = tensor.buffer;
  if (!(Number.isInteger(start) && start >= 0 && start % VIEW_ELEMENTS === 0)) {
    throw new InvalidValueError("start", start, `a multiple of ${VIEW_ELEMENTS}`);
  }
  const most = sizeOf(tensor.shape) - start;
  if (sizeOf(shape) > most) throw new InvalidValueError("shape", `[${shape}]`, `${most} elements`);
  const place = { of: view?.of ?? id, start: (view?.start ?? 0) + start };
  return { ...tensor, shape, buffer: { ...tensor.buffer, id: nextViewId--, view: place } };
}

/** What every device does. */
export interface DeviceBase {
  /**
   * Memory for a tensor, contents undefined.
   *
   * @param use  `resident`: it stays for many runs and is freed in the end; a CPU keeps it where
   *   its kernels run
   * @throws {LimitError} over the device's budget
   */
  alloc(shape: Shape, dtype: Dtype, use?: "resident"): DeviceTensor;
  /** Copies a host tensor to the device (WebGPU: as f32). @throws {LimitError} over the budget */
  upload(tensor: Tensor): DeviceTensor;
  /**
   * Overwrites a tensor's elements after all work issued so far. The array belongs to the device
   * from then on.
   *
   * @throws {ShapeError} another number of elements than the tensor's
   */
  write(tensor: DeviceTensor, data: Float32Array<ArrayBuffer>): void;
  /** Copies a tensor to the host after all work issued so far. @throws {DeviceLostError} */
  read(tensor: DeviceTensor): Promise<Tensor>;
  /** Gives memory back; views of the same buffer die with it. */
  free(tensor: DeviceTensor): void;
  /** Ends the device and everything on it. */
  close(): Promise<void>;
}

/** The host: ops run as their TypeScript twins, in f32 or f64, or in f32 as SIMD kernels. */
export interface CpuDevice extends DeviceBase {
  readonly kind: "cpu";
  /** The SIMD kernels; undefined where only the twins run. */
  readonly simd: SimdUnit | undefined;
  /**
   * A tensor's elements, which may be kept after the tensor was freed: the array behind it, or a
   * copy where its memory is the kernels' own. What is written into them may be lost.
   *
   * @throws {TypeError} the tensor is not of a CPU device
   */
  dataOf(tensor: DeviceTensor): FloatArray;
  /** The array behind a tensor; after the tensor is freed another one may have it. */
  arrayOf(tensor: DeviceTensor): FloatArray;
}

/** One kernel of a {@linkcode SimdPlan}. */
export interface SimdPass {
  /** Exported function of `simd/assembly`. */
  readonly entry: string;
  /** Sizes, and names of inputs, outputs or scratch; a name that is not given becomes address 0. */
  readonly args: readonly (string | number)[];
  /** Independent pieces of the work; each writes outputs of its own. */
  readonly tasks: number;
  /** Scratch of each thread, in f32 elements. */
  readonly threadFloats?: number;
}

/** How the SIMD kernels compute an op, by names of its tensors: what a launch plan is on a GPU. */
export interface SimdPlan {
  /** Arrays that live for this run only: name -> count of f32 elements. */
  readonly scratch: Readonly<Record<string, number>>;
  /** Constants that the kernels read: name -> numbers. */
  readonly tables?: Readonly<Record<string, Float32Array>>;
  readonly passes: readonly SimdPass[];
  /** What one core takes, about, in milliseconds: whether waking other threads is worth it. */
  readonly coreMs: number;
  /** Outputs that begin with a content that the kernels go on from. */
  readonly resident?: readonly string[];
}

/** Parts of the kernels' memory: for tensors of an op, and for those that stay for many runs. */
export type SimdRoom = "tensor" | "resident";

/** The vector unit of a CPU device. */
export interface SimdUnit {
  /** Work from which on kernels run, in an op's own unit. */
  readonly workMin: number;
  /** Threads asked for, the caller's own included. */
  readonly threads: number;
  /** Threads that would take part in a run, the caller's own included. */
  readonly threadsReady: number;
  /** Why the kernels cannot run on this machine; undefined where they can. */
  readonly unavailable: string | undefined;
  /**
   * Runs a plan: reads the inputs, fills the outputs.
   *
   * @returns false where the kernels cannot run, or the arrays are too large for their memory
   * @throws {LimitError} the host has no memory left
   */
  run(
    plan: SimdPlan,
    inputs: Readonly<Record<string, FloatArray>>,
    outputs: Readonly<Record<string, FloatArray>>,
  ): boolean;
  /**
   * An array in the kernels' own memory, which runs need not copy; its content is undefined. It
   * stays until `release`.
   *
   * @returns undefined where the kernels cannot run or the room has no place left for it
   */
  hold(length: number, room: SimdRoom): Float32Array | undefined;
  /** Whether an array, or what it is a part of, lies in the kernels' own memory. */
  holds(array: FloatArray): boolean;
  /** Gives an array of `hold` back; it must not be used any more. */
  release(array: FloatArray): void;
  /** Ends the threads; kernels go on with the caller's own. */
  close(): void;
}

/** A GPU: ops run as launches of their shaders, in f32. */
export interface GpuDevice extends DeviceBase {
  readonly kind: "webgpu";
  readonly info: AdapterSummary;
  readonly limits: GpuLimits;
  /** Issues launches in order; each sees the writes of those before it. */
  dispatch(launches: readonly Launch[]): void;
  /** A constant array, made and uploaded at its first use and kept under `key`. */
  table(key: string, make: () => Float32Array): DeviceTensor;
}

/** A device of either kind; `kind` tells which. */
export type Device = CpuDevice | GpuDevice;

/** One run of one shader entry point, as plain data that crosses to a Worker. */
export interface Launch {
  /** File under `shaders/`, without the extension. */
  readonly shader: string;
  /** Entry point: one pass of the op. */
  readonly entry: string;
  /** Baked into the text before compilation: one pipeline for each set of values. */
  readonly constants: Readonly<Record<string, number | string>>;
  /** Fields of the shader's `Dims` struct: sizes that change without recompiling. */
  readonly dims: Readonly<Record<string, number>>;
  /** Shader variable name -> what is bound there. */
  readonly bindings: Readonly<Record<string, Binding>>;
  /** Variables that lie in the buffers of others; their offsets are among `dims`. */
  readonly packed?: Packed;
  readonly workgroups: readonly [number, number, number];
  /** Launches that share it differ in nothing but the buffers that they bind. */
  readonly template?: object;
}

/** A buffer's leading bytes, as a shader sees them. */
export interface Binding {
  readonly buffer: BufferHandle;
  readonly bytes: number;
}

/** What a launch plan may use. */
export interface GpuLimits {
  readonly workgroupBytesMax: number;
  readonly invocationsMax: number;
  readonly storageBuffersMax: number;
  readonly bindingBytesMax: number;
  readonly workgroupsPerAxisMax: number;
  /**
   * Invocations of a subgroup, consecutive by `local_invocation_index`; 0 where shaders have no
   * subgroup operations. A shader that uses them leaves out the line `enable subgroups;`.
   */
  readonly subgroupSize: number;
  /** Shaders may `enable f16;`. */
  readonly f16: boolean;
  /**
   * The adapter runs on the CPU: its compiler takes what is written out in full, and minutes over
   * arrays that loops index, where a GPU's is the other way round.
   */
  readonly isSoftware?: boolean;
}

/** Who the adapter is. */
export interface AdapterSummary {
  readonly vendor: string;
  readonly device: string;
  readonly description: string;
  /** Runs on the CPU (lavapipe, SwiftShader): for tests, never chosen to serve. */
  readonly software: boolean;
  /** Readback returns without the runtime's 10 ms sleep (see the Worker). */
  readonly fastReadback: boolean;
  readonly timestamps: boolean;
}
