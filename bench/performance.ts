/**
 * The page docs/performance.md: records what it is made from, writes it, or checks it.
 *
 *   deno task performance -- --record NAME...   runs benches here, stores bench/results/NAME.json
 *                            [--from FILE --command TEXT]
 *                                               of what that command printed with --json
 *                            [--out FOLDER]     stores them there instead
 *   deno task performance -- --write            makes the page and its images from what is stored
 *   deno task performance                       exit code 1 where the page is not what is stored
 *
 * A stored result carries date, commit, machine, adapter and command: those that the bench printed,
 * else those of here. `BENCH_COMMIT` names the commit where the tree is a copy without a history.
 */
import { parseArgs } from "node:util";
import { ARGS, oneOf, runBench } from "./args.ts";
import { openWebGpu } from "../src/device/mod.ts";
import { type Provenance, provenance } from "./machine.ts";
import { pageOf } from "./report/page.ts";
import { readStored, RECORDS, type Stored } from "./report/stored.ts";

const HERE = new URL("./", import.meta.url);
const TEMPLATE = new URL("report/page.md", HERE);
const PAGE = new URL("../docs/performance.md", HERE);
const IMAGES = new URL("../docs/img/", HERE);
const RESULTS = new URL("results/", HERE).pathname;

async function adapterName(): Promise<string> {
  const opened = await openWebGpu();
  if (!("device" in opened)) return "none";
  const { description, device } = opened.device.info;
  await opened.device.close();
  return description || device;
}

/** Six digits are more than repeats agree on; what was counted stays as it is. */
export function rounded(_key: string, value: unknown): unknown {
  if (typeof value !== "number" || Number.isInteger(value)) return value;
  return Number(value.toPrecision(6));
}

/** What a bench prints as JSON. */
async function printedBy([file, ...args]: readonly string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL(file!, HERE).pathname, ...args, "--json"],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${file} failed`);
  return new TextDecoder().decode(stdout);
}

/** Where and when figures were taken, as far as the bench that printed them says so. */
export function placeOf(data: Partial<Provenance>): Partial<Provenance> {
  const { date, commit, machine, adapter, runtime } = data;
  const place = { date, commit, machine, adapter, runtime };
  return Object.fromEntries(Object.entries(place).filter(([, value]) => value !== undefined));
}

/** What a bench has printed before, and the command that made it do so. */
interface Printed {
  readonly file: string;
  readonly command: string;
}

async function record(name: string, folder: string, printed: Printed | undefined): Promise<void> {
  const [file, ...args] = RECORDS[name as keyof Stored];
  const text = printed === undefined
    ? await printedBy([file!, ...args])
    : await Deno.readTextFile(printed.file);
  const data = JSON.parse(text);
  const command = printed?.command ?? ["deno run -A", `bench/${file}`, ...args].join(" ");
  const here = await provenance(data.adapter ?? await adapterName(), command);
  const stored = { ...here, ...placeOf(data), data };
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/${name}.json`, JSON.stringify(stored, rounded, 1) + "\n");
}

/** @throws {RangeError} a file without the command that printed it, or the other way round */
export function printedOf(file?: string, command?: string): Printed | undefined {
  if (file === undefined && command === undefined) return undefined;
  if (file === undefined || command === undefined) {
    throw new RangeError("--from and --command go together: the file, and what printed it");
  }
  return { file, command };
}

/** Files of the page that differ from what is stored, by name; writes them where asked to. */
export async function staleFiles(isWritten: boolean): Promise<string[]> {
  const { text, images } = pageOf(await Deno.readTextFile(TEMPLATE), readStored());
  const files = [
    [PAGE, text] as const,
    ...Object.entries(images).map(([name, svg]) => [new URL(name, IMAGES), svg] as const),
  ];
  const stale: string[] = [];
  for (const [file, wanted] of files) {
    const found = await Deno.readTextFile(file).catch(() => undefined);
    if (found === wanted) continue;
    stale.push(file.pathname.slice(file.pathname.lastIndexOf("/docs/") + 1));
    if (isWritten) await Deno.writeTextFile(file, wanted);
  }
  return stale;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      record: { type: "string", multiple: true, default: [] },
      from: { type: "string" },
      command: { type: "string" },
      out: { type: "string", default: RESULTS },
      write: { type: "boolean", default: false },
    },
  });
  for (const name of values.record) oneOf("record", name, Object.keys(RECORDS));
  const printed = printedOf(values.from, values.command);
  for (const name of values.record) await record(name, values.out, printed);
  if (values.record.length > 0 && !values.write) return;
  const stale = await staleFiles(values.write);
  for (const file of stale) console.log(`${values.write ? "wrote" : "not current:"} ${file}`);
  if (!values.write && stale.length > 0) Deno.exitCode = 1;
}

if (import.meta.main) await runBench(main);
