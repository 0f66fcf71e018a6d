/**
 * Trains a backbone on a task and measures it: stages of rising difficulty, each until its accuracy
 * or its steps are reached, then tests, longer ones too.
 */
import { InvalidValueError } from "../base/errors.ts";
import { partOf } from "../base/prefixes.ts";
import { seedRandom } from "../base/random.ts";
import type { Clock } from "../base/clock.ts";
import type { Minibatch, MinibatchRequest, Task, TaskSetting } from "../../datasets/tasks/mod.ts";
import type { Device } from "../device/mod.ts";
import { type Backbone, backboneOf } from "../models/backbone.ts";
import { parseBackbone } from "../models/backbone_config.ts";
import { asDtype, type Tensor } from "../tensor/tensor.ts";
import { byGroup } from "./groups.ts";
import type { OptimizerOptions } from "./optimizer.ts";
import { backboneObjective } from "./objective.ts";
import { endsOfTask, evaluateTask, lossOfTask, type TaskScore } from "./task_evaluation.ts";
import { freeAll, uploadAll } from "./tensors.ts";
import { type MetricsLine, train } from "./trainer.ts";
import { openTraining, type TrainingState } from "./training.ts";

/** One stage: examples of one difficulty. */
export interface TaskStage {
  /** Numbers that differ from the task's own setting. */
  readonly setting: Readonly<Record<string, number>>;
  /** Examples of a minibatch. */
  readonly batch: number;
  /** Most steps. */
  readonly steps: number;
  /** Ends the stage when the accuracy of the last steps reaches this. */
  readonly until?: number;
  /** Learning rate of the stage; default the plan's. */
  readonly rate?: number;
}

/** One test after the training. */
export interface TaskTest {
  readonly setting: Readonly<Record<string, number>>;
  /** Examples of a minibatch, and minibatches. */
  readonly batch: number;
  readonly batches: number;
}

/** How a model is trained and tested on a task. */
export interface TaskPlan {
  /** Layers, width and norm of the backbone; the task gives its input and its output. */
  readonly model: Readonly<Record<string, unknown>>;
  /** How the outputs of a whole example are pooled; default mean. */
  readonly pool?: "mean" | "last";
  readonly stages: readonly TaskStage[];
  /** Learning rate of the plateau; the last stage's second half falls to a tenth of it. */
  readonly rate: number;
  /** Weight decay of matrices; default 0.01. */
  readonly decay?: number;
  /** Memory of the optimizer's mean of squares; default 0.98: the loss moves fast here. */
  readonly beta2?: number;
  /** Rate of the parameters of systems (A, dt) as a share of the others'; default 1. */
  readonly systemRate?: number;
  readonly tests: readonly TaskTest[];
}

/** What a run found. */
export interface TaskRun {
  readonly seed: number;
  /** Numbers in the model. */
  readonly parameters: number;
  /** Steps of each stage. */
  readonly steps: readonly number[];
  /** Training samples seen. */
  readonly samples: number;
  /** Time of the training without the tests. */
  readonly trainS: number;
  /** Mean loss of the last steps. */
  readonly loss: number;
  /** Whether the time ended the training before its steps did. */
  readonly isCut: boolean;
  readonly tests: readonly (TaskScore & { readonly setting: TaskSetting })[];
}

/** Options of {@linkcode runTask}. */
export interface TaskRunOptions {
  readonly seed: number;
  readonly clock: Clock;
  /** The training ends after this time, s, whatever its stage; tests still run. */
  readonly limitS?: number;
  /** Called every few steps with the stage's number. */
  readonly onMetrics?: (line: MetricsLine, stage: number) => void;
  /** Called after each step with all steps so far. */
  readonly onStep?: (steps: number) => void;
}

/** Steps between two reads of the metrics. */
const LOG_EVERY = 20;

/** Steps over which the rate rises. */
const WARM_UP = 50;

/**
 * A loss near 0 jumps by large factors and comes back: only one that is no number, or this many
 * times its median, ends a run.
 */
const DIVERGENCE_FACTOR = 1e6;

/** Largest global norm of the gradients. */
const CLIP_NORM = 1;

function settingOf(task: Task, own: Readonly<Record<string, number>>): TaskSetting {
  return { ...task.setting, ...own };
}

/** The backbone of a plan on a task. All stages and tests of a plan share its input and output. */
export function backboneOfPlan(task: Task, plan: TaskPlan): Backbone {
  const first = plan.stages[0];
  if (first === undefined) throw new InvalidValueError("stages", 0, "at least one stage");
  const shape = task.shape(settingOf(task, first.setting));
  for (const { setting } of [...plan.stages, ...plan.tests]) {
    const other = task.shape(settingOf(task, setting));
    if (JSON.stringify(other) !== JSON.stringify(shape)) {
      throw new InvalidValueError(
        "setting",
        JSON.stringify(setting),
        "the first stage's vocabulary",
      );
    }
  }
  return backboneOf(parseBackbone({ ...plan.model, ...endsOfTask(shape, plan.pool) }));
}

/**
 * Runs a plan. The same seed on the same device gives the same run, if no time limit cuts it.
 *
 * @throws {DivergenceError} the loss is no finite number or grows far above its median
 * @throws {InvalidValueError} the plan does not fit the task
 */
export async function runTask(
  device: Device,
  task: Task,
  plan: TaskPlan,
  options: TaskRunOptions,
): Promise<TaskRun> {
  const backbone = backboneOfPlan(task, plan);
  const shape = task.shape(settingOf(task, plan.stages[0]!.setting));
  const draw = await task.open();
  const weights = Object.fromEntries(
    Object.entries(backbone.init(seedRandom(options.seed)))
      .map(([name, tensor]) => [name, asDtype(tensor, "f32")]),
  );
  const staged = await trainStages(device, task, plan, backbone, draw, weights, options);
  const tensors = uploadAll(device, staged.weights);
  const tests: (TaskScore & { setting: TaskSetting })[] = [];
  try {
    for (const test of plan.tests) {
      const setting = settingOf(task, test.setting);
      const minibatches = testBatches(draw, test, setting, options.seed);
      const score = await evaluateTask(device, backbone, tensors, shape, minibatches);
      tests.push({ setting, ...score });
    }
  } finally {
    freeAll(device, tensors);
  }
  const parameters = Object.values(weights).reduce((sum, { data }) => sum + data.length, 0);
  const { steps, samples, trainS, loss, isCut } = staged;
  return { seed: options.seed, parameters, steps, samples, trainS, loss, isCut, tests };
}

type Draw = (request: MinibatchRequest) => Minibatch;

function* testBatches(
  draw: Draw,
  { batch, batches }: TaskTest,
  setting: TaskSetting,
  seed: number,
): Generator<Minibatch> {
  for (let step = 0; step < batches; step++) {
    yield draw({ seed, step, batch, split: "test", setting });
  }
}

function optimizerOf({ decay = 0.01, beta2 = 0.98, systemRate = 1 }: TaskPlan): OptimizerOptions {
  return { beta2, decay, clipNorm: CLIP_NORM, ofParameter: byGroup(systemRate) };
}

/** All stages one after another; the optimizer goes on from one to the next. */
async function trainStages(
  device: Device,
  task: Task,
  plan: TaskPlan,
  backbone: Backbone,
  draw: Draw,
  initial: Readonly<Record<string, Tensor>>,
  { seed, clock, limitS = Infinity, onMetrics, onStep }: TaskRunOptions,
) {
  const startMs = clock.monotonicMs();
  const elapsedS = () => (clock.monotonicMs() - startMs) / 1000;
  const steps: number[] = [];
  let [samples, loss, isCut] = [0, NaN, false];
  let saved: TrainingState | undefined;
  for (const [i, stage] of plan.stages.entries()) {
    if (isCut) break;
    const start = saved?.step ?? 0;
    const isLast = i === plan.stages.length - 1;
    const setting = settingOf(task, stage.setting);
    const { rate = plan.rate } = stage;
    const training = openTraining(device, initial, {
      objective: backboneObjective(backbone, lossOfTask(task.shape(setting))),
      minibatch: (step) => draw({ seed, step, batch: stage.batch, split: "train", setting }),
      seed,
      schedule: {
        kind: "warmupStableDecay",
        rate,
        warmup: WARM_UP,
        steps: start + stage.steps,
        decay: isLast ? Math.ceil(stage.steps / 2) : 0,
        floor: rate / 10,
      },
      optimizer: optimizerOf(plan),
    }, saved);
    let isReached = false;
    try {
      await train(training, {
        steps: start + stage.steps,
        logEvery: LOG_EVERY,
        divergenceFactor: DIVERGENCE_FACTOR,
      }, {
        clock,
        onMetrics(line) {
          loss = line.loss;
          isReached = stage.until !== undefined && (line["accuracy"] ?? 0) >= stage.until;
          isCut = elapsedS() > limitS;
          onMetrics?.(line, i);
        },
        ...(onStep && { onStep }),
        isInterrupted: () => isReached || isCut,
      });
      saved = await training.save();
    } finally {
      training.release();
    }
    steps.push(saved.step - start);
    samples += (saved.step - start) * stage.batch * setting.length;
  }
  const weights = partOf(saved?.tensors ?? {}, "weights/");
  return { weights, steps, samples, trainS: elapsedS(), loss, isCut };
}
