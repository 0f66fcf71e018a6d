/**
 * Two revisions side by side: this working tree and another commit, checked out beside it for as
 * long as the comparison takes. Both sides run the bench of this tree, in a process each that stays
 * for the whole comparison, and take turns scenario by scenario, so that heat, clocks and neighbours
 * fall on both alike. The counts of iterations are fixed and the minima are compared, since noise
 * only adds; a difference is called one where the turns agree on it, too.
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
/**
 * Share of the pairs of turns, one of each side, that must go one way before a difference is called
 * one: on a machine that others share the least of five turns differs by more than 3 % by itself.
 * Of equal sides 1 in 30 passes this (Mann and Whitney 1947, five turns against five).
 */
const CLEAR_SHARE = 0.92;

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
  /** Share of the pairs of turns in which this tree took less; a tie counts half. */
  readonly wins: number;
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

/** Times of one side by device, a turn each. */
type Turns = Record<string, number[]>;

/** Share of the pairs in which the first is less; a tie counts half. */
export function shareOfLess(ours: readonly number[], theirs: readonly number[]): number {
  let less = 0;
  for (const our of ours) {
    for (const their of theirs) less += our < their ? 1 : our === their ? 0.5 : 0;
  }
  return less / (ours.length * theirs.length);
}

/** Takes turns at one scenario. */
async function compareOne(base: Side, here: Side, name: string) {
  const turns: { readonly base: Turns; readonly here: Turns } = { base: {}, here: {} };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [key, side] of [["base", base], ["here", here]] as const) {
      const { least: times, problem } = await side.time(name);
      if (problem !== undefined) {
        return { rows: [], problem: key === "base" ? `there: ${problem}` : problem };
      }
      for (const [device, ms] of Object.entries(times)) (turns[key][device] ??= []).push(ms);
    }
  }
  const rows = Object.entries(turns.here).flatMap(([device, here]): Compared[] => {
    const base = turns.base[device];
    if (base === undefined) return [];
    const [baseMs, hereMs] = [Math.min(...base), Math.min(...here)];
    return [{ name, device, baseMs, hereMs, wins: shareOfLess(here, base) }];
  });
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

/** Faster or slower, where both the least times and nearly all pairs of turns say so. */
function verdict({ baseMs, hereMs, wins }: Compared): string {
  const ratio = hereMs / baseMs;
  if (ratio <= 1 - ALIKE && wins >= CLEAR_SHARE) return "faster";
  if (ratio >= 1 + ALIKE && wins <= 1 - CLEAR_SHARE) return "slower";
  return "";
}

/** The comparison as lines for people. */
export function formatComparison({ revision, adapter, rows, skipped }: Comparison): string {
  const mean = Math.exp(
    rows.reduce((sum, { baseMs, hereMs }) => sum + Math.log(hereMs / baseMs), 0) / rows.length,
  );
  const table = formatTable(
    ["scenario", "device", `${revision} ms`, "here ms", "here ÷ there", "turns won", ""],
    rows.map((row) => [
      row.name,
      row.device,
      formatNumber(Number(row.baseMs.toPrecision(4))),
      formatNumber(Number(row.hereMs.toPrecision(4))),
      (row.hereMs / row.baseMs).toFixed(3),
      `${(100 * row.wins).toFixed(0)} %`,
      verdict(row),
    ]),
  );
  return [
    `${adapter}; least of ${ROUNDS} turns of ${REPEATS}`,
    table,
    ...skipped.map(({ name, problem }) => `not compared: ${name}: ${problem}`),
    ...(rows.length > 0 ? [`geometric mean ${mean.toFixed(3)}`] : []),
  ].join("\n");
}
