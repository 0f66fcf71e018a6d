/**
 * What a training does on a task: the loss of a backbone's answers, and how many of them are right.
 */
import { type TaskShape } from "../../datasets/tasks/mod.ts";
import type { Minibatch } from "../../datasets/tasks/mod.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import type { Backbone } from "../models/backbone.ts";
import { crossEntropy, runOp, squaredError } from "../ops/mod.ts";
import { reshape, type Tensor, tensorOf } from "../tensor/tensor.ts";
import type { Tensors } from "./optimizer.ts";
import type { MetricSum, Objective } from "./training.ts";

/** Input and output of a task as a backbone's configuration names them. */
export function endsOfTask({ input, output }: TaskShape, pool: "mean" | "last" = "mean") {
  const isAtEnd = output.kind === "classes" && output.at === "end";
  return { input, output: { size: output.size, pool: isAtEnd ? pool : "none" as const } };
}

function sumOf(tensor: Tensor): number {
  let sum = 0;
  for (const value of tensor.data) sum += value;
  return sum;
}

/** The mean over what counts, and what the task's figure is made of. */
interface Score {
  readonly loss: DeviceTensor;
  /** Right answers, or the mean squared error. */
  readonly figure: MetricSum;
}

/** Scores the outputs `y` of a backbone; the minibatch's tensors are f32, as y is. */
function scoreOf(device: Device, y: DeviceTensor, minibatch: Minibatch, shape: TaskShape): Score {
  const { target, weight } = minibatch;
  const targets = device.upload(target);
  if (shape.output.kind === "classes") {
    const given = { logits: y, targets, weights: device.upload(weight) };
    const { loss, correct, total } = runOp(device, crossEntropy, given, {});
    return { loss, figure: { sum: correct, total } };
  }
  const { size } = shape.output;
  const spread = Float32Array.from(target.data, (_, i) => weight.data[Math.floor(i / size)]!);
  const weights = device.upload(tensorOf(target.shape, spread));
  const { loss } = runOp(device, squaredError, { predictions: y, targets, weights }, {});
  const one = device.upload(tensorOf([1], Float32Array.of(1)));
  return { loss, figure: { sum: loss, total: one } };
}

/**
 * The objective of a task. Its metric is `accuracy`, the share of right answers, or for a task that
 * asks for values `squaredError`, their mean squared error.
 *
 * It leaves tensors on the device that it is given: a scope's, which its caller releases.
 */
export function taskObjective(backbone: Backbone, shape: TaskShape): Objective<Minibatch> {
  const name = shape.output.kind === "classes" ? "accuracy" : "squaredError";
  return (device, parameters, minibatch, dropoutSeed) => {
    const input = device.upload(minibatch.input);
    const { y } = backbone.forward(device, parameters, input, { dropoutSeed });
    const { loss, figure } = scoreOf(device, y, minibatch, shape);
    const [batch = 0, length = 0] = minibatch.input.shape;
    return { loss, metrics: { [name]: figure }, samples: batch * length };
  };
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

/**
 * Figures of merit over minibatches. Examples longer than {@linkcode EVALUATION_PART} go through in
 * parts, the state carried from one to the next, so their length is bounded by time alone.
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
  const scores: { readonly score: Score; readonly weight: number; readonly power: number }[] = [];
  let ahead = 0;
  for (const minibatch of minibatches) {
    for await (const part of answers(device, backbone, tensors, minibatch)) {
      const weight = sumOf(part.weight);
      if (weight > 0) {
        const scope = openScope(device);
        const score = scoreOf(scope, part.y, part, shape);
        scope.keep(score.figure.sum);
        scope.release();
        scores.push({ score, weight, power: powerOf(part) });
      }
      device.free(part.y);
      if (++ahead % PARTS_AHEAD_MAX === 0) await settle(device);
    }
  }
  let [sum, weights, power] = [0, 0, 0];
  for (const { score, weight, power: own } of scores) {
    const value = (await device.read(score.figure.sum)).data[0]!;
    device.free(score.figure.sum);
    sum += shape.output.kind === "classes" ? value : value * weight;
    weights += weight;
    power += own;
  }
  const figure = shape.output.kind === "classes" ? sum / weights : Math.sqrt(sum / power);
  return { figure, answers: weights };
}

/** Waits for all work so far. */
async function settle(device: Device): Promise<void> {
  const mark = device.upload(tensorOf([1], new Float32Array(1)));
  await device.read(mark);
  device.free(mark);
}

/** Σ weight·target². */
function powerOf({ target, weight }: Minibatch): number {
  const size = target.data.length / weight.data.length;
  let sum = 0;
  for (let i = 0; i < target.data.length; i++) {
    sum += weight.data[Math.floor(i / size)]! * target.data[i]! ** 2;
  }
  return sum;
}

/** Outputs part by part; the caller frees `y`. */
function* answers(
  device: Device,
  backbone: Backbone,
  tensors: Tensors,
  minibatch: Minibatch,
): Generator<Minibatch & { readonly y: DeviceTensor }> {
  const [, length = 0] = minibatch.input.shape;
  const isWhole = length <= EVALUATION_PART || minibatch.weight.shape.length === 1;
  const size = isWhole ? length : EVALUATION_PART;
  let state: Tensors | undefined;
  for (let start = 0; start < length; start += size) {
    const count = Math.min(size, length - start);
    const part: Minibatch = isWhole ? minibatch : {
      input: rangeOf(minibatch.input, start, count),
      target: rangeOf(minibatch.target, start, count),
      weight: rangeOf(minibatch.weight, start, count),
    };
    const result = backbone.forward(device, tensors, part.input, { state });
    freeAll(device, state);
    state = result.state;
    yield { ...part, y: result.y };
  }
  freeAll(device, state);
}

function freeAll(device: Device, tensors: Tensors = {}): void {
  for (const tensor of Object.values(tensors)) device.free(tensor);
}

/** Samples `start` to `start + count` of every row.          [batch, length, …] -> [batch, count, …] */
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
