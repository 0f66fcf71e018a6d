import { type Command, EXIT_OK, EXIT_USAGE, runVerb } from "./command.ts";

/**
 * The verbs. Each is loaded when it is called, so that a short one does not pay for the others.
 */
const VERBS: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  serve: {
    summary: "Serve on loopback",
    load: async () => (await import("./serve.ts")).serveCommand,
  },
  demo: {
    summary: "Serve, replay real series, print forecasts and flags",
    load: async () => (await import("./demo.ts")).demoCommand,
  },
  forecast: {
    summary: "Forecast a CSV file, or many windows",
    load: async () => (await import("./forecast.ts")).forecastCommand,
  },
  detect: {
    summary: "Score and flag the samples of a CSV file",
    load: async () => (await import("./detect.ts")).detectCommand,
  },
  backtest: {
    summary: "Forecast a CSV file from past origins, beside naive forecasts and peers",
    load: async () => (await import("./backtest.ts")).backtestCommand,
  },
  evaluate: {
    summary: "Measure how accurate every model is, and write docs/accuracy.md",
    load: async () => (await import("./evaluate.ts")).evaluateCommand,
  },
  train: {
    summary: "Train a model on series files or on a task",
    load: async () => (await import("./train.ts")).trainCommand,
  },
  pretraining: {
    summary: "Pack and preview the series of pretraining",
    load: async () => (await import("./pretraining.ts")).pretrainingCommand,
  },
  models: {
    summary: "List the models and jobs of a running service",
    load: async () => (await import("./models.ts")).modelsCommand,
  },
  alerts: {
    summary: "List the alerts and alert rules of a running service",
    load: async () => (await import("./alerts.ts")).alertsCommand,
  },
  prove: {
    summary: "Replay the logs of a data folder and compare the states that they make",
    load: async () => (await import("./prove.ts")).proveCommand,
  },
  weights: {
    summary: "Check and list the networks that serve, or add one",
    load: async () => (await import("./weights.ts")).weightsCommand,
  },
  import: {
    summary: "Send a file to a running service, or into a data folder",
    load: async () => (await import("./import.ts")).importCommand,
  },
  doctor: {
    summary: "Show runtime and devices, check every op on them",
    load: async () => (await import("./doctor.ts")).doctorCommand,
  },
  tasks: {
    summary: "Train the family on the papers' own tasks",
    load: async () => (await import("./tasks.ts")).tasksCommand,
  },
  family: {
    summary: "Find out what each member of the family can do",
    load: async () => (await import("./family.ts")).familyCommand,
  },
  gradients: {
    summary: "Hold every op's gradients to finite differences",
    load: async () => (await import("./gradients.ts")).gradientsCommand,
  },
  goldens: {
    summary: "Reproduce the golden vectors of published implementations",
    load: async () => (await import("./goldens.ts")).goldensCommand,
  },
};

function overview(): string {
  const lines = Object.entries(VERBS).map(([name, { summary }]) =>
    `  ${name.padEnd(12)} ${summary}`
  );
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
  return Object.hasOwn(VERBS, name) ? await VERBS[name]!.load() : null;
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
