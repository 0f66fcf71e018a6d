/**
 * Two revisions side by side: this working tree and another commit, checked out beside it for as
 * long as the comparison takes. Both sides run the bench of this tree, in a process each that stays
 * for the whole comparison, and take turns scenario by scenario, so that heat, clocks and neighbours
 * fall on both alike. The counts of iterations are fixed and the minima are compared, since noise
 * only adds.
 */
import { BenchError } from "./args.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import { openProgress } from "../src/cli/progress.ts";
import type { Greeting, SideTimes } from "./compare_side.ts";

/** Turns of each side, and repeats in a turn. */
const ROUNDS = 5;
const REPEATS = 4;
/** Scenarios whose least times differ by less are as fast. */
const ALIKE = 0.03;

/** Why two revisions could not be compared, in words for a user. */
export class ComparisonError extends BenchError {
  override readonly name = "ComparisonError";
}

/** One scenario on one device. */
export interface Compared {
  readonly name: string;
  readonly device: string;
  readonly baseMs: number;
  readonly hereMs: number;
}

/** What a comparison found. */
export interface Comparison {
  readonly revision: string;
  readonly adapter: string;
  readonly rows: readonly Compared[];
  /** Scenarios that one of the sides could not run, and why. */
  readonly skipped: readonly { readonly name: string; readonly problem: string }[];
}

const EXIT_INTERRUPTED = 130;
const ROOT = new URL("..", import.meta.url).pathname;

async function git(...args: string[]): Promise<{ ok: boolean; text: string }> {
  const command = new Deno.Command("git", { args, cwd: ROOT, stdout: "piped", stderr: "piped" });
  try {
    const { success, stdout, stderr } = await command.output();
    return { ok: success, text: new TextDecoder().decode(success ? stdout : stderr).trim() };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new ComparisonError("--compare needs git");
    throw error;
  }
}

/**
 * The commit that a revision names.
 *
 * @throws {RangeError} it names none
 * @throws {ComparisonError} there is no git on this machine
 */
export async function commitOf(revision: string): Promise<string> {
  const { ok, text } = await git("rev-parse", "--verify", "--quiet", `${revision}^{commit}`);
  if (!ok) throw new RangeError(`--compare "${revision}" is no revision of this repository`);
  return text;
}

/** Files of this tree's bench, laid over the other tree's, so that both time the same. */
async function overlay(folder: string): Promise<void> {
  for (const part of ["bench", "shaders/bench"]) {
    await Deno.mkdir(`${folder}/${part}`, { recursive: true });
    for await (const entry of Deno.readDir(`${ROOT}${part}`)) {
      if (!entry.isFile || !/\.(ts|json|wgsl)$/.test(entry.name)) continue;
      await Deno.copyFile(`${ROOT}${part}/${entry.name}`, `${folder}/${part}/${entry.name}`);
    }
  }
}

/** A process that times scenarios in one tree. */
class Side {
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncGenerator<string>;
  readonly #errors: Promise<string>;

  constructor(name: string, folder: string, shapes: string) {
    this.#name = name;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `${folder}/bench/compare_side.ts`, shapes],
      cwd: folder,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout);
    this.#errors = new Response(this.#child.stderr).text();
  }

  /** @throws {ComparisonError} the process ended without an answer; says its first complaint */
  async next<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (!done) return JSON.parse(value) as T;
    const complaint = (await this.#errors).split("\n").find((line) => /^error/i.test(line));
    throw new ComparisonError(`${this.#name} cannot run this bench: ${complaint ?? "no word"}`);
  }

  async time(name: string): Promise<SideTimes> {
    const request = JSON.stringify({ name, repeats: REPEATS });
    await this.#writer.write(new TextEncoder().encode(`${request}\n`));
    return await this.next<SideTimes>();
  }

  /** Ends the process and waits for it. */
  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#child.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

function lower(a: Record<string, number>, b: Readonly<Record<string, number>>): void {
  for (const [device, ms] of Object.entries(b)) a[device] = Math.min(a[device] ?? Infinity, ms);
}

/** Takes turns at one scenario. */
async function compareOne(base: Side, here: Side, name: string) {
  const least = { base: {} as Record<string, number>, here: {} as Record<string, number> };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [key, side] of [["base", base], ["here", here]] as const) {
      const { least: times, problem } = await side.time(name);
      if (problem !== undefined) {
        return { rows: [], problem: key === "base" ? `there: ${problem}` : problem };
      }
      lower(least[key], times);
    }
  }
  const rows = Object.keys(least.here).filter((device) => device in least.base).map((device) => ({
    name,
    device,
    baseMs: least.base[device]!,
    hereMs: least.here[device]!,
  }));
  return { rows, problem: undefined };
}

/**
 * Compares this tree with a revision.
 *
 * @param shapes  of the scenarios: `small` or `large`
 * @param wanted  chooses among the scenarios that both sides have, by name
 * @throws {RangeError} the revision is none
 * @throws {ComparisonError} the revision cannot be checked out, or cannot run this bench
 */
export async function compareWith(
  revision: string,
  shapes: "small" | "large",
  wanted: (name: string) => boolean,
  isBarShown = false,
): Promise<Comparison> {
  const commit = await commitOf(revision);
  const folder = await Deno.makeTempDir({ prefix: "driftline_compare_" });
  const sides: Side[] = [];
  const progress = await openProgress("compare", isBarShown);
  const leave = async () => {
    progress.stop();
    for (const side of sides) await side.close();
    await git("worktree", "remove", "--force", folder);
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  };
  const interrupted = () => void leave().finally(() => Deno.exit(EXIT_INTERRUPTED));
  Deno.addSignalListener("SIGINT", interrupted);
  try {
    const added = await git("worktree", "add", "--detach", "--force", folder, commit);
    if (!added.ok) throw new ComparisonError(`No tree of ${revision}: ${added.text}`);
    await overlay(folder);
    const base = new Side(revision, folder, shapes);
    sides.push(base);
    const there = await base.next<Greeting>();
    const here = new Side("This tree", ROOT, shapes);
    sides.push(here);
    const greeting = await here.next<Greeting>();
    const names = greeting.names.filter((name) => there.names.includes(name) && wanted(name));
    const rows: Compared[] = [];
    const skipped: { name: string; problem: string }[] = [];
    for (const [i, name] of names.entries()) {
      progress.update(i, names.length);
      const { rows: own, problem } = await compareOne(base, here, name);
      if (problem !== undefined) skipped.push({ name, problem });
      rows.push(...own);
    }
    return {
      revision: `${revision} (${commit.slice(0, 7)})`,
      adapter: greeting.adapter,
      rows,
      skipped,
    };
  } finally {
    Deno.removeSignalListener("SIGINT", interrupted);
    await leave();
  }
}

function verdict(ratio: number): string {
  if (Math.abs(ratio - 1) < ALIKE) return "";
  return ratio < 1 ? "faster" : "slower";
}

/** The comparison as lines for people. */
export function formatComparison({ revision, adapter, rows, skipped }: Comparison): string {
  const mean = Math.exp(
    rows.reduce((sum, { baseMs, hereMs }) => sum + Math.log(hereMs / baseMs), 0) / rows.length,
  );
  const table = formatTable(
    ["scenario", "device", `${revision} ms`, "here ms", "here ÷ there", ""],
    rows.map(({ name, device, baseMs, hereMs }) => [
      name,
      device,
      formatNumber(Number(baseMs.toPrecision(4))),
      formatNumber(Number(hereMs.toPrecision(4))),
      (hereMs / baseMs).toFixed(3),
      verdict(hereMs / baseMs),
    ]),
  );
  return [
    `${adapter}; least of ${ROUNDS} turns of ${REPEATS}`,
    table,
    ...skipped.map(({ name, problem }) => `not compared: ${name}: ${problem}`),
    ...(rows.length > 0 ? [`geometric mean ${mean.toFixed(3)}`] : []),
  ].join("\n");
}
