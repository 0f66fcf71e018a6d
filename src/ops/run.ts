import { openScope } from "../device/scope.ts";
import type {
  Binding,
  CpuDevice,
  Device,
  DeviceTensor,
  GpuDevice,
  Launch,
} from "../device/device.ts";
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
  if (device.kind === "webgpu") return runOnGpu(device, op, inputs, params);
  return runOnCpu(device, op, inputs, params);
}

/** The shapes of the inputs that are given. */
function shapesOf(op: AnyOp, given: Record<string, OpInput | undefined>): Record<string, Shape> {
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
  return shapes;
}

function runOnCpu<P, I extends string, Opt extends string, O extends string>(
  device: CpuDevice,
  op: Op<P, I, Opt, O>,
  inputs: Named<I, Opt, OpInput>,
  params: P,
): { readonly [key in O]: DeviceTensor } {
  const given = inputs as Record<string, OpInput | undefined>;
  const shapes = shapesOf(op, given) as Named<I, Opt, Shape>;
  const outputShapes = op.outputShapes(shapes, params);
  const dtype = given[op.inputs[0]!]!.dtype;
  const arrays: Record<string, FloatArray> = {};
  for (const name of Object.keys(shapes)) {
    const input = given[name]!;
    if (input.dtype !== dtype) {
      throw new TypeError(`Op ${op.name}: "${name}" is ${input.dtype}, the others are ${dtype}`);
    }
    arrays[name] = isOnDevice(input) ? device.dataOf(input) : input.data;
  }
  const outputs: Record<string, DeviceTensor> = {};
  const outputArrays: Record<string, FloatArray> = {};
  for (const name of op.outputs) {
    const output = device.alloc(outputShapes[name], dtype);
    outputs[name] = output;
    outputArrays[name] = device.dataOf(output);
  }
  op.cpu(
    arrays as Named<I, Opt, FloatArray>,
    outputArrays as { [key in O]: FloatArray },
    shapes,
    params,
  );
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

/** An op made ready on a GPU: launches that may be issued again and again, and what they fill. */
export interface PreparedOp<O extends string> {
  readonly launches: readonly Launch[];
  readonly outputs: { readonly [key in O]: DeviceTensor };
}

/**
 * Makes an op ready on a GPU without running it: uploads host inputs, allocates scratch and
 * outputs. For loops that repeat the same launches (benches, training iterations). Everything stays
 * allocated; pass a scope to give it back together.
 *
 * @throws as {@linkcode runOp}
 */
export function prepareOp<P, I extends string, Opt extends string, O extends string>(
  device: GpuDevice,
  op: Op<P, I, Opt, O>,
  inputs: Named<I, Opt, OpInput>,
  params: P,
): PreparedOp<O> {
  const given = inputs as Record<string, OpInput | undefined>;
  const shapes = shapesOf(op, given);
  const outputShapes = op.outputShapes(shapes as Named<I, Opt, Shape>, params);
  const plan = op.launch(shapes as Named<I, Opt, Shape>, params, device.limits);
  const tensors: Record<string, DeviceTensor> = {};
  for (const name of Object.keys(shapes)) {
    const input = given[name]!;
    tensors[name] = isOnDevice(input) ? input : device.upload(input);
  }
  for (const [name, count] of Object.entries(plan.scratch)) {
    tensors[name] = device.alloc([count], "f32");
  }
  for (const [name, table] of Object.entries(plan.tables ?? {})) {
    tensors[name] = device.table(table.key, table.make);
  }
  const outputs: Record<string, DeviceTensor> = {};
  for (const name of op.outputs) {
    outputs[name] = tensors[name] = device.alloc(outputShapes[name], "f32");
  }
  const launches = plan.passes.map((pass) => ({
    shader: op.name,
    entry: pass.entry,
    constants: pass.constants,
    dims: pass.dims,
    bindings: bindPass(device, pass, tensors),
    workgroups: pass.workgroups,
  }));
  return { launches, outputs: outputs as { [key in O]: DeviceTensor } };
}

function runOnGpu<P, I extends string, Opt extends string, O extends string>(
  device: GpuDevice,
  op: Op<P, I, Opt, O>,
  inputs: Named<I, Opt, OpInput>,
  params: P,
): { readonly [key in O]: DeviceTensor } {
  const scope = openScope(device);
  try {
    const { launches, outputs } = prepareOp(asGpu(scope), op, inputs, params);
    device.dispatch(launches);
    for (const name of op.outputs) scope.keep(outputs[name]);
    return outputs;
  } finally {
    // Memory is reused in issue order, so scratch may be given back before the GPU has run.
    scope.release();
  }
}

function asGpu(device: Device): GpuDevice {
  invariant(device.kind === "webgpu", "a scope has its device's kind");
  return device;
}
