/** Results of tasks: the file that keeps them, the table and the page. */
import { z } from "zod";
import { InvalidValueError } from "../../base/errors.ts";
import { taskByName, type TaskSetting } from "../../../datasets/tasks/mod.ts";
import { parseBy } from "../../base/parse.ts";
import { formatTable } from "../table.ts";
import { type Recipe, RECIPES, TASK_SIZES, type TaskSize } from "./recipes.ts";

const testShape = z.strictObject({
  setting: z.record(z.string(), z.number()),
  figure: z.number().nullable(),
  answers: z.number(),
});

const runShape = z.strictObject({
  task: z.string(),
  member: z.string(),
  size: z.enum(TASK_SIZES),
  /** Processor or adapter. */
  machine: z.string(),
  /** Revision of the source; null where it is not known. */
  commit: z.string().nullable(),
  /** ISO 8601. */
  date: z.string(),
  seed: z.number(),
  parameters: z.number(),
  /** Settings of the stages, in order. */
  stages: z.array(z.record(z.string(), z.number())),
  /** Examples of a minibatch, by stage. */
  batches: z.array(z.number()),
  steps: z.array(z.number()),
  samples: z.number(),
  trainS: z.number(),
  loss: z.number().nullable(),
  isCut: z.boolean(),
  tests: z.array(testShape).min(1),
});

const fileShape = z.strictObject({ runs: z.array(runShape) });

/** One training of a member on a task, as the file keeps it. */
export type KeptRun = z.infer<typeof runShape>;

/** Reads a file of results. @throws {InvalidValueError} it is no such file; the field is named */
export function parseRuns(text: string, name: string): KeptRun[] {
  return parseBy(fileShape, jsonOf(text, name), name).runs;
}

function jsonOf(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidValueError(name, text.slice(0, 40), "JSON");
  }
}

/** A file of results, one run a line. */
export function formatRuns(runs: readonly KeptRun[]): string {
  return `{"runs":[\n${runs.map((run) => JSON.stringify(run)).join(",\n")}\n]}\n`;
}

/** The runs of two files; of a task, member, size and seed the later one wins. */
export function mergeRuns(older: readonly KeptRun[], newer: readonly KeptRun[]): KeptRun[] {
  const key = ({ task, member, size, seed }: KeptRun) => [task, member, size, seed].join("\n");
  const byKey = new Map([...older, ...newer].map((run) => [key(run), run]));
  const place = (run: KeptRun) => RECIPES.findIndex((recipe) => isOf(recipe, run));
  return [...byKey.values()].sort((a, b) => place(a) - place(b) || a.seed - b.seed);
}

function isOf(recipe: Recipe, run: KeptRun): boolean {
  return recipe.task === run.task && recipe.member === run.member;
}

/** A row of the table: all seeds of a member on a task. */
export interface TaskRow {
  readonly recipe: Recipe;
  readonly size: TaskSize;
  readonly runs: readonly KeptRun[];
}

/** The runs by row, the full ones first, in the order of the recipes; others are left out. */
export function rowsOf(runs: readonly KeptRun[]): TaskRow[] {
  return TASK_SIZES.toReversed().flatMap((size) =>
    RECIPES.flatMap((recipe) => {
      const own = runs.filter((run) => run.size === size && isOf(recipe, run));
      return own.length === 0 ? [] : [{ recipe, size, runs: own }];
    })
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** An accuracy in percent, rounded down so that 100 % is no error at all; an error as it is. */
function formatFigure(task: string, value: number | null): string {
  if (value === null) return "no number";
  if (taskByName(task).figure.kind === "error") return value.toFixed(3);
  // The small number keeps decimal shares such as 0.99, which are not exact, from falling below.
  return `${(Math.floor(1000 * value + 1e-9) / 10).toFixed(1)} %`;
}

/** `length 4096, data 16`. */
function formatSetting(setting: TaskSetting | Readonly<Record<string, number>>): string {
  return Object.entries(setting).map(([name, value]) => `${name} ${value}`).join(", ");
}

function figureOf(row: TaskRow, test: number): string {
  const values = row.runs.map((run) => run.tests[test]?.figure ?? null);
  const all = values.every((value) => value !== null) ? mean(values) : null;
  return formatFigure(row.recipe.task, all);
}

function cellsOf(row: TaskRow): string[] {
  const { recipe, size, runs } = row;
  const first = runs[0]!;
  return [
    recipe.task,
    recipe.member,
    size,
    String(first.tests[0]!.setting["length"]),
    String(first.parameters),
    runs.map(({ steps, isCut }) => `${steps.reduce((a, b) => a + b, 0)}${isCut ? "*" : ""}`)
      .join(" "),
    runs.map(({ trainS }) => trainS.toFixed(0)).join(" "),
    runs.map(({ seed }) => seed).join(" "),
    figureOf(row, 0),
    runs.map(({ tests }) => formatFigure(recipe.task, tests[0]!.figure)).join(" "),
    recipe.paper,
  ];
}

const HEADER = [
  "task",
  "member",
  "size",
  "length",
  "parameters",
  "steps",
  "seconds",
  "seeds",
  "mean",
  "each seed",
  "paper",
];

/** The table as text. */
export function taskTable(runs: readonly KeptRun[]): string {
  return formatTable(HEADER, rowsOf(runs).map(cellsOf));
}

function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Figures of the tests beyond the first: other lengths, fewer pairs. */
function furtherTests(rows: readonly TaskRow[]): string {
  const cells = rows.flatMap((row) =>
    row.runs[0]!.tests.slice(1).map(({ setting, answers }, i) => [
      row.recipe.task,
      row.recipe.member,
      row.size,
      formatSetting(setting),
      String(answers),
      figureOf(row, i + 1),
      row.runs.map(({ tests }) => formatFigure(row.recipe.task, tests[i + 1]?.figure ?? null))
        .join(" "),
    ])
  );
  const header = ["task", "member", "size", "tested at", "answers a seed", "mean", "each seed"];
  return markdownTable(header, cells);
}

/** How each row was trained. */
function trainings(rows: readonly TaskRow[]): string {
  const cells = rows.map(({ recipe, size, runs }) => {
    const first = runs[0]!;
    const stages = first.stages.map((setting, i) =>
      `${formatSetting(setting)}: ${first.batches[i]} × ${
        runs.map(({ steps }) => steps[i] ?? 0).join("/")
      }`
    );
    const places = new Set(
      runs.map(({ machine, commit, date }) =>
        [machine, commit ?? "no revision", date.slice(0, 10)].join(", ")
      ),
    );
    return [recipe.task, recipe.member, size, stages.join("; "), [...places].join("; ")];
  });
  return markdownTable(["task", "member", "size", "stages: batch × steps", "where"], cells);
}

const INTRODUCTION = `# The papers' tasks

What the members of the family can and cannot learn, on the tasks by which their papers tell them
apart. The examples are generated (\`datasets/tasks\`); a minibatch is a pure function of seed and
step, and tests draw examples apart from those of the training. This page is written by

    deno task tasks -- --from bench/results/tasks.json --page docs/tasks.md

from the runs in \`bench/results/tasks.json\`, which \`deno task tasks -- --size full\` adds to. The
small form runs on any machine's CPU in minutes: \`deno task tasks\`.

The figure is the share of right answers, rounded down; of \`delay\` it is the root mean
square error over that of answering 0, so less is better there. Steps and seconds are those of the
training, by seed; an asterisk marks a training that its time limit ended. Several trainings may
have shared the machine, so seconds are no measure of speed.

What differs from the papers: every training rises through stages, short or few first, the
paper's size last, and a stage ends at its steps or as soon as its accuracy is reached. Rates are
2e-3 to 5e-3, falling over the second half of the last stage, with AdamW and gradients clipped at
norm 1, for a few thousand steps where the papers take 200 000 to 400 000. The lengths of selective
copying count the questions at the end; recall has 512 tokens where the papers have 8192; Mamba's
step sizes begin at 1e-10 to 1e-6 in the induction task, so that its memory may last a million
samples, and as published (0.001 to 0.1) everywhere else. \`src/cli/tasks/recipes.ts\` has it all.`;

/** The page of the documentation. `findings` is prose about what the figures say. */
export function taskPage(runs: readonly KeptRun[], findings: string): string {
  const rows = rowsOf(runs);
  const parts = [
    INTRODUCTION,
    "## Results",
    markdownTable(HEADER, rows.map(cellsOf)),
    "## Other lengths and sizes",
    furtherTests(rows),
    "## What it says",
    findings,
    "## How each was trained",
    trainings(rows),
  ];
  return `${parts.join("\n\n")}\n`;
}
