import { parseArgs } from "node:util";
import { NotFoundError } from "../base/errors.ts";

/** What a verb is called behind, in a copy of the repository. */
export const PROGRAM = "deno task driftline";

/** Exit code: done. */
export const EXIT_OK = 0;
/** Exit code: the work failed. */
export const EXIT_FAILED = 1;
/** Exit code: called in a way that the command line does not know. */
export const EXIT_USAGE = 2;

/** One option of a verb. */
export interface OptionSpec {
  readonly type: "string" | "boolean";
  /** May be given several times. */
  readonly isMultiple?: boolean;
  /** Name of the value in the help: `--output FILE`. */
  readonly value?: string;
  readonly help: string;
}

/** What a verb was called with. */
export interface CommandInput {
  readonly positionals: readonly string[];
  /** The last value of an option; undefined when it was not given. */
  text(name: string): string | undefined;
  /** All values of an option that may be given several times. */
  texts(name: string): readonly string[];
  isSet(name: string): boolean;
  /** @throws {UsageError} no whole number in the range */
  wholeNumber(name: string, range: { least: number; most: number }): number | undefined;
}

/** Where a verb writes. Results go to standard output, all else to standard error. */
export interface CommandOutput {
  print(line: string): void;
  note(line: string): void;
  /** True when progress may be drawn: `--json` keeps standard error quiet. */
  readonly isProgressShown: boolean;
}

/** One verb of the command line; each is a file, loaded when it is called. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** After the name: `FILE.csv --horizon N`. */
  readonly usage: string;
  /** More than the summary: formats, defaults, what the exit code means. */
  readonly description: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Takes values without a name, such as a file; other verbs refuse them. */
  readonly takesPositionals?: boolean;
  /** Returns the exit code. */
  run(input: CommandInput, output: CommandOutput): Promise<number>;
}

/** The command line was called in a way that it does not know. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What an option names. @throws {UsageError} nothing is called so; the message lists what is */
export function oneOf<T extends string>(option: string, given: string, known: readonly T[]): T {
  const choice = known.find((name) => name === given);
  if (choice !== undefined) return choice;
  throw new UsageError(`--${option} is "${given}", expected one of ${known.join(", ")}`);
}

const COMMON: Readonly<Record<string, OptionSpec>> = {
  json: { type: "boolean", help: "Print the result as JSON" },
  help: { type: "boolean", help: "Print this help" },
};

/** Reads the arguments of a verb. @throws {UsageError} an unknown option or a missing value */
export function readInput(command: Command, args: readonly string[]): CommandInput {
  const specs = { ...command.options, ...COMMON };
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { type }]) => [name, { type, multiple: true as const }]),
  );
  const { values, positionals } = parse(args, options);
  const texts = (name: string) => (values[name] ?? []).filter((value) => typeof value === "string");
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.isMultiple !== true && spec.type === "string" && texts(name).length > 1) {
      throw new UsageError(`--${name} is given more than once`);
    }
  }
  return {
    positionals,
    texts,
    text: (name) => texts(name).at(-1),
    isSet: (name) => values[name]?.at(-1) === true,
    wholeNumber: (name, { least, most }) => {
      const text = texts(name).at(-1);
      if (text === undefined) return undefined;
      const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
      if (value >= least && value <= most) return value;
      throw new UsageError(`--${name} is "${text}", expected a whole number ${least} to ${most}`);
    },
  };
}

function parse(
  args: readonly string[],
  options: Record<string, { type: "string" | "boolean"; multiple: true }>,
): { values: Record<string, (string | boolean)[] | undefined>; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      allowNegative: true,
    });
    return { values: values as Record<string, (string | boolean)[] | undefined>, positionals };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const [, unknown] = /^Unknown option '(.+?)'/.exec(error.message) ?? [];
    if (unknown === undefined) throw new UsageError(error.message.replaceAll("\n", " "));
    const known = Object.keys(options).map((name) => `--${name}`).join(", ");
    throw new UsageError(`${unknown} is no option; there are ${known}`);
  }
}

/** The help of one verb. */
export function helpOf(command: Command): string {
  const lines = [
    `${command.summary}.`,
    "",
    `Usage: driftline ${command.name} ${command.usage}`.trimEnd(),
    "",
    command.description,
    "",
    "Options:",
  ];
  for (const [name, { value, help }] of Object.entries({ ...command.options, ...COMMON })) {
    const flag = `--${name}${value === undefined ? "" : ` ${value}`}`;
    lines.push(`  ${flag.padEnd(24)} ${help}`);
  }
  lines.push("", "Exit code: 0 done, 1 failed, 2 wrong usage.");
  return lines.join("\n");
}

/** Runs one verb with its arguments: help, faults and exit codes are the same for all. */
export async function runVerb(
  command: Command,
  args: readonly string[],
  print: { out: (line: string) => void; error: (line: string) => void },
): Promise<number> {
  try {
    const input = readInput(command, args);
    if (input.isSet("help")) {
      print.out(helpOf(command));
      return EXIT_OK;
    }
    if (command.takesPositionals !== true && input.positionals.length > 0) {
      throw new UsageError(`"${input.positionals[0]}" is no option`);
    }
    return await command.run(input, {
      print: print.out,
      note: print.error,
      isProgressShown: !input.isSet("json"),
    });
  } catch (error) {
    if (error instanceof UsageError) {
      print.error(`${error.message}\nTry: ${PROGRAM} ${command.name} --help`);
      return EXIT_USAGE;
    }
    print.error(describeFault(error));
    return EXIT_FAILED;
  }
}

/** One line for what the world did wrong, the stack for what we did. */
export function describeFault(error: unknown): string {
  if (!(error instanceof Error)) return `Failed: ${String(error)}`;
  const isWorlds = error instanceof SyntaxError || error instanceof RangeError ||
    error instanceof NotFoundError || isOfSystem(error);
  return `Failed: ${isWorlds ? error.message : error.stack ?? error.message}`;
}

/** True where the operating system refused: no such file, a full disk, a port that is taken. */
function isOfSystem(error: Error): boolean {
  const { NotFound, PermissionDenied, AddrInUse } = Deno.errors;
  if ([NotFound, PermissionDenied, AddrInUse].some((kind) => error instanceof kind)) return true;
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code);
}
