import { InvalidValueError, ShapeError } from "../src/base/errors.ts";

/** The arguments of a bench. `deno task bench -- --json` hands on the two dashes, too. */
export const ARGS: readonly string[] = Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args;

/** Why a bench cannot run here, in words for a user. */
export class BenchError extends Error {
  override readonly name: string = "BenchError";
}

/**
 * The whole number that an option is given.
 *
 * @throws {InvalidValueError} the text is none of the range
 */
export function wholeNumber(option: string, text: string, most: number, least = 1): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new InvalidValueError(`--${option}`, text, `a whole number ${least} to ${most}`);
}

/**
 * Whole numbers with commas between them.
 *
 * @throws {InvalidValueError} one is none of the range
 */
export function wholeNumbers(option: string, text: string, most: number): number[] {
  return text.split(",").map((part) => wholeNumber(option, part, most));
}

/**
 * A text that is one of those known.
 *
 * @throws {InvalidValueError} it is none of them
 */
export function oneOf<T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((each) => each === text);
  if (found !== undefined) return found;
  throw new InvalidValueError(`--${option}`, text, `one of ${known.join(", ")}`);
}

/** The header of a file: what it does and which options it takes. */
function headerOf(text: string): string {
  const [, header = ""] = /\/\*\*\n([\s\S]*?)\n \*\//.exec(text) ?? [];
  return header.replaceAll(/^ \* ?/gm, "");
}

function isForUser(error: unknown): error is Error {
  if (error instanceof BenchError) return true;
  if (error instanceof RangeError) return !(error instanceof ShapeError);
  const { code } = error as { code?: unknown };
  return typeof code === "string" && code.startsWith("ERR_PARSE_ARGS_");
}

/** Runs a bench: `--help` prints its file's header, a wrong value is one line and exit code 1. */
export async function runBench(main: () => unknown): Promise<void> {
  try {
    if (ARGS.includes("--help")) {
      console.log(headerOf(await Deno.readTextFile(new URL(Deno.mainModule))));
      return;
    }
    await main();
  } catch (error) {
    if (!isForUser(error)) throw error;
    console.error(error.message.replaceAll("\n", " "));
    Deno.exitCode = 1;
  }
}
