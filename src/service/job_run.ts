/** What the Worker of the jobs does: one tuning from its folder to the file of a model. */
import type { Clock } from "../base/clock.ts";
import { DeviceLostError, LimitError } from "../base/errors.ts";
import type { Device } from "../device/mod.ts";
import type { TrainingEnd } from "../training/trainer.ts";
import {
  runTuning,
  type Tuning,
  type TuningRecipe,
  type TuningSeries,
  type TuningState,
} from "../training/tuning.ts";
import { decodeTuning, encodeTuning } from "../training/tuning_file.ts";
import { JobFolder, seriesOfRows } from "./job_files.ts";
import type { TrainingLine } from "../training/metrics_lines.ts";
import type { ModelFacts } from "./models.ts";

/** A job as its Worker is given it. */
export interface JobTask {
  readonly folder: string;
  readonly recipe: TuningRecipe;
}

/** What a job under way tells. */
export type JobNews =
  /** The run begins, or goes on after a step, of whose way these lines are. */
  | {
    readonly kind: "opened";
    readonly device: string;
    readonly parameters: number;
    readonly tunedParameters: number;
    readonly step: number;
    readonly lines: readonly TrainingLine[];
  }
  | { readonly kind: "line"; readonly line: TrainingLine }
  | { readonly kind: "saved"; readonly step: number }
  | { readonly kind: "note"; readonly text: string };

/** A file that a job has made, and what it says of itself. */
export interface MadeFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly facts: ModelFacts;
}

/** How a run ended; the file where it is finished. */
export interface JobOutcome {
  readonly end: TrainingEnd;
  readonly file: MadeFile | null;
}

/** Opens the tuning of a network's file: the network is known from the file. */
export type OpenTuning = (
  base: Uint8Array,
  series: readonly TuningSeries[],
  recipe: TuningRecipe,
) => Tuning<unknown>;

/** A device to run on, with its name for people. */
export interface JobDevice {
  readonly device: Device;
  readonly name: string;
}

/** What a run stands on. */
export interface JobContext {
  readonly openTuning: OpenTuning;
  /** @throws {SyntaxError | InvalidValueError} the bytes are no model that serves */
  readonly inspect: (bytes: Uint8Array) => ModelFacts;
  /** The devices to try for so much work, the best first: the next one where a GPU goes away. */
  readonly devices: (work: number) => Promise<readonly JobDevice[]>;
  readonly clock: Clock;
  readonly tell: (news: JobNews) => void;
  readonly isInterrupted: () => boolean;
}

/** What the last run saved; a damaged file is as good as none, since the job can begin again. */
async function readState(
  folder: JobFolder,
  recipe: TuningRecipe,
  tell: (news: JobNews) => void,
): Promise<TuningState | undefined> {
  const bytes = await folder.readCheckpoint();
  if (bytes === null) return undefined;
  try {
    return decodeTuning(bytes, recipe);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    tell({ kind: "note", text: `The checkpoint is damaged, the job begins again: ${reason}` });
    return undefined;
  }
}

async function runOn(
  { device, name }: JobDevice,
  folder: JobFolder,
  tuning: Tuning<unknown>,
  { recipe }: JobTask,
  { clock, tell, inspect, isInterrupted }: JobContext,
): Promise<JobOutcome> {
  const from = await readState(folder, recipe, tell);
  // The evaluation before the first step is a line of step 0.
  const lines = await folder.cutLines(from?.training.step ?? -1);
  const { parameters, tunedParameters } = tuning;
  const step = from?.training.step ?? 0;
  tell({ kind: "opened", device: name, parameters, tunedParameters, step, lines });
  const { end, file } = await runTuning(tuning, device, recipe, {
    clock,
    isInterrupted,
    onLine: (line) => {
      folder.addLine(line);
      tell({ kind: "line", line });
    },
    onSave: async (state) => {
      await folder.saveCheckpoint(encodeTuning(recipe, state));
      tell({ kind: "saved", step: state.training.step });
    },
  }, from);
  return { end, file: file === null ? null : { bytes: file, facts: inspect(file) } };
}

/**
 * Runs a job, from its last checkpoint where it has one.
 *
 * @throws {DivergenceError} the training failed
 * @throws {InvalidValueError} the series are too short, or the network's file is wrong
 */
export async function runJob(task: JobTask, context: JobContext): Promise<JobOutcome> {
  const folder = new JobFolder(task.folder);
  const [rows, base] = await Promise.all([folder.readRows(), folder.readBase()]);
  const tuning = context.openTuning(base, seriesOfRows(rows), task.recipe);
  const devices = await context.devices(tuning.parameters * task.recipe.batch * task.recipe.length);
  for (const device of devices.slice(0, -1)) {
    try {
      return await runOn(device, folder, tuning, task, context);
    } catch (error) {
      // It went away, or has no room: the CPU can neither be lost nor be so small.
      if (!(error instanceof DeviceLostError || error instanceof LimitError)) throw error;
      const text = `${error.message}; the job goes on from its last checkpoint on the CPU`;
      context.tell({ kind: "note", text });
    }
  }
  return await runOn(devices.at(-1)!, folder, tuning, task, context);
}
