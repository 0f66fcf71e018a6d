/**
 * Golden vectors: numbers of published reference implementations, reproduced by the twins in f64
 * and by the SIMD kernels and the shaders in f32 at the tolerances of their manifests.
 */
import Table from "cli-table3";
import { type Device, openCpu } from "../device/mod.ts";
import { openWebGpu } from "../device/webgpu.ts";
import { type Command, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { type CaseResult, compareCase, type Precision } from "./goldens/compare.ts";
import { discretizationGroup } from "./goldens/discretization.ts";
import { type GoldenCase, type GoldenGroup, parseGoldenGroup } from "./goldens/golden_file.ts";
import type { GoldenDevice, GroupRunner } from "./goldens/group.ts";
import { h3Group } from "./goldens/h3.ts";
import { hippoGroup } from "./goldens/hippo.ts";
import { hippoProjectionGroup } from "./goldens/hippo_projection.ts";
import { kalmanGroup } from "./goldens/kalman.ts";
import { layersGroup } from "./goldens/layers.ts";
import { lsslGroup } from "./goldens/lssl.ts";
import { mambaGroup } from "./goldens/mamba.ts";
import { mamba2Group } from "./goldens/mamba2.ts";
import { optimGroup } from "./goldens/optim.ts";
import { s4Group } from "./goldens/s4.ts";
import { s4dGroup } from "./goldens/s4d.ts";
import { s5Group } from "./goldens/s5.ts";

/** The groups that this build reproduces. */
export const GOLDEN_GROUPS: readonly GroupRunner[] = [
  hippoGroup,
  discretizationGroup,
  hippoProjectionGroup,
  lsslGroup,
  s4Group,
  s4dGroup,
  mambaGroup,
  mamba2Group,
  s5Group,
  h3Group,
  layersGroup,
  kalmanGroup,
  optimGroup,
];

/** Where the repository's own copy lies. */
export const GOLDENS_FOLDER_DEFAULT = `${import.meta.dirname}/../../tests/testdata/goldens`;

/** One row of the table: a group on a device. */
export interface GoldensRow {
  readonly group: string;
  readonly device: "f64 twin" | "SIMD f32" | "WGSL f32";
  readonly cases: number;
  readonly passed: number;
  /** Of those passed, the ones that also hold gradients, which this build does not compute. */
  readonly forwardOnly: number;
  readonly failed: number;
  readonly unsupported: number;
  /** Gradient tensors in cases whose forward values passed. */
  readonly gradientsUnsupported: number;
  /** Largest error divided by its tolerance; null where nothing was compared. */
  readonly worst: number | null;
  /** `case/tensor` of the largest. */
  readonly worstAt: string | null;
  /** Why a whole row did not run; null where it did. */
  readonly skipped: string | null;
  readonly results: readonly CaseResult[];
}

/** What a run found. */
export interface GoldensReport {
  readonly folder: string;
  readonly rows: readonly GoldensRow[];
  /** Failures of whole files: unreadable, malformed, missing. */
  readonly faults: readonly string[];
  readonly passed: boolean;
}

/** Options of {@linkcode runGoldens}. */
export interface GoldensOptions {
  readonly folder: string;
  /** Without an adapter the shader rows fail instead of being skipped. */
  readonly requireGpu?: boolean;
  /** Leaves f32 out without a word; for tests that look at something else. */
  readonly twinsOnly?: boolean;
  /** Told before each row. */
  readonly onRow?: (group: string, device: GoldensRow["device"]) => void;
}

/** Runs every group of a folder. A fault in one group does not hide the others. */
export async function runGoldens(options: GoldensOptions): Promise<GoldensReport> {
  const rows: GoldensRow[] = [];
  const { groups, faults } = await readGroups(options.folder);
  const twin: GoldenDevice = { device: openCpu({ poison: true }), dtype: "f64" };
  for (const group of groups) {
    options.onRow?.(group.group, "f64 twin");
    rows.push(await runRow(group, "f64 twin", twin));
  }
  const inF32 = groups.filter(({ group }) => runnerOf(group)?.onGpu === true);
  if (inF32.length > 0 && options.twinsOnly !== true) {
    rows.push(...await runKernels(inF32, options));
    rows.push(...await runShaders(inF32, options, faults));
  }
  const passed = faults.length === 0 && rows.every(({ failed }) => failed === 0);
  return { folder: options.folder, rows, faults, passed };
}

/** The CPU in f32, with the SIMD kernels of the ops that have one, whatever their size. */
async function runKernels(
  groups: readonly GoldenGroup[],
  options: GoldensOptions,
): Promise<GoldensRow[]> {
  const device = openCpu({ poison: true, simd: { workMin: 0 } });
  const rows: GoldensRow[] = [];
  for (const group of groups) {
    options.onRow?.(group.group, "SIMD f32");
    rows.push(await runRow(group, "SIMD f32", { device, dtype: "f32" }));
  }
  return rows;
}

async function runShaders(
  groups: readonly GoldenGroup[],
  options: GoldensOptions,
  faults: string[],
): Promise<GoldensRow[]> {
  const opened = await openWebGpu({ poison: true });
  if ("unavailable" in opened) {
    if (options.requireGpu) faults.push(`WGSL: ${opened.unavailable} (REQUIRE_GPU=1)`);
    return groups.map((group) => ({
      ...summarise(group, "WGSL f32", []),
      cases: group.cases.length,
      skipped: `skipped: ${opened.unavailable}`,
    }));
  }
  const rows: GoldensRow[] = [];
  try {
    for (const group of groups) {
      options.onRow?.(group.group, "WGSL f32");
      rows.push(await runRow(group, "WGSL f32", { device: opened.device, dtype: "f32" }));
    }
  } finally {
    await (opened.device as Device).close();
  }
  return rows;
}

function runnerOf(group: string): GroupRunner | undefined {
  return GOLDEN_GROUPS.find((runner) => runner.group === group);
}

async function runRow(
  group: GoldenGroup,
  device: GoldensRow["device"],
  on: GoldenDevice,
): Promise<GoldensRow> {
  const runner = runnerOf(group.group);
  const results: CaseResult[] = [];
  for (const golden of group.cases) results.push(await runCase(runner, golden, on));
  for (const { name, fault } of group.faultyCases) results.push(failedCase(name, fault));
  return summarise(group, device, results);
}

async function runCase(
  runner: GroupRunner | undefined,
  golden: GoldenCase,
  on: GoldenDevice,
): Promise<CaseResult> {
  const precision: Precision = on.dtype;
  if (runner === undefined) {
    return compareCase(golden, { unsupported: "this build does not have the group" }, precision);
  }
  try {
    return compareCase(golden, await runner.run(golden, on), precision, runner.rules);
  } catch (error) {
    const reason = String(error instanceof Error ? error.message : error);
    const { name } = golden;
    return failedCase(name, reason.startsWith(`${name}: `) ? reason : `${name}: ${reason}`);
  }
}

/** A case that ended before anything was compared. */
function failedCase(name: string, message: string): CaseResult {
  return {
    name,
    status: "failed",
    worst: null,
    worstTensor: null,
    compared: 0,
    gradientsUnsupported: 0,
    messages: [message],
    notes: [],
  };
}

function summarise(
  group: GoldenGroup,
  device: GoldensRow["device"],
  results: readonly CaseResult[],
): GoldensRow {
  const count = (...statuses: CaseResult["status"][]) =>
    results.filter(({ status }) => statuses.includes(status)).length;
  let worst: CaseResult | null = null;
  for (const result of results) {
    if (result.worst !== null && result.worst > (worst?.worst ?? -1)) worst = result;
  }
  return {
    group: group.group,
    device,
    cases: results.length,
    passed: count("passed", "passed (forward)"),
    forwardOnly: count("passed (forward)"),
    failed: count("failed"),
    unsupported: count("unsupported"),
    gradientsUnsupported: results
      .filter(({ status }) => status === "passed (forward)")
      .reduce((sum, { gradientsUnsupported }) => sum + gradientsUnsupported, 0),
    worst: worst?.worst ?? null,
    worstAt: worst && `${worst.name}/${worst.worstTensor}`,
    skipped: null,
    results,
  };
}

/** Reads every pair of files; a file without its partner is a fault, as is an empty folder. */
async function readGroups(folder: string): Promise<{ groups: GoldenGroup[]; faults: string[] }> {
  const faults: string[] = [];
  const groups: GoldenGroup[] = [];
  let names: string[];
  try {
    names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    return { groups, faults: [`Folder "${folder}": ${reason}`] };
  }
  const withEnding = (ending: string) =>
    names.filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length));
  const manifests = withEnding(".json");
  for (const name of withEnding(".safetensors")) {
    if (!manifests.includes(name)) faults.push(`${name}.safetensors has no ${name}.json`);
  }
  for (const name of manifests) {
    try {
      const manifest = await Deno.readTextFile(`${folder}/${name}.json`);
      const file = await Deno.readFile(`${folder}/${name}.safetensors`);
      const group = parseGoldenGroup(manifest, file);
      groups.push(group);
      faults.push(...group.faults);
    } catch (error) {
      faults.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  if (manifests.length === 0) faults.push(`Folder "${folder}" holds no golden files`);
  return { groups, faults };
}

/** The report as a table, followed by what is not supported, noted, skipped or failed. */
export function formatGoldens(report: GoldensReport): string {
  const table = new Table({
    head: [
      ...["group", "device", "cases", "passed", "of them forward only", "unsupported", "failed"],
      "worst error/tolerance",
    ],
    style: { head: [], border: [] },
  });
  for (const row of report.rows) {
    const worst = row.worst === null ? "" : `${row.worst.toPrecision(2)}  ${row.worstAt}`;
    const { group, device, cases, passed, forwardOnly, unsupported, failed } = row;
    const counts = [cases, passed, forwardOnly, unsupported, failed];
    table.push([group, device, ...counts, row.skipped ?? worst]);
  }
  const lines = [table.toString()];
  for (const row of report.rows) {
    if (row.gradientsUnsupported > 0) {
      lines.push(
        `unsupported: ${row.gradientsUnsupported} gradients of the ${row.forwardOnly} cases of ` +
          `${row.group} that pass forward only (outputs and states), ${row.device}`,
      );
    }
  }
  const each = (row: GoldensRow, wanted: CaseResult["status"], word: string) =>
    row.results.filter(({ status }) => status === wanted)
      .flatMap(({ messages }) => messages)
      .forEach((message) => lines.push(`${word}: ${row.group}/${message} (${row.device})`));
  for (const row of report.rows) {
    each(row, "passed (forward)", "unsupported");
    each(row, "unsupported", "unsupported");
  }
  for (const row of report.rows) {
    for (const note of row.results.flatMap(({ notes }) => notes)) {
      lines.push(`wider bound: ${row.group}/${note} (docs/numerics.md)`);
    }
  }
  for (const row of report.rows) each(row, "failed", "FAILED");
  for (const fault of report.faults) lines.push(`FAILED: ${fault}`);
  const skipped = report.rows.filter((row) => row.skipped !== null).length;
  const partly = skipped > 0 ? ` ${skipped} rows were skipped.` : "";
  lines.push(
    (report.passed ? "All supported cases that ran pass." : "There are failures.") + partly,
  );
  return lines.join("\n");
}

/** The verb `goldens`. */
export const goldensCommand: Command = {
  name: "goldens",
  summary: "Reproduce the golden vectors of published implementations",
  usage: "[FOLDER]",
  description: "Reads every pair of GROUP.json and GROUP.safetensors in the folder (default: " +
    "GOLDENS_DIR, else the repository's copy),\ncomputes each case with the twins in f64 and " +
    "with the SIMD kernels and the shaders in f32,\nand compares at the manifest's tolerances. " +
    "A case that this build does not support is listed,\nnever passed. REQUIRE_GPU=1 makes a " +
    "missing adapter a failure.",
  takesPositionals: true,
  options: {},
  async run(input, output) {
    const folder = input.positionals[0] ?? Deno.env.get("GOLDENS_DIR") ?? GOLDENS_FOLDER_DEFAULT;
    const report = await runGoldens({
      folder,
      requireGpu: Deno.env.get("REQUIRE_GPU") === "1",
      onRow: (group, device) => output.isProgressShown && output.note(`${group}, ${device} ...`),
    });
    output.print(input.isSet("json") ? JSON.stringify(report, null, 1) : formatGoldens(report));
    return report.passed ? EXIT_OK : EXIT_FAILED;
  },
};
