/** `evaluate`: how accurate every model is, and the page that says so. */
import { cpus } from "node:os";
import process from "node:process";
import { sha256Hex } from "../base/hash.ts";
import { codeHash } from "./evaluate/code_hash.ts";
import { ONLINE_DETECTORS } from "./evaluate/detection/detectors.ts";
import { detectionPage } from "./evaluate/detection/page.ts";
import { measureDetection, readDetection } from "./evaluate/detection/run.ts";
import { LIVE_FILE, LIVE_MODELS } from "./evaluate/live/plan.ts";
import { type LiveRecord, measureLiveStreams, readLive } from "./evaluate/live/run.ts";
import { longPage } from "./evaluate/long/page.ts";
import { measureLongHorizons, readLong } from "./evaluate/long/run.ts";
import { accuracyPage } from "./evaluate/page.ts";
import { DEVELOPMENT_SET, families, settingsFor } from "./evaluate/plan.ts";
import type { AccuracyRecord, RecordOrigin } from "./evaluate/record.ts";
import { evaluateRun } from "./evaluate/runs.ts";
import { secondSet } from "./evaluate/second_set.ts";
import { type Setting, SETTINGS } from "./evaluate/settings.ts";
import {
  BASELINE,
  CHECKPOINT_PREFIX,
  LIVE_PREFIX,
  openableNames,
  openSubject,
  PEER_NAMES,
  type Subject,
  subjectNames,
} from "./evaluate/subject.ts";
import { forgetCheckpoints, keepRecords, readRecords, textOf } from "./evaluate/store.ts";
import { streamsTable, taskTable, totalTable } from "./evaluate/summary.ts";
import { type EvaluationWindow, parseEvaluationWindow } from "./evaluate/windows.ts";
import { readLines } from "./forecast_windows.ts";
import { type Command, type CommandInput, type CommandOutput, EXIT_FAILED } from "./command.ts";
import { EXIT_OK, oneOf, UsageError } from "./command.ts";
import { openProgress } from "./progress.ts";
import { MODEL_NAMES } from "../models/mod.ts";
import { JOBS_MAX } from "./work_pool.ts";

const ROOT = new URL("../../", import.meta.url);
const SECOND_SET = "second";
const SETS = [DEVELOPMENT_SET, SECOND_SET];
const FAULTS_TOLD = 3;
const SAMPLE_MAX = 1000;
const HASH_DIGITS = 16;

/** What is done with the page besides measuring. */
interface Place {
  readonly results: string;
  readonly docs: string;
}

function placeOf(input: CommandInput): Place {
  return {
    results: input.text("results") ?? new URL("bench/results", ROOT).pathname,
    docs: input.text("docs") ?? new URL("docs", ROOT).pathname,
  };
}

async function commitName(): Promise<string> {
  const given = Deno.env.get("BENCH_COMMIT");
  if (given !== undefined) return given;
  try {
    const command = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"], cwd: ROOT });
    const { success, stdout } = await command.output();
    if (success) return new TextDecoder().decode(stdout).trim();
  } catch {
    // No git on this machine; the records say so.
  }
  return "unknown";
}

function sharedFolder(): string {
  return Deno.env.get("DRIFTLINE_SHARED") ?? new URL("../shared", ROOT).pathname;
}

/** The windows of a set; null, and a note, where they are not on this machine. */
async function windowsOf(
  set: string,
  input: CommandInput,
  output: CommandOutput,
): Promise<EvaluationWindow[] | null> {
  const shared = sharedFolder();
  if (set === SECOND_SET) {
    if (await textOf(`${shared}/data/README.md`) !== null) return await secondSet(shared);
    output.note(`The second set is skipped: no ${shared}/data (set DRIFTLINE_SHARED)`);
    return null;
  }
  const path = input.text("windows") ?? `${shared}/eval/windows.dev.jsonl.gz`;
  try {
    return (await readLines(path)).map((line, i) => parseEvaluationWindow(line, i + 1));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) || input.text("windows") !== undefined) {
      throw error;
    }
    output.note(`The development windows are skipped: no ${path} (set DRIFTLINE_SHARED)`);
    return null;
  }
}

const SHOWN_AND_SCORED = ["./evaluate/settings.ts", "./evaluate/score.ts"];
const PEERS = ["./peers/augurs.ts", "./peers/seasonal_naive.ts"];
const MODELS = ["../models/mod.ts"];

/** Hash of what decides a subject's results: code and windows. */
async function codeOf(
  { isPeer }: Subject,
  windows: readonly EvaluationWindow[],
): Promise<string> {
  const paths = [...SHOWN_AND_SCORED, ...(isPeer ? PEERS : MODELS)];
  const code = await codeHash(paths.map((path) => new URL(path, import.meta.url)));
  return sha256Hex(code + JSON.stringify(windows)).slice(0, HASH_DIGITS);
}

interface Measuring {
  readonly place: Place;
  readonly input: CommandInput;
  readonly output: CommandOutput;
  readonly commit: string;
  readonly jobs: number;
}

/** Settings for which there is no record of the same version and code. */
function missing(
  settings: readonly Setting[],
  kept: readonly AccuracyRecord[],
  origin: RecordOrigin,
  isAnyCode: boolean,
): Setting[] {
  return settings.filter(({ name }) =>
    !kept.some((record) =>
      record.setting === name && record.model === origin.model &&
      (isAnyCode || (record.version === origin.version && record.code === origin.code))
    )
  );
}

/** Settings, and those whose baseline they are compared with. */
function withBaselines(settings: readonly Setting[]): Setting[] {
  const names = new Set(settings.flatMap(({ name, baseline }) => [name, baseline]));
  return SETTINGS.filter(({ name }) => names.has(name));
}

/** Measures a subject on a set; each family of settings is kept as soon as it is done. */
async function measure(
  subject: Subject,
  set: string,
  windows: readonly EvaluationWindow[],
  { place, input, output, commit, jobs }: Measuring,
): Promise<AccuracyRecord[]> {
  const sample = sampleOf(input);
  const origin: RecordOrigin = {
    set,
    model: subject.name,
    version: subject.version,
    isPeer: subject.isPeer,
    code: await codeOf(subject, windows),
    commit,
    machine: machineName(),
    date: new Date().toISOString(),
  };
  const isLive = input.isSet("live");
  const file = isLive ? LIVE_FILE : set;
  const asked = isLive ? ["found"] : listOf(input.text("settings"));
  const wanted = settingsFor(asked, { model: subject.name, set });
  const settings = subject.name === BASELINE ? withBaselines(wanted) : wanted;
  const kept = sample === 1
    ? (await readRecords(place.results, file)).filter((record) => record.set === set)
    : [];
  const open = missing(settings, kept, origin, input.isSet("keep"));
  const records: AccuracyRecord[] = [];
  for (const family of families(open)) {
    const names = family.map(({ name }) => name);
    const label = `${set}, ${subject.name}, ${isLive ? "fed" : names.join(" ")}`;
    const progress = await openProgress(label, output.isProgressShown);
    let faults = 0;
    const shown = windows.filter((_, i) => i % sample === 0);
    const measured = await evaluateRun({
      origin,
      source: subject.source,
      settings: names,
      windows: shown,
      jobs,
      onProgress: (done) => progress.update(done, shown.length),
      onFault(id, { setting, fault }) {
        if (++faults <= FAULTS_TOLD) output.note(`${label}: ${id}, ${setting}: ${fault}`);
      },
    });
    progress.stop();
    if (sample === 1) await keepRecords(place.results, file, measured);
    records.push(...measured);
  }
  return records;
}

function listOf(text: string | undefined): string[] | undefined {
  return text?.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/** Sources of what is measured, the baseline first since all else is compared with it. */
function chosen(input: CommandInput): string[] {
  for (const name of listOf(input.text("models")) ?? []) oneOf("models", name, openableNames());
  if (input.isSet("live")) {
    return (listOf(input.text("models")) ?? LIVE_MODELS).map((name) => `${LIVE_PREFIX}${name}`);
  }
  const weights = (listOf(input.text("weights")) ?? [])
    .map((path) => `${CHECKPOINT_PREFIX}${path}`);
  const names = listOf(input.text("models")) ?? (weights.length > 0 ? [] : subjectNames());
  return [BASELINE, ...[...names, ...weights].filter((name) => name !== BASELINE)];
}

async function measureAll(input: CommandInput, output: CommandOutput): Promise<AccuracyRecord[]> {
  const place = placeOf(input);
  const jobs = jobsOf(input);
  const settings = ["main", "all", ...SETTINGS.map(({ name }) => name)];
  for (const name of listOf(input.text("settings")) ?? []) oneOf("settings", name, settings);
  // An unknown name is told before minutes of measuring, not after.
  const subjects: Subject[] = [];
  for (const name of chosen(input)) {
    const subject = await openSubject(name);
    if (subject === null) output.note(`${name} is skipped: its package is not installed`);
    else subjects.push(subject);
  }
  const models = subjects.map(({ name }) => name);
  for (const set of isSampled(input) ? [] : SETS) {
    await forgetCheckpoints(place.results, set, models);
  }
  const measuring = { place, input, output, commit: await commitName(), jobs };
  const records: AccuracyRecord[] = [];
  for (const set of setsOf(input)) {
    const windows = await windowsOf(set, input, output);
    if (windows === null) continue;
    for (const subject of subjects) {
      records.push(...await measure(subject, set, windows, measuring));
    }
  }
  return records;
}

function sampleOf(input: CommandInput): number {
  return input.wholeNumber("sample", { least: 1, most: SAMPLE_MAX }) ?? 1;
}

/** Whether only some windows are measured, and nothing is kept. */
function isSampled(input: CommandInput): boolean {
  return sampleOf(input) > 1;
}

function jobsOf(input: CommandInput): number {
  return input.wholeNumber("workers", { least: 1, most: JOBS_MAX }) ??
    Math.max(1, Math.floor(cpus().length / 2));
}

function machineName(): string {
  return `${cpus()[0]?.model ?? "unknown"} x${cpus().length}`;
}

function setsOf(input: CommandInput): readonly string[] {
  const asked = input.text("set");
  if (asked === undefined) return SETS;
  return [oneOf("set", asked, SETS)];
}

/** Measures the detector instead of the models. */
async function measureFlags(input: CommandInput, output: CommandOutput): Promise<void> {
  const progress = await openProgress("Detecting", output.isProgressShown);
  const data = `${sharedFolder()}/data`;
  const record = await measureDetection({
    data,
    results: placeOf(input).results,
    commit: await commitName(),
    jobs: jobsOf(input),
    // Time of this process, so that work beside it does not count.
    nowMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    onProgress: (done) => progress.update(done, ONLINE_DETECTORS.length),
  });
  progress.stop();
  if (record === null) {
    output.note(`Detection is skipped: no labelled series in ${data} (set DRIFTLINE_SHARED)`);
  }
}

/** Measures long horizons instead of the models. */
async function measureHorizons(input: CommandInput, output: CommandOutput): Promise<void> {
  const progress = await openProgress("Long horizons", output.isProgressShown);
  const data = `${sharedFolder()}/data`;
  const record = await measureLongHorizons({
    data,
    results: placeOf(input).results,
    commit: await commitName(),
    onProgress: (done, total) => progress.update(done, total),
  });
  progress.stop();
  if (record === null) {
    output.note(`Long horizons are skipped: no series in ${data}/ett (set DRIFTLINE_SHARED)`);
  }
}

/** Follows whole streams with the models that are fed. */
async function measureStreams(input: CommandInput, output: CommandOutput): Promise<LiveRecord[]> {
  const records: LiveRecord[] = [];
  for (const name of listOf(input.text("models")) ?? LIVE_MODELS) {
    const subject = (await openSubject(`${LIVE_PREFIX}${name}`))!;
    const progress = await openProgress(`Streams, ${name}`, output.isProgressShown);
    const record = await measureLiveStreams(
      {
        model: name,
        version: subject.version,
        commit: await commitName(),
        machine: machineName(),
        date: new Date().toISOString(),
      },
      {
        data: `${sharedFolder()}/data`,
        results: placeOf(input).results,
        jobs: jobsOf(input),
        sample: sampleOf(input),
        onProgress: (done, total) => progress.update(done, total),
      },
    );
    progress.stop();
    if (record !== null) records.push(record);
  }
  return records;
}

/** Files of the page that differ from what the records say; writes them where asked to. */
async function stalePages(place: Place, isWritten: boolean): Promise<string[]> {
  const records = (await Promise.all(SETS.map((set) => readRecords(place.results, set)))).flat();
  const peers = await textOf(`${place.results}/accuracy_peers.json`);
  const findings = await textOf(`${place.results}/accuracy_findings.md`);
  const { text, images } = accuracyPage({
    records,
    peers: peers === null ? null : JSON.parse(peers),
    findings: findings?.trim() ?? "",
    live: await readRecords(place.results, LIVE_FILE),
    streams: await readLive(place.results),
  });
  const detectionFindings = await textOf(`${place.results}/detection_findings.md`);
  const detection = detectionPage(
    await readDetection(place.results),
    detectionFindings?.trim() ?? "",
  );
  const longFindings = await textOf(`${place.results}/long_horizons_findings.md`);
  const long = longPage(await readLong(place.results), longFindings?.trim() ?? "");
  const files: Record<string, string> = {
    "accuracy.md": text,
    "detection.md": detection,
    "long_horizons.md": long,
  };
  for (const [name, svg] of Object.entries(images)) files[`img/${name}`] = svg;
  const stale: string[] = [];
  for (const [name, wanted] of Object.entries(files)) {
    const path = `${place.docs}/${name}`;
    if (await textOf(path) === wanted) continue;
    stale.push(name);
    if (!isWritten) continue;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, wanted);
  }
  return stale;
}

/** `evaluate`: measures what is not measured yet and writes docs/accuracy.md. */
export const evaluateCommand: Command = {
  name: "evaluate",
  summary: "Measure how accurate every model is, and write docs/accuracy.md",
  usage: "[--models A,B] [--settings main|all|A,B] [--set dev|second] " +
    "[--live | --detection | --long | --page | --check]",
  description:
    "Forecasts the development windows (in the folder DRIFTLINE_SHARED) and a second set with\n" +
    "every model and with the peers that are installed, scores the forecasts, keeps the scores\n" +
    "in bench/results/accuracy.*.jsonl, and writes the page. What is there for the same version\n" +
    "and code is not measured again, so a run that was stopped goes on where it was.\n" +
    "With --live the committee is fed each context, and whole streams, sample by sample.\n\n" +
    `Models and peers: ${[...MODEL_NAMES, ...PEER_NAMES].join(", ")}, and every network.\n` +
    `Settings: ${SETTINGS.map(({ name }) => name).join(", ")}.`,
  options: {
    models: { type: "string", value: "A,B", help: "Models and peers (default: all)" },
    settings: { type: "string", value: "A,B", help: "main, all, or names (default: by model)" },
    set: { type: "string", value: "NAME", help: "dev or second (default: both)" },
    windows: { type: "string", value: "FILE", help: "Development windows (.jsonl or .jsonl.gz)" },
    weights: { type: "string", value: "A,B", help: "Weights of checkpoints, in order of age" },
    workers: { type: "string", value: "N", help: "Workers (default: half the cores)" },
    sample: { type: "string", value: "K", help: "Only each K-th window; nothing is kept" },
    tasks: { type: "boolean", help: "Print the figures of each task, too" },
    keep: { type: "boolean", help: "Leave out what was measured with other code too" },
    results: { type: "string", value: "FOLDER", help: "Where scores are (bench/results)" },
    docs: { type: "string", value: "FOLDER", help: "Where the page is (docs)" },
    detection: { type: "boolean", help: "Measure the detector instead of the models" },
    live: { type: "boolean", help: "Feed contexts and streams sample by sample" },
    long: { type: "boolean", help: "Measure long horizons instead of the models" },
    page: { type: "boolean", help: "Write the page; measure nothing" },
    check: { type: "boolean", help: "Exit code 1 where the page is not what the scores say" },
  },
  async run(input, output) {
    const place = placeOf(input);
    const isCheck = input.isSet("check");
    const isDetection = input.isSet("detection");
    const isLong = input.isSet("long");
    if (isDetection) await measureFlags(input, output);
    if (isLong) await measureHorizons(input, output);
    const isMeasured = !isCheck && !isDetection && !isLong && !input.isSet("page");
    const isLive = input.isSet("live");
    const clash = isLive ? ["settings", "weights"].find((name) => input.text(name)) : undefined;
    if (clash !== undefined) throw new UsageError(`--live and --${clash} exclude each other`);
    const records = isMeasured ? await measureAll(input, output) : [];
    const streams = isLive && isMeasured ? await measureStreams(input, output) : [];
    const stale = !isSampled(input) ? await stalePages(place, !isCheck) : [];
    const kept = (await Promise.all(SETS.map((set) => readRecords(place.results, set)))).flat();
    if (input.isSet("json")) {
      const long = isLong ? (await readLong(place.results))?.figures ?? [] : undefined;
      output.print(JSON.stringify({ records, stale, long, streams }));
    } else {
      if (input.isSet("tasks")) output.print(`${taskTable(records, kept)}\n`);
      if (records.length > 0) output.print(totalTable(records, kept));
      if (streams.length > 0) output.print(streamsTable(streams));
      for (const file of stale) output.print(`${isCheck ? "not current:" : "wrote"} docs/${file}`);
    }
    return isCheck && stale.length > 0 ? EXIT_FAILED : EXIT_OK;
  },
};
