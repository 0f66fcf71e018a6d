/**
 * The contract of a task: examples of something that a sequence model must be able to do, as the
 * papers of the family pose it. All but the recorded ones are generated, so that a minibatch is a
 * pure function of seed, step and setting: a training that stops goes on without any state of the
 * data, and no example is seen twice.
 */
import { InvalidValueError } from "../../src/base/errors.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

/** What one position of the input holds. */
export type TaskInput =
  /** A whole number from 0 to vocabulary − 1.                              [batch, length] */
  | { readonly kind: "tokens"; readonly vocabulary: number }
  /** Real numbers.                                                [batch, length, feature] */
  | { readonly kind: "signal"; readonly feature: number };

/** What is to be answered. */
export type TaskOutput =
  /** The index of a class at every position of weight 1.                    [batch, length] */
  | { readonly kind: "classes"; readonly size: number; readonly at: "positions" }
  /** The index of a class of the whole example.                                     [batch] */
  | { readonly kind: "classes"; readonly size: number; readonly at: "end" }
  /** A real number at every position of weight 1.                     [batch, length, 1] */
  | { readonly kind: "values"; readonly size: 1 };

/** Numbers that make a task easier or harder; every task has `length`, samples of an example. */
export type TaskSetting = { readonly length: number } & Readonly<Record<string, number>>;

/** Input and output of a task at a setting. */
export interface TaskShape {
  readonly input: TaskInput;
  readonly output: TaskOutput;
}

/** Which examples to draw. */
export interface MinibatchRequest {
  readonly seed: number;
  /** Iteration of the training, from 0; another step gives other examples. */
  readonly step: number;
  /** Examples of the minibatch. */
  readonly batch: number;
  /** Test examples are drawn apart from those of the training. */
  readonly split: "train" | "test";
  readonly setting: TaskSetting;
}

/** Examples; all tensors f32, whole numbers exact. */
export interface Minibatch {
  /**                                       [batch, length] or [batch, length, feature] */
  readonly input: Tensor;
  /**                                  [batch, length], [batch] or [batch, length, 1] */
  readonly target: Tensor;
  /** 1 where the answer counts, 0 elsewhere.                     [batch, length] or [batch] */
  readonly weight: Tensor;
}

/** What a task's figure is. */
export interface TaskFigure {
  /** `accuracy`: share of answers that are right; `error`: root mean square over that of y = 0. */
  readonly kind: "accuracy" | "error";
  /** The figure of a model that knows nothing. */
  readonly chance: number;
}

/** One task. */
export interface Task {
  /** Lower case, digits and hyphens. */
  readonly name: string;
  readonly title: string;
  /** The paper that poses it, and what differs here. */
  readonly source: string;
  /** The setting of the papers, or the nearest one; the names are all that may be set. */
  readonly setting: TaskSetting;
  readonly figure: TaskFigure;

  /**
   * Input and output at a setting.
   *
   * @throws {InvalidValueError} a number of the setting is unknown or out of range; it is named
   */
  shape(setting: TaskSetting): TaskShape;

  /**
   * Makes the task's examples ready; recorded ones are read.
   *
   * @returns draws minibatches: the same request gives the same numbers
   * @throws {NotFoundError} the recordings are not there
   */
  open(): Promise<(request: MinibatchRequest) => Minibatch>;
}

/** Most samples of an example; state is carried from part to part beyond what a device holds. */
export const TASK_LENGTH_MAX = 2 ** 20;

/** @throws {InvalidValueError} a name that the task lacks, or a number that is no whole one */
export function checkNames(task: Pick<Task, "setting">, setting: TaskSetting): void {
  for (const [name, value] of Object.entries(setting)) {
    if (!(name in task.setting)) {
      throw new InvalidValueError(name, value, `one of ${Object.keys(task.setting).join(", ")}`);
    }
  }
  for (const name of Object.keys(task.setting)) checkRange(setting, name, 1, TASK_LENGTH_MAX);
}

/** @throws {InvalidValueError} the number is no whole one in the range */
export function checkRange(setting: TaskSetting, name: string, least: number, most: number): void {
  const value = setting[name];
  if (!(Number.isInteger(value) && value! >= least && value! <= most)) {
    throw new InvalidValueError(name, value, `a whole number from ${least} to ${most}`);
  }
}

/**
 * What a task's `open` gives: examples that are drawn only for requests and settings in range.
 *
 * @param check  of the setting, as the task's shape has it
 * @param draw   the examples of a checked request
 */
export function examplesOf(
  check: (setting: TaskSetting) => void,
  draw: (request: MinibatchRequest) => Minibatch,
): (request: MinibatchRequest) => Minibatch {
  return (request) => {
    checkRequest(request);
    check(request.setting);
    return draw(request);
  };
}

/** @throws {InvalidValueError} the request's batch or step is no whole number in its range */
export function checkRequest({ seed, step, batch }: MinibatchRequest): void {
  const whole = { seed, step, batch };
  for (const [name, value] of Object.entries(whole)) {
    const least = name === "batch" ? 1 : 0;
    if (!(Number.isInteger(value) && value >= least && value < 2 ** 31)) {
      throw new InvalidValueError(name, value, `a whole number from ${least} to 2^31 − 1`);
    }
  }
}
