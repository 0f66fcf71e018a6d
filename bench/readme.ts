/**
 * The figures of README.md: writes those that are stored, or checks them.
 *
 *   deno task readme               exit code 1 where a figure is not what is stored
 *   deno task readme -- --write    puts the stored figures in, then formats the page
 */
import { parseArgs } from "node:util";
import { readDetection } from "../src/cli/evaluate/detection/run.ts";
import { Figures } from "../src/cli/evaluate/figures.ts";
import { readRecords, textOf } from "../src/cli/evaluate/store.ts";
import { ARGS, runBench } from "./args.ts";
import { type Claim, type StaleFigure, tell } from "./report/claims.ts";
import {
  accuracyClaims,
  detectionClaims,
  simdClaims,
  speedClaims,
} from "./report/readme_claims.ts";
import { readStored } from "./report/stored.ts";

const PAGE = new URL("../README.md", import.meta.url).pathname;
const SIMD_PAGE = new URL("../docs/simd.md", import.meta.url);
const RESULTS = new URL("results/", import.meta.url).pathname;

/** What README.md claims, with the figures that are stored. */
export async function readmeClaims(): Promise<Claim[]> {
  const figures = async (set: string) => new Figures(await readRecords(RESULTS, set), set);
  const detection = await readDetection(RESULTS);
  const peers = await textOf(`${RESULTS}/accuracy_peers.json`);
  if (detection === null || peers === null) throw new RangeError(`${RESULTS} is not complete`);
  const scores = {
    dev: await figures("dev"),
    second: await figures("second"),
    peers: JSON.parse(peers),
    detection,
  };
  return [
    ...accuracyClaims(scores),
    ...detectionClaims(scores),
    ...speedClaims(readStored()),
    ...simdClaims(await Deno.readTextFile(SIMD_PAGE)),
  ];
}

/** Figures of README.md that are not what is stored; writes what is where asked to. */
export async function staleFigures(isWritten: boolean): Promise<readonly StaleFigure[]> {
  const { text, stale } = tell(await Deno.readTextFile(PAGE), await readmeClaims());
  if (!isWritten || stale.length === 0) return stale;
  await Deno.writeTextFile(PAGE, text);
  // Figures of other widths move the columns of a table.
  const { success } = await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", PAGE] })
    .output();
  if (!success) throw new Error(`${PAGE} cannot be formatted`);
  return stale;
}

async function main(): Promise<void> {
  const options = { write: { type: "boolean", default: false } } as const;
  const { values: { write } } = parseArgs({ args: [...ARGS], options });
  const stale = await staleFigures(write);
  for (const { text, found, stored } of stale) {
    console.log(`${write ? "wrote" : "not current:"} ${found} -> ${stored} in "${text}"`);
  }
  if (!write && stale.length > 0) Deno.exitCode = 1;
}

if (import.meta.main) await runBench(main);
