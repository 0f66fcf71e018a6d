/** `tasks`: the papers' own tasks, trained and tested on this machine. */
import { cpus } from "node:os";
import { NotFoundError } from "../base/errors.ts";
import { systemClock } from "../base/clock.ts";
import { taskByName, TASKS } from "../../datasets/tasks/mod.ts";
import { type Device, type Hardware, openHardware } from "../device/mod.ts";
import { runTask, type TaskPlan, type TaskRun } from "../training/task_training.ts";
import { type Command, EXIT_OK, UsageError } from "./command.ts";
import { openProgress } from "./progress.ts";
import {
  formatRuns,
  type KeptRun,
  mergeRuns,
  parseRuns,
  taskPage,
  taskTable,
} from "./tasks/report.ts";
import { writeAtomic } from "../service/atomic_file.ts";
import { type Recipe, RECIPES, recipesOf, TASK_SIZES, type TaskSize } from "./tasks/recipes.ts";

const SEEDS_DEFAULT = { small: 1, full: 3 };
const SEEDS_MAX = 100;
const MEMORY_GIB_DEFAULT = { small: 1, full: 32 };
const LIMIT_S_MAX = 1_000_000;

/** What the page says about the figures stands in a file of its own, written by people. */
const FINDINGS_FILE = "bench/results/tasks_findings.md";

/** `tasks`: trains members of the family on the papers' tasks. */
export const tasksCommand: Command = {
  name: "tasks",
  summary: "Train the family on the papers' own tasks",
  usage: "[--task NAME]… [--member NAME]… [--size small|full] [--seeds N] [--output FILE]",
  description:
    "Each member is trained on each task with each seed, and tested; a table follows. Without\n" +
    "options the small form runs, minutes a row on a CPU. The full form is for a GPU. With\n" +
    "--from nothing is trained: the table is that of the files.\n\n" +
    `Tasks: ${TASKS.map(({ name }) => name).join(", ")}.\n` +
    "speech-digits reads recordings from the folder DRIFTLINE_SHARED and is skipped without.",
  options: {
    task: { type: "string", isMultiple: true, value: "NAME", help: "Only this task" },
    member: { type: "string", isMultiple: true, value: "NAME", help: "Only this row's member" },
    size: { type: "string", value: "SIZE", help: "small (default) or full" },
    seeds: { type: "string", value: "N", help: "Seeds 1 to N (default 1 small, 3 full)" },
    seed: { type: "string", value: "K", help: "Only seed K" },
    device: { type: "string", value: "NAME", help: "cpu, webgpu or auto (default)" },
    "limit-s": { type: "string", value: "S", help: "End each training after S seconds" },
    "memory-gib": { type: "string", value: "N", help: "GPU memory (default 1 small, 32 full)" },
    commit: { type: "string", value: "TEXT", help: "Revision to record with the results" },
    output: { type: "string", value: "FILE", help: "Add the results to this JSON file" },
    from: { type: "string", isMultiple: true, value: "FILE", help: "Take results, train nothing" },
    page: { type: "string", value: "FILE", help: "Write the page of the documentation" },
  },
  async run(input, output) {
    const size = sizeOf(input.text("size"));
    const file = input.text("output");
    const from = input.texts("from");
    if (input.text("seed") !== undefined && input.text("seeds") !== undefined) {
      throw new UsageError("--seed and --seeds exclude each other");
    }
    // A file that cannot take the results is found out before hours of training, not after.
    if (file !== undefined) await keep(file, []);
    let runs: KeptRun[] = [];
    for (const path of from) runs = mergeRuns(runs, await readRuns(path));
    if (from.length === 0) {
      const recipes = chosen(input.texts("task"), input.texts("member"), size);
      const seeds = seedsOf(
        input.wholeNumber("seed", { least: 0, most: 2 ** 31 - 1 }),
        input.wholeNumber("seeds", { least: 1, most: SEEDS_MAX }) ?? SEEDS_DEFAULT[size],
      );
      const limitS = input.wholeNumber("limit-s", { least: 1, most: LIMIT_S_MAX });
      const memoryGib = input.wholeNumber("memory-gib", { least: 1, most: 1024 });
      const place = await openPlace(input.text("device"), {
        commit: input.text("commit") ?? null,
        budgetBytes: (memoryGib ?? MEMORY_GIB_DEFAULT[size]) * 2 ** 30,
      });
      try {
        runs = await trainAll(recipes, seeds, { size, limitS, file, place, output });
      } finally {
        await place.hardware.close();
      }
    } else if (file !== undefined) {
      await keep(file, runs);
    }
    const page = input.text("page");
    if (page !== undefined) {
      await Deno.writeTextFile(
        page,
        taskPage(runs, (await Deno.readTextFile(FINDINGS_FILE)).trim()),
      );
    }
    output.print(input.isSet("json") ? JSON.stringify({ runs }) : taskTable(runs));
    return EXIT_OK;
  },
};

function sizeOf(text = "small"): TaskSize {
  const size = TASK_SIZES.find((name) => name === text);
  if (size === undefined) throw new UsageError(`--size is "${text}", expected small or full`);
  return size;
}

function seedsOf(only: number | undefined, count: number): number[] {
  return only === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [only];
}

/** @throws {UsageError} a task or a member that no row has */
function chosen(tasks: readonly string[], members: readonly string[], size: TaskSize): Recipe[] {
  for (const task of tasks) {
    if (!TASKS.some(({ name }) => name === task)) {
      const known = TASKS.map(({ name }) => name).join(", ");
      throw new UsageError(`--task is "${task}", expected one of ${known}`);
    }
  }
  for (const member of members) {
    if (!RECIPES.some((recipe) => recipe.member === member)) {
      const known = [...new Set(RECIPES.map((recipe) => recipe.member))].join("; ");
      throw new UsageError(`--member is "${member}", expected one of ${known}`);
    }
  }
  const recipes = recipesOf(tasks, members).filter(({ plans }) => plans[size] !== undefined);
  if (recipes.length > 0) return recipes;
  throw new UsageError(`No row of size ${size} has this --task and this --member`);
}

/** Where the runs take place, as the results name it. */
interface Place {
  readonly hardware: Hardware;
  readonly device: Device;
  readonly machine: string;
  readonly commit: string | null;
}

async function openPlace(
  name = "auto",
  { commit, budgetBytes }: { readonly commit: string | null; readonly budgetBytes: number },
): Promise<Place> {
  if (name !== "cpu" && name !== "webgpu" && name !== "auto") {
    throw new UsageError(`--device is "${name}", expected cpu, webgpu or auto`);
  }
  const hardware = await openHardware({ mode: name, budgetBytes });
  const { gpu, cpu } = hardware;
  const isGpu = gpu !== undefined && (name === "webgpu" || !gpu.info.software);
  if (name === "webgpu" && !isGpu) {
    await hardware.close();
    throw new UsageError(`There is no GPU: ${hardware.gpuUnavailable}`);
  }
  const device = isGpu ? gpu : cpu;
  const machine = isGpu ? gpu.info.description || gpu.info.device : cpus()[0]?.model ?? "CPU";
  return { hardware, device, machine, commit };
}

interface Training {
  readonly size: TaskSize;
  readonly limitS: number | undefined;
  readonly file: string | undefined;
  readonly place: Place;
  readonly output: { readonly isProgressShown: boolean; note(line: string): void };
}

/** Trains every recipe with every seed; each result is kept as soon as it is there. */
async function trainAll(
  recipes: readonly Recipe[],
  seeds: readonly number[],
  training: Training,
): Promise<KeptRun[]> {
  const { size, file, place, output } = training;
  let runs: KeptRun[] = [];
  for (const recipe of recipes) {
    const plan = recipe.plans[size]!;
    for (const seed of seeds) {
      let run: TaskRun;
      try {
        run = await trainOne(recipe, plan, seed, training);
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error;
        output.note(`${recipe.task} is skipped: ${error.message}`);
        break;
      }
      const kept = keptRun(recipe, plan, run, size, place);
      runs = mergeRuns(runs, [kept]);
      if (file !== undefined) await keep(file, [kept]);
    }
  }
  return runs;
}

async function trainOne(
  recipe: Recipe,
  plan: TaskPlan,
  seed: number,
  { limitS, place, output }: Training,
): Promise<TaskRun> {
  const label = `${recipe.task}, ${recipe.member}, seed ${seed}`;
  const total = plan.stages.reduce((sum, { steps }) => sum + steps, 0);
  const progress = await openProgress(label, output.isProgressShown);
  let ended = 0;
  let stageBefore = 0;
  let shown = "";
  try {
    return await runTask(place.device, taskByName(recipe.task), plan, {
      seed,
      clock: systemClock,
      ...(limitS !== undefined && { limitS }),
      onMetrics({ step, loss, elapsedS, samplesPerS, ...metrics }, stage) {
        if (stage !== stageBefore) output.note(`${label}: ${shown}`);
        if (stage !== stageBefore) ended = step;
        stageBefore = stage;
        const { accuracy } = metrics;
        const figure = accuracy === undefined
          ? `error ${Math.sqrt(loss).toFixed(4)}`
          : `accuracy ${(100 * accuracy).toFixed(1)} %`;
        const speed = `${(samplesPerS / 1e6).toFixed(2)} M samples/s`;
        shown = `stage ${stage + 1}, step ${step}, loss ${loss.toFixed(4)}, ${figure}, ` +
          `${elapsedS.toFixed(0)} s, ${speed}`;
        if (step - ended >= NOTE_EVERY) {
          ended = step;
          output.note(`${label}: ${shown}`);
        }
      },
      onStep: (step) => progress.update(step, total),
    });
  } finally {
    progress.stop();
  }
}

/** Steps between two lines on standard error. */
const NOTE_EVERY = 200;

function keptRun(
  recipe: Recipe,
  plan: TaskPlan,
  run: TaskRun,
  size: TaskSize,
  { machine, commit }: Place,
): KeptRun {
  const task = taskByName(recipe.task);
  const finite = (value: number) => Number.isFinite(value) ? value : null;
  return {
    task: recipe.task,
    member: recipe.member,
    size,
    machine,
    commit,
    date: new Date().toISOString(),
    seed: run.seed,
    parameters: run.parameters,
    stages: plan.stages.map(({ setting }) => ({ ...task.setting, ...setting })),
    batches: plan.stages.map(({ batch }) => batch),
    steps: [...run.steps],
    samples: run.samples,
    trainS: Number(run.trainS.toFixed(1)),
    loss: finite(run.loss),
    isCut: run.isCut,
    tests: run.tests.map(({ setting, figure, answers }) => ({
      setting,
      figure: finite(figure),
      answers,
    })),
  };
}

async function readRuns(path: string): Promise<KeptRun[]> {
  return parseRuns(await Deno.readTextFile(path), path);
}

/** Adds runs to a file; one that is not there yet is made. */
async function keep(path: string, runs: readonly KeptRun[]): Promise<void> {
  let before: KeptRun[] = [];
  try {
    before = await readRuns(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const text = formatRuns(mergeRuns(before, runs));
  await writeAtomic(path, new TextEncoder().encode(text));
}
