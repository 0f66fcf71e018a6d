import { openScope } from "../device/scope.ts";
import type {
  Binding,
  CpuDevice,
  Device,
  DeviceTensor,
  GpuDevice,
  Launch,
} from "../device/device.ts";
import { storageOf } from "../device/pipelines.ts";
import { invariant } from "../base/invariant.ts";
import { expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { type Dtype, DTYPE_BYTES, type FloatArray, type Tensor } from "../tensor/tensor.ts";
import { type AnyOp, gradientName, type Named, type Op, type Pass } from "./op.ts";
import { copyWords, packLaunch } from "./_helpers/packing.ts";
import { planOf, type ReadyPass, readyPass, type ReadyPlan } from "./plan_cache.ts";

/** An input of {@linkcode runOp}: on the host, or already on the device. */
export type OpInput = Tensor | DeviceTensor;

function isOnDevice(input: OpInput): input is DeviceTensor {
  return "buffer" in input;
}

/**
 * Runs an op on a device: the twin or, in f32 and from some size on, the SIMD kernel on a CPU
 * device, the shaders on a GPU device. Host inputs are uploaded for this run and freed after it;
 * device inputs stay. Returns at once with the outputs on the device; `device.read` brings one to
 * the host, `device.free` gives it back.
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
  const outputs = runInto(device, op, inputs, params, {});
  (device as RecordingDevice).record?.({ op, inputs, params, outputs });
  return outputs;
}

/**
 * {@linkcode runOp} that fills tensors of the caller's where it is given some, with no record on a
 * tape: what stood in them is gone. For an output that is resident ({@linkcode Op.resident}) it may
 * be the input's own tensor, which the run then advances in place.
 *
 * @param targets  by output; others get memory of their own
 * @throws as {@linkcode runOp}; {ShapeError} a target has another shape than the output;
 *   {TypeError} a target is an input that its output does not go on from
 */
export function runInto<P, I extends string, Opt extends string, O extends string>(
  device: Device,
  op: Op<P, I, Opt, O>,
  inputs: Named<I, Opt, OpInput>,
  params: P,
  targets: OpTargets<O>,
): { readonly [key in O]: DeviceTensor } {
  return device.kind === "webgpu"
    ? issue(device, (scope) => prepareOp(scope, op, inputs, params, targets)).outputs
    : runOnCpu(device, op, inputs, params, targets);
}

/** One run of an op, as a tape takes it down. */
export interface OpRun {
  readonly op: AnyOp;
  readonly inputs: Readonly<Record<string, OpInput | undefined>>;
  readonly params: unknown;
  readonly outputs: Readonly<Record<string, DeviceTensor>>;
}

/** A device that is told of every op that ran on it. */
export type RecordingDevice = Device & { readonly record?: (run: OpRun) => void };

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

/** The arrays of tensors on the CPU, all of one dtype. */
function arraysOf(
  device: CpuDevice,
  op: AnyOp,
  given: Readonly<Record<string, OpInput>>,
  dtype: Dtype,
): Record<string, FloatArray> {
  const arrays: Record<string, FloatArray> = {};
  for (const [name, input] of Object.entries(given)) {
    if (input.dtype !== dtype) {
      throw new TypeError(`Op ${op.name}: "${name}" is ${input.dtype}, the others are ${dtype}`);
    }
    arrays[name] = isOnDevice(input) ? device.arrayOf(input) : input.data;
  }
  return arrays;
}

/** Tensors that outputs are to be written into, by the outputs' names. */
export type Homes = Readonly<Record<string, DeviceTensor>>;

/** The same of one op. */
export type OpTargets<O extends string> = { readonly [key in O]?: DeviceTensor };

/** The input that an output goes on from, where it does. */
function originOf(op: AnyOp, output: string): string | undefined {
  return op.resident?.[output];
}

/** The memory that a tensor lies in. */
function memoryOf({ buffer }: DeviceTensor): number {
  return buffer.view?.of ?? buffer.id;
}

/** @throws what {@linkcode runInto} says of targets */
function checkTargets(
  op: AnyOp,
  given: Readonly<Record<string, OpInput>>,
  shapes: Readonly<Record<string, Shape>>,
  targets: Homes,
): void {
  for (const [name, target] of Object.entries(targets)) {
    expectShape(name, [], shapes[name] ?? [], target.shape);
    for (const [input, tensor] of Object.entries(given)) {
      if (!isOnDevice(tensor) || memoryOf(tensor) !== memoryOf(target)) continue;
      if (originOf(op, name) !== input || tensor.buffer.id !== target.buffer.id) {
        throw new TypeError(`Op ${op.name}: "${name}" cannot take the place of "${input}"`);
      }
    }
  }
}

/** Tensors of the given shapes, and the arrays behind them. */
function allocArrays(
  device: CpuDevice,
  shapes: Readonly<Record<string, Shape>>,
  dtype: Dtype,
  homes: Homes = {},
) {
  const tensors: Record<string, DeviceTensor> = {};
  const arrays: Record<string, FloatArray> = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const tensor = homes[name] ?? device.alloc(shape, dtype);
    tensors[name] = tensor;
    arrays[name] = device.arrayOf(tensor);
  }
  return { tensors, arrays };
}

/** The inputs that are given. */
function inputsOf(
  given: Readonly<Record<string, OpInput | undefined>>,
  shapes: Readonly<Record<string, Shape>>,
): Record<string, OpInput> {
  return Object.fromEntries(Object.keys(shapes).map((name) => [name, given[name]!]));
}

/**
 * Whether SIMD kernels are for this run. Nothing but the device's setting and the size of the op
 * decides, so that the same run gives the same bits, whatever else goes on.
 */
function isForSimd(device: CpuDevice, dtype: Dtype, work: number): boolean {
  return dtype === "f32" && device.simd !== undefined && work >= device.simd.workMin;
}

function runOnCpu<P, I extends string, Opt extends string, O extends string>(
  device: CpuDevice,
  op: Op<P, I, Opt, O>,
  inputs: Named<I, Opt, OpInput>,
  params: P,
  targets: OpTargets<O>,
): { readonly [key in O]: DeviceTensor } {
  const given = inputs as Record<string, OpInput | undefined>;
  const shapes = shapesOf(op, given);
  const outputShapes = op.outputShapes(shapes as Named<I, Opt, Shape>, params);
  const { dtype } = given[op.inputs[0]!]!;
  const present = inputsOf(given, shapes);
  checkTargets(op, present, outputShapes, targets as Homes);
  const arrays = arraysOf(device, op, present, dtype);
  const outputs = allocArrays(device, outputShapes, dtype, targets as Homes);
  for (const name of op.outputs) {
    const origin = originOf(op, name);
    if (origin === undefined || arrays[origin] === outputs.arrays[name]) continue;
    outputs.arrays[name]!.set(arrays[origin]!);
  }
  const work = op.work(shapes as Named<I, Opt, Shape>, params);
  const plan = isForSimd(device, dtype, work) && op.simd?.(shapes as Named<I, Opt, Shape>, params);
  if (plan && device.simd!.run(plan, arrays, outputs.arrays)) {
    return outputs.tensors as { [key in O]: DeviceTensor };
  }
  op.cpu(
    arrays as Named<I, Opt, FloatArray>,
    outputs.arrays as { [key in O]: FloatArray },
    shapes as Named<I, Opt, Shape>,
    params,
  );
  return outputs.tensors as { [key in O]: DeviceTensor };
}

function bind(tensor: DeviceTensor): Binding {
  return { buffer: tensor.buffer, bytes: sizeOf(tensor.shape) * DTYPE_BYTES.f32 };
}

/** An op made ready on a GPU: launches that may be issued again and again, and what they fill. */
export interface PreparedOp<O extends string> {
  readonly launches: readonly Launch[];
  readonly outputs: { readonly [key in O]: DeviceTensor };
}

/**
 * Makes an op ready on a GPU without running it: uploads host inputs, allocates scratch and
 * outputs. For loops that repeat the same launches (benches, training iterations, serving).
 * Everything stays allocated; pass a scope to give it back together.
 *
 * @param targets  tensors of the caller's to fill instead of new ones
 * @throws as {@linkcode runInto}
 */
export function prepareOp<P, I extends string, Opt extends string, O extends string>(
  device: GpuDevice,
  op: Op<P, I, Opt, O>,
  inputs: Named<I, Opt, OpInput>,
  params: P,
  targets: OpTargets<O> = {},
): PreparedOp<O> {
  const given = inputs as Record<string, OpInput | undefined>;
  const shapes = shapesOf(op, given);
  const plan = planOf(op, "forward", shapes, params, device.limits);
  const present = inputsOf(given, shapes);
  checkTargets(op, present, plan.outputShapes, targets as Homes);
  const prepared = prepare(device, op, present, plan, targets as Homes);
  for (const [name, target] of Object.entries(targets)) {
    invariant(prepared.outputs[name] === target, `op ${op.name} only reads its output "${name}"`);
  }
  return prepared as PreparedOp<O>;
}

/**
 * The homes that a plan may write: a launch must not write one view of a tensor and only read
 * another, so what a pass only reads beside another home gets none.
 */
function writableHomes({ passes }: ReadyPlan, homes: Homes): Homes {
  if (Object.keys(homes).length < 2) return homes;
  const left: Record<string, DeviceTensor> = { ...homes };
  for (const { launch, bound } of passes) {
    const atHome = bound.filter(([, name]) => left[name] !== undefined);
    if (atHome.length < 2) continue;
    const storage = storageOf(launch.shader, launch.constants);
    for (const [variable, name] of atHome) {
      if (!storage.get(variable)!.writable) delete left[name];
    }
  }
  return left;
}

/** Uploads and allocates what a plan touches, and binds it. */
function prepare(
  device: GpuDevice,
  op: AnyOp,
  given: Readonly<Record<string, OpInput>>,
  plan: ReadyPlan,
  wishedHomes: Homes,
): PreparedOp<string> {
  const homes = writableHomes(plan, wishedHomes);
  const tensors: Record<string, DeviceTensor> = {};
  for (const [name, input] of Object.entries(given)) {
    tensors[name] = isOnDevice(input) ? input : device.upload(input);
  }
  for (const [name, shape] of plan.scratch) tensors[name] = device.alloc(shape, "f32");
  for (const [name, { key, make }] of plan.tables) tensors[name] = device.table(key, make);
  const outputs: Record<string, DeviceTensor> = {};
  const copies: Launch[] = [];
  for (const [name, shape] of Object.entries(plan.outputShapes)) {
    const output = homes[name] ?? device.alloc(shape, "f32");
    outputs[name] = tensors[name] = output;
    const origin = originOf(op, name);
    if (origin === undefined || tensors[origin]!.buffer.id === output.buffer.id) continue;
    const count = sizeOf(shape);
    const bindings = { words: bind(tensors[origin]!), copied: bind(output) };
    if (count > 0) copies.push(copyWords(device, bindings, { count, wordsAt: 0, copiedAt: 0 }));
  }
  const launches = plan.passes.flatMap((pass) => bindPass(device, pass, tensors));
  return { launches: [...copies, ...launches], outputs };
}

/** Launches of a pass on its tensors. */
function bindPass(
  device: GpuDevice,
  { launch, bound }: ReadyPass,
  tensors: Readonly<Record<string, DeviceTensor>>,
): Launch[] {
  const bindings: Record<string, Binding> = {};
  for (const [variable, name] of bound) {
    const tensor = tensors[name];
    invariant(tensor, `pass ${launch.entry} binds "${name}", which the op does not have`);
    bindings[variable] = bind(tensor);
  }
  return packLaunch(device, { ...launch, bindings });
}

/**
 * Makes one pass ready on tensors of the caller's: for states that stay in a layout of the pass's
 * own, between the passes that bring them there and back.
 *
 * @throws {LimitError} it needs more than the device has
 */
export function preparePass(
  device: GpuDevice,
  pass: Pass & { readonly shader: string },
  tensors: Readonly<Record<string, DeviceTensor>>,
): Launch[] {
  return bindPass(device, readyPass(pass.shader, pass, device.limits), tensors);
}

/** Runs what was prepared in a scope; only its outputs outlive the run. */
function issue<T extends PreparedOp<string>>(
  device: GpuDevice,
  prepareIn: (scope: GpuDevice) => T,
): T {
  const scope = openScope(device);
  try {
    const prepared = prepareIn(asGpu(scope));
    device.dispatch(prepared.launches);
    for (const output of Object.values<DeviceTensor>(prepared.outputs)) scope.keep(output);
    return prepared;
  } finally {
    // Memory is reused in issue order, so scratch may be given back before the GPU has run.
    scope.release();
  }
}

function backwardOf(op: AnyOp): NonNullable<AnyOp["backward"]> {
  if (op.backward === undefined) throw new TypeError(`Op ${op.name} has no backward`);
  return op.backward;
}

/** Gradients have their input's shape. */
function gradientShapesOf(shapes: Readonly<Record<string, Shape>>): Record<string, Shape> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [gradientName(name), shape]),
  );
}

/**
 * Makes the backward of an op ready on a GPU without running it, as {@linkcode prepareOp} does for
 * the op.
 *
 * @throws as {@linkcode runBackward}
 */
export function prepareBackward(
  device: GpuDevice,
  op: AnyOp,
  given: Readonly<Record<string, OpInput>>,
  shapes: Readonly<Record<string, Shape>>,
  params: unknown,
  homes: Homes = {},
): PreparedOp<string> {
  backwardOf(op);
  return prepare(device, op, given, planOf(op, "backward", shapes, params, device.limits), homes);
}

/**
 * Passes gradients back through an op: from those of its outputs to those of all its inputs.
 *
 * @param given   the values that the op's backward needs and the gradient of every output, by name
 * @param shapes  of the inputs that the op was given
 * @param homes   where gradients are wanted, by gradient name; others get memory of their own
 * @returns       the gradients of those inputs, each with its input's shape, by gradient name: the
 *                home itself, or a tensor of its own where the op's passes cannot write there
 * @throws {TypeError} the op has no backward, or dtypes differ on the CPU
 * @throws {LimitError} the gradients and the scratch do not fit into the device's budget
 */
export function runBackward(
  device: Device,
  op: AnyOp,
  given: Readonly<Record<string, OpInput>>,
  shapes: Readonly<Record<string, Shape>>,
  params: unknown,
  homes: Homes = {},
): Record<string, DeviceTensor> {
  const backward = backwardOf(op);
  const gradientShapes = gradientShapesOf(shapes);
  if (device.kind === "webgpu") {
    const ready = (scope: GpuDevice) => prepareBackward(scope, op, given, shapes, params, homes);
    return issue(device, ready).outputs;
  }
  const { dtype } = given[gradientName(op.outputs[0])]!;
  const gradients = allocArrays(device, gradientShapes, dtype, homes);
  const arrays = arraysOf(device, op, given, dtype);
  const plan = isForSimd(device, dtype, op.work(shapes, params)) && backward.simd?.(shapes, params);
  if (plan && device.simd!.run(plan, arrays, gradients.arrays)) return gradients.tensors;
  backward.cpu(arrays, gradients.arrays, shapes, params);
  return gradients.tensors;
}

function asGpu(device: Device): GpuDevice {
  invariant(device.kind === "webgpu", "a scope has its device's kind");
  return device;
}
