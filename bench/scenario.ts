/**
 * What the bench times: a scenario is a name, what must be moved and computed at least, and the
 * launches that do it. Inputs are described rather than made, since gigabytes drawn on the host
 * would take longer than all that is timed; a small shader draws them on the device.
 */
import { InvalidValueError } from "../src/base/errors.ts";
import {
  type CpuDevice,
  type DeviceTensor,
  type GpuDevice,
  openScope,
  type ScopedDevice,
} from "../src/device/mod.ts";
import type { Launch } from "../src/device/device.ts";
import { OPS, runOp } from "../src/ops/mod.ts";
import { type AnyOp, gradientName, needsOf } from "../src/ops/op.ts";
import * as runner from "../src/ops/run.ts";
import { caseInputs } from "../src/ops/self_check.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import { type Tensor, tensorOf, zeros } from "../src/tensor/tensor.ts";
import { type Cost, costOf, type Way } from "./costs.ts";

/** An input by its shape and the range of its values. */
export interface Drawn {
  readonly shape: Shape;
  readonly low: number;
  readonly high: number;
  /** Whole numbers below `high`. */
  readonly integers?: boolean;
}

/** An input with values in [low, high). */
export function drawn(shape: Shape, low = -1, high = 1): Drawn {
  return { shape, low, high };
}

/** An input of indices below a count. */
export function indices(shape: Shape, count: number): Drawn {
  return { shape, low: 0, high: count, integers: true };
}

/** Inputs of an op by name. */
export type Inputs = Readonly<Record<string, Drawn | Tensor>>;

/** Which table a scenario belongs to. */
export type Group = "issue" | "ops" | "gradients" | "length" | "state";

/** One line of the bench. */
export interface Scenario {
  readonly name: string;
  readonly group: Group;
  /** Names of the ops that it runs. */
  readonly ops: readonly string[];
  /** The least that it moves and computes. */
  cost(): Cost;
  /** The launches on a GPU; all that they need is allocated through the device. */
  launches(gpu: GpuDevice): Launch[];
  /** The same on a CPU, ready to run again and again; undefined where only a GPU is timed. */
  onCpu?(device: CpuDevice): () => void;
}

const GROUP = 64;
const GROUPS_PER_ROW = 32_768;

function isDrawn(input: Drawn | Tensor): input is Drawn {
  return "low" in input;
}

/** Draws an input on a GPU. */
function drawOn(gpu: GpuDevice, input: Drawn): DeviceTensor {
  const { shape, low, high } = input;
  const tensor = gpu.alloc(shape, "f32");
  const count = sizeOf(shape);
  const groups = Math.ceil(count / GROUP);
  const rows = Math.ceil(groups / GROUPS_PER_ROW);
  gpu.dispatch([{
    shader: "bench/draw",
    entry: "draw",
    constants: { GROUP, INTEGERS: input.integers ? 1 : 0 },
    dims: { count, low, high },
    bindings: { drawn: { buffer: tensor.buffer, bytes: 4 * count } },
    workgroups: [Math.min(groups, GROUPS_PER_ROW), rows, 1],
  }]);
  return tensor;
}

/** Values without pattern enough for timing; a full random draw would take longer. */
function drawOnHost(input: Drawn): Tensor {
  const { shape, low, high, integers } = input;
  const data = new Float32Array(sizeOf(shape));
  const period = 4093;
  const wave = Float32Array.from({ length: period }, (_, i) => {
    const value = low + (high - low) * (0.5 + 0.499 * Math.sin(12.9898 * i * i));
    return integers ? Math.floor(value) : value;
  });
  for (let at = 0; at < data.length; at += period) {
    data.set(wave.subarray(0, Math.min(period, data.length - at)), at);
  }
  return tensorOf(shape, data);
}

/** The op of a name. @throws {InvalidValueError} there is none */
export function opNamed(name: string): AnyOp {
  const op = OPS.find((candidate) => candidate.name === name);
  if (op === undefined) throw new InvalidValueError("op", name, "an op of src/ops/mod.ts");
  return op;
}

function shapesOf(
  inputs: Readonly<Record<string, { readonly shape: Shape }>>,
): Record<string, Shape> {
  return Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
}

function onGpu(gpu: GpuDevice, inputs: Inputs): Record<string, DeviceTensor> {
  return Object.fromEntries(
    Object.entries(inputs).map((
      [name, input],
    ) => [name, isDrawn(input) ? drawOn(gpu, input) : gpu.upload(input)]),
  );
}

/** Tensors where a CPU device has those that its ops make. */
export function placed(
  device: CpuDevice,
  tensors: Readonly<Record<string, Tensor>>,
): Record<string, DeviceTensor> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, data }]) => {
      const tensor = device.alloc(shape, "f32");
      device.write(tensor, data as Float32Array<ArrayBuffer>);
      return [name, tensor];
    }),
  );
}

function onCpu(device: CpuDevice, inputs: Inputs): Record<string, DeviceTensor> {
  return placed(
    device,
    Object.fromEntries(
      Object.entries(inputs).map((
        [name, input],
      ) => [name, isDrawn(input) ? drawOnHost(input) : input]),
    ),
  );
}

/** What an op computes: its inputs, made when they are asked for, and its parameters. */
export interface Call {
  readonly op: string;
  readonly params: unknown;
  inputs(): Inputs;
}

/** A call with a case of the op's own of about this much work. */
export function sizedCall(op: AnyOp, work: number): Call {
  const sized = op.sized(work);
  let inputs: Inputs | undefined;
  return { op: op.name, params: sized.params, inputs: () => inputs ??= caseInputs(sized, "f32") };
}

/** The op's outputs of its inputs. */
export function forward(group: Group, name: string, call: Call): Scenario {
  const { op: opName, params } = call;
  return {
    name,
    group,
    ops: [opName],
    cost: () => costOf(opNamed(opName), shapesOf(call.inputs()), params, "forward"),
    launches(gpu) {
      const op = opNamed(opName);
      const inputs = onGpu(gpu, call.inputs());
      // What may run where an input lies is timed there, as serving runs it.
      const places = Object.entries(op.resident ?? {}) as [string, string][];
      const targets = Object.fromEntries(places.map(([out, input]) => [out, inputs[input]!]));
      return [...runner.prepareOp(gpu, op, inputs, params, targets).launches];
    },
    onCpu(device) {
      const inputs = onCpu(device, call.inputs());
      return () => freeAll(device, runOp(device, opNamed(opName), inputs, params));
    },
  };
}

/** A program frees what it no longer needs, and its next tensors take the same memory. */
export function freeAll(
  device: CpuDevice,
  tensors: Readonly<Record<string, DeviceTensor | undefined>>,
): void {
  for (const tensor of Object.values(tensors)) if (tensor !== undefined) device.free(tensor);
}

/** What a backward reads: values of inputs and outputs, and the outputs' gradients. */
function givenOf(
  device: ScopedDevice,
  op: AnyOp,
  inputs: Record<string, DeviceTensor | Tensor>,
  params: unknown,
  gradient: (shape: Shape) => DeviceTensor | Tensor,
): Record<string, DeviceTensor | Tensor> {
  const outputs: Record<string, DeviceTensor> = runOp(device, op, inputs, params);
  const values: Record<string, DeviceTensor | Tensor> = { ...inputs, ...outputs };
  const given: Record<string, DeviceTensor | Tensor> = {};
  for (const need of needsOf(op.backward!, params)) {
    if (values[need] !== undefined) given[need] = values[need];
  }
  for (const output of op.outputs) given[gradientName(output)] = gradient(outputs[output]!.shape);
  return given;
}

/** The gradients of an op's inputs, from those of its outputs. */
export function backward(group: Group, name: string, call: Call): Scenario {
  const { op: opName, params } = call;
  return {
    name,
    group,
    ops: [opName],
    cost: () => costOf(opNamed(opName), shapesOf(call.inputs()), params, "backward"),
    launches(gpu) {
      const op = opNamed(opName);
      const inputs = call.inputs();
      const scope = openScope(gpu);
      const given = givenOf(
        scope,
        op,
        onGpu(gpu, inputs),
        params,
        (shape) => drawOn(gpu, drawn(shape)),
      );
      for (const tensor of Object.values(given)) if ("buffer" in tensor) scope.keep(tensor);
      scope.release();
      return [...runner.prepareBackward(gpu, op, given, shapesOf(inputs), params).launches];
    },
    onCpu(device) {
      const op = opNamed(opName);
      const inputs = onCpu(device, call.inputs());
      const given = givenOf(openScope(device), op, inputs, params, (shape) => {
        const ones = zeros(shape, "f32");
        ones.data.fill(1);
        return placed(device, { ones })["ones"]!;
      });
      const shapes = shapesOf(inputs);
      return () => freeAll(device, runner.runBackward(device, op, given, shapes, params));
    },
  };
}

/**
 * Several ops, timed as the one list of launches that they issue.
 *
 * @param run  issues them on the device that it is given, from inputs on that device
 */
export function chain(
  group: Group,
  name: string,
  ops: readonly string[],
  { inputs, cost, run }: {
    inputs(): Inputs;
    cost(): Cost;
    run(gpu: GpuDevice, inputs: Record<string, DeviceTensor>): void;
  },
): Scenario {
  return {
    name,
    group,
    ops,
    cost,
    launches(gpu) {
      const given = onGpu(gpu, inputs());
      const issued: Launch[] = [];
      const spy: GpuDevice = {
        kind: "webgpu",
        info: gpu.info,
        limits: gpu.limits,
        alloc: (shape, dtype) => gpu.alloc(shape, dtype),
        upload: (tensor) => gpu.upload(tensor),
        write: (tensor, data) => gpu.write(tensor, data),
        read: (tensor) => gpu.read(tensor),
        // Memory of a freed tensor would be given to another, whose values the repeats then spoil.
        free: () => {},
        close: () => gpu.close(),
        table: (key, make) => gpu.table(key, make),
        dispatch: (launches) => void issued.push(...launches),
      };
      run(spy, given);
      return issued;
    },
  };
}

export type { Cost, Way };
