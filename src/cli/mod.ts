import { type Command, EXIT_OK, EXIT_USAGE, runVerb } from "./command.ts";

/** What a verb does, in a line, and how it is loaded. */
type Verb = readonly [summary: string, load: () => Promise<Command>];

/**
 * The verbs. Each is loaded when it is called, so that a short one does not pay for the others.
 */
const VERBS: Readonly<Record<string, Verb>> = {
  serve: ["Serve on loopback", async () => (await import("./serve.ts")).serveCommand],
  demo: [
    "Serve, replay real series, print forecasts and flags",
    async () => (await import("./demo.ts")).demoCommand,
  ],
  forecast: [
    "Forecast a CSV file, or many windows",
    async () => (await import("./forecast.ts")).forecastCommand,
  ],
  detect: [
    "Score and flag the samples of a CSV file",
    async () => (await import("./detect.ts")).detectCommand,
  ],
  backtest: [
    "Forecast a CSV file from past origins, beside naive forecasts and peers",
    async () => (await import("./backtest.ts")).backtestCommand,
  ],
  evaluate: [
    "Measure how accurate every model is, and write docs/accuracy.md",
    async () => (await import("./evaluate.ts")).evaluateCommand,
  ],
  train: [
    "Train a model on series files or on a task",
    async () => (await import("./train.ts")).trainCommand,
  ],
  pretraining: [
    "Pack and preview the series of pretraining",
    async () => (await import("./pretraining.ts")).pretrainingCommand,
  ],
  models: [
    "List the models and jobs of a running service",
    async () => (await import("./models.ts")).modelsCommand,
  ],
  alerts: [
    "List the alerts and alert rules of a running service",
    async () => (await import("./alerts.ts")).alertsCommand,
  ],
  prove: [
    "Replay the logs of a data folder and compare the states that they make",
    async () => (await import("./prove.ts")).proveCommand,
  ],
  weights: [
    "Check and list the networks that serve, or add one",
    async () => (await import("./weights.ts")).weightsCommand,
  ],
  import: [
    "Send a file to a running service, or into a data folder",
    async () => (await import("./import.ts")).importCommand,
  ],
  doctor: [
    "Show runtime and devices, check every op on them",
    async () => (await import("./doctor.ts")).doctorCommand,
  ],
  tasks: [
    "Train the family on the papers' own tasks",
    async () => (await import("./tasks.ts")).tasksCommand,
  ],
  family: [
    "Find out what each member of the family can do",
    async () => (await import("./family.ts")).familyCommand,
  ],
  gradients: [
    "Hold every op's gradients to finite differences",
    async () => (await import("./gradients.ts")).gradientsCommand,
  ],
  goldens: [
    "Reproduce the golden vectors of published implementations",
    async () => (await import("./goldens.ts")).goldensCommand,
  ],
};

function overview(): string {
  const lines = Object.entries(VERBS).map(([name, [summary]]) => `  ${name.padEnd(12)} ${summary}`);
  return [
    "Usage: driftline <verb> [options]",
    "",
    ...lines,
    "",
    "driftline <verb> --help tells more.",
  ]
    .join("\n");
}

/** The verb of a name; null where there is none. */
export async function verbNamed(name: string): Promise<Command | null> {
  if (!Object.hasOwn(VERBS, name)) return null;
  const [, load] = VERBS[name]!;
  return await load();
}

/**
 * `deno task demo -- --once` passes the dashes on, behind the options that the task itself has
 * (`evaluate --detection -- --check`). Dashes before what is no option stay: a name follows.
 */
function withoutTaskDashes(args: readonly string[]): readonly string[] {
  const at = args.indexOf("--");
  const isTasks = at === 0 || (at > 0 && args[at + 1]?.startsWith("--") === true);
  return isTasks ? args.toSpliced(at, 1) : args;
}

/** Runs the command line; returns the exit code. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args[0] === "--" ? args.slice(1) : args;
  const out = (line: string) => console.log(line);
  const error = (line: string) => console.error(line);
  if (name === undefined || name === "--help" || name === "help") {
    (name === undefined ? error : out)(overview());
    return name === undefined ? EXIT_USAGE : EXIT_OK;
  }
  const verb = await verbNamed(name);
  if (verb === null) {
    error(`"${name}" is no verb\n${overview()}`);
    return EXIT_USAGE;
  }
  return await runVerb(verb, withoutTaskDashes(rest), { out, error });
}
