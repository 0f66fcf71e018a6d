/** The hub of the tasks: every member by name. */
import { NotFoundError } from "../../src/base/errors.ts";
import { associativeRecall } from "./associative_recall.ts";
import { delay } from "./delay.ts";
import { inductionHeads } from "./induction_heads.ts";
import { selectiveCopying } from "./selective_copying.ts";
import { speechDigits } from "./speech_digits.ts";
import type { Task } from "./task.ts";
import { waves } from "./waves.ts";

export type {
  Minibatch,
  MinibatchRequest,
  Task,
  TaskFigure,
  TaskInput,
  TaskOutput,
  TaskSetting,
  TaskShape,
} from "./task.ts";
export { hasSpeechDigits } from "./speech_digits.ts";
export { WAVES } from "./waves.ts";

/** Every task, recall first. */
export const TASKS: readonly Task[] = [
  selectiveCopying,
  inductionHeads,
  associativeRecall,
  delay,
  waves,
  speechDigits,
];

/** @throws {NotFoundError} no task has this name */
export function taskByName(name: string): Task {
  const found = TASKS.find((task) => task.name === name);
  if (found === undefined) throw new NotFoundError("task", name);
  return found;
}
