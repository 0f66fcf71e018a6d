import { openScope } from "../device/scope.ts";
import type { Binding, CpuDevice, Device, DeviceTensor, GpuDevice } from "../device/device.ts";
import { LimitError } from "../base/errors.ts";
import { invariant } from "../base/invariant.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { DTYPE_BYTES, type FloatArray, type Tensor } from "../tensor/tensor.ts";
import type { AnyOp, Named, Op, Pass } from "./op.ts";

/** An input of {@linkcode runOp}: on the host, or already on the device. */
export type OpInput = Tensor | DeviceTensor;

function isOnDevice(input: OpInput): input is DeviceTensor {
  return "buffer" in input;
}

/**
 * Runs an op on a device: the twin on a CPU device, the shaders on a GPU device. Host inputs are
 * uploaded for this run and freed after it; device inputs stay. Returns at once with the outputs
 * on the device; `device.read` brings one to the host, `device.free` gives it back.
 *
 * On a CPU device all inputs have one dtype, which the outputs take; on a GPU everything is f32.
 *
 * @throws {ShapeError} an axis of an input differs from what the op needs
 * @throws {InvalidValueError} a parameter is out of range
 * @throws {TypeError} inputs of different dtypes on the CPU
 * @throws {LimitError} the outputs and the scratch do not fit into the device's budget
 */
export function runOp<P, I extends string, Opt extends string, O extends string>(
  device: Device,
  op: Op<P, I, Opt, O>,
  inputs: Named<I, Opt, OpInput>,
  params: P,
): { readonly [key in O]: DeviceTensor } {
  const given = inputs as Record<string, OpInput | undefined>;
  const shapes: Record<string, Shape> = {};
  for (const name of op.inputs) {
    const input = given[name];
    if (input === undefined) throw new TypeError(`Op ${op.name} needs input "${name}"`);
    shapes[name] = input.shape;
  }
  for (const name of op.optional) {
    const input = given[name];
    if (input !== undefined) shapes[name] = input.shape;
  }
  const outputShapes = op.outputShapes(shapes as Named<I, Opt, Shape>, params);
  const run = device.kind === "cpu" ? runOnCpu : runOnGpu;
  // The branches differ only in what `device` is, which the compiler cannot see through `run`.
  return run(device as CpuDevice & GpuDevice, op, given, shapes, outputShapes, params);
}

function runOnCpu<O extends string>(
  device: CpuDevice,
  op: AnyOp,
  given: Record<string, OpInput | undefined>,
  shapes: Record<string, Shape>,
  outputShapes: { readonly [key in O]: Shape },
  params: unknown,
): { readonly [key in O]: DeviceTensor } {
  const arrays: Record<string, FloatArray> = {};
  const dtype = given[op.inputs[0]]!.dtype;
  for (const name of Object.keys(shapes)) {
    const input = given[name]!;
    if (input.dtype !== dtype) {
      throw new TypeError(`Op ${op.name}: "${name}" is ${input.dtype}, the others are ${dtype}`);
    }
    arrays[name] = isOnDevice(input) ? device.dataOf(input) : input.data;
  }
  const outputs: Record<string, DeviceTensor> = {};
  const outputArrays: Record<string, FloatArray> = {};
  for (const name of op.outputs as O[]) {
    const output = device.alloc(outputShapes[name], dtype);
    outputs[name] = output;
    outputArrays[name] = device.dataOf(output);
  }
  op.cpu(arrays, outputArrays, shapes, params);
  return outputs as { [key in O]: DeviceTensor };
}

function bind(tensor: DeviceTensor): Binding {
  return { buffer: tensor.buffer, bytes: sizeOf(tensor.shape) * DTYPE_BYTES.f32 };
}

function bindPass(
  device: GpuDevice,
  pass: Pass,
  tensors: Record<string, DeviceTensor>,
): Record<string, Binding> {
  const most = device.limits.storageBuffersMax;
  if (pass.bindings.length > most) {
    throw new LimitError("storageBuffersMax", most, pass.bindings.length, pass.entry);
  }
  const bindings: Record<string, Binding> = {};
  for (const name of pass.bindings) {
    const tensor = tensors[name];
    invariant(tensor, `pass ${pass.entry} binds "${name}", which the op does not have`);
    bindings[name] = bind(tensor);
  }
  return bindings;
}

function runOnGpu<O extends string>(
  device: GpuDevice,
  op: AnyOp,
  given: Record<string, OpInput | undefined>,
  shapes: Record<string, Shape>,
  outputShapes: { readonly [key in O]: Shape },
  params: unknown,
): { readonly [key in O]: DeviceTensor } {
  const plan = op.launch(shapes, params, device.limits);
  const scope = openScope(device);
  try {
    const tensors: Record<string, DeviceTensor> = {};
    for (const name of Object.keys(shapes)) {
      const input = given[name]!;
      tensors[name] = isOnDevice(input) ? input : scope.upload(input);
    }
    for (const [name, count] of Object.entries(plan.scratch)) {
      tensors[name] = scope.alloc([count], "f32");
    }
    for (const [name, table] of Object.entries(plan.tables ?? {})) {
      tensors[name] = device.table(table.key, table.make);
    }
    for (const name of op.outputs as O[]) tensors[name] = scope.alloc(outputShapes[name], "f32");
    device.dispatch(plan.passes.map((pass) => ({
      shader: op.name,
      entry: pass.entry,
      constants: pass.constants,
      dims: pass.dims,
      bindings: bindPass(device, pass, tensors),
      workgroups: pass.workgroups,
    })));
    const outputs: Record<string, DeviceTensor> = {};
    for (const name of op.outputs as O[]) outputs[name] = scope.keep(tensors[name]!);
    return outputs as { [key in O]: DeviceTensor };
  } finally {
    // Memory is reused in issue order, so scratch may be given back before the GPU has run.
    scope.release();
  }
}
