/** How well a backbone answers a task's examples, however long they are. */
import type { Minibatch, TaskShape } from "../../datasets/tasks/mod.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import type { Backbone } from "../models/backbone.ts";
import { reshape, type Tensor, tensorOf } from "../tensor/tensor.ts";
import { type Loss, lossOf } from "./losses.ts";
import { freeAll, readAll, type Tensors } from "./tensors.ts";

/** Input and output of a task as a backbone's configuration names them. */
export function endsOfTask({ input, output }: TaskShape, pool: "mean" | "last" = "mean") {
  const isAtEnd = output.kind === "classes" && output.at === "end";
  return { input, output: { size: output.size, pool: isAtEnd ? pool : "none" as const } };
}

/** What a training on a task minimises. */
export function lossOfTask({ output }: TaskShape): Loss {
  return output.kind === "classes"
    ? { kind: "crossEntropy", classes: output.size }
    : { kind: "squaredError" };
}

/** Longest part of an example that an evaluation gives to the device at once. */
export const EVALUATION_PART = 4096;

/** Parts issued before one result is awaited. */
const PARTS_AHEAD_MAX = 16;

/** What an evaluation found. */
export interface TaskScore {
  /** Accuracy, or the root mean square error over the root mean square of the targets. */
  readonly figure: number;
  /** Answers that counted. */
  readonly answers: number;
}

/** What one part of a minibatch adds to the figure. */
interface Addend {
  /** Right answers, or the mean squared error. [1] */
  readonly sum: DeviceTensor;
  /** Answers that count. */
  readonly weight: number;
  /** Sum of the squares of the values asked for. */
  readonly power: number;
}

/**
 * The figure of a task over minibatches. Examples longer than {@linkcode EVALUATION_PART} go
 * through in parts, the state carried from one to the next, so their length is bounded by time
 * alone; a class of the whole example is asked in one.
 *
 * @param tensors  the backbone's parameters on the device
 */
export async function evaluateTask(
  device: Device,
  backbone: Backbone,
  tensors: Tensors,
  shape: TaskShape,
  minibatches: Iterable<Minibatch>,
): Promise<TaskScore> {
  const scope = openScope(device);
  try {
    const addends: Addend[] = [];
    let ahead = 0;
    for (const minibatch of minibatches) {
      for (const part of answers(scope, backbone, tensors, minibatch)) {
        addends.push(...addendOf(scope, shape, part));
        scope.free(part.y);
        if (++ahead % PARTS_AHEAD_MAX === 0) await settle(scope);
      }
    }
    return await scoreOf(scope, shape, addends);
  } finally {
    scope.release();
  }
}

async function scoreOf(
  device: Device,
  { output }: TaskShape,
  addends: readonly Addend[],
): Promise<TaskScore> {
  const sums = await readAll(device, Object.fromEntries(addends.map(({ sum }, i) => [i, sum])));
  const isClass = output.kind === "classes";
  let [total, answered, power] = [0, 0, 0];
  addends.forEach(({ weight, power: own }, i) => {
    const value = sums[i]!.data[0]!;
    total += isClass ? value : value * weight;
    answered += weight;
    power += own;
  });
  const figure = isClass ? total / answered : Math.sqrt(total / power);
  return { figure, answers: answered };
}

/** One or, where nothing is asked in this part, none. */
function addendOf(device: Device, shape: TaskShape, part: Part): Addend[] {
  const weight = sumOf(part.weight);
  if (weight === 0) return [];
  const scope = openScope(device);
  try {
    const { loss, metrics } = lossOf(
      scope,
      lossOfTask(shape),
      part.y,
      scope.upload(part.target),
      scope.upload(part.weight),
    );
    const sum = scope.keep(metrics["accuracy"]?.sum ?? loss);
    return [{ sum, weight, power: powerOf(part) }];
  } finally {
    scope.release();
  }
}

function sumOf(tensor: Tensor): number {
  let sum = 0;
  for (const value of tensor.data) sum += value;
  return sum;
}

/** Waits for all work so far. */
async function settle(device: Device): Promise<void> {
  const mark = device.upload(tensorOf([1], new Float32Array(1)));
  await device.read(mark);
  device.free(mark);
}

/** Σ weight·target². */
function powerOf({ target, weight }: Minibatch): number {
  let sum = 0;
  for (let i = 0; i < target.data.length; i++) sum += weight.data[i]! * target.data[i]! ** 2;
  return sum;
}

/** Examples, or a range of their samples, with what a backbone says of them. */
type Part = Minibatch & { readonly y: DeviceTensor };

/** Outputs part by part; the caller frees `y`. */
function* answers(
  device: Device,
  backbone: Backbone,
  tensors: Tensors,
  minibatch: Minibatch,
): Generator<Part> {
  const [, length = 0] = minibatch.input.shape;
  const isWhole = length <= EVALUATION_PART || minibatch.weight.shape.length === 1;
  const size = isWhole ? length : EVALUATION_PART;
  let state: Tensors = {};
  for (let start = 0; start < length; start += size) {
    const count = Math.min(size, length - start);
    const part: Minibatch = isWhole ? minibatch : {
      input: rangeOf(minibatch.input, start, count),
      target: rangeOf(minibatch.target, start, count),
      weight: rangeOf(minibatch.weight, start, count),
    };
    const result = backbone.forward(device, tensors, part.input, {
      ...(start > 0 && { state }),
    });
    freeAll(device, state);
    state = result.state;
    yield { ...part, y: result.y };
  }
  freeAll(device, state);
}

/** Samples `start` to `start + count` of every row.  [batch, length, …] -> [batch, count, …] */
function rangeOf(tensor: Tensor, start: number, count: number): Tensor {
  const [batch = 0, length = 0, ...rest] = tensor.shape;
  const inner = rest.reduce((a, b) => a * b, 1);
  const data = new Float32Array(batch * count * inner);
  for (let row = 0; row < batch; row++) {
    const from = (row * length + start) * inner;
    data.set(tensor.data.subarray(from, from + count * inner), row * count * inner);
  }
  return reshape(tensorOf([data.length], data), [batch, count, ...rest]);
}
