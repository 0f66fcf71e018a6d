/// <reference lib="dom" />
/** The page of the models: what serves, and the jobs that make more of it. */
import {
  type DevicesShape,
  type JobShape,
  listJobs,
  listModels,
  readDevices,
  type ServingModel,
} from "./api.ts";
import { byId, el } from "./dom.ts";
import { formatBytes, formatCount, formatValue } from "./format.ts";
import { readForEver } from "./live.ts";
import { clearNotice, showRefusal } from "./notice.ts";
import { sparkline } from "./sparkline.ts";
import { ageColumn, type Column, showTable } from "./table.ts";
import { bindZone, chosenZone } from "./zone.ts";

/** Jobs under way are looked at again after this long, and everything else after the second. */
const BUSY_MS = 1_000;
const IDLE_MS = 5_000;

const HASH_SHOWN = 12;

let zone = chosenZone();
let jobs: readonly JobShape[] = [];

function isActive({ state }: JobShape): boolean {
  return state === "queued" || state === "running";
}

/** What a job is at, in words. */
function stateText({ state, step, steps, error }: JobShape): string {
  switch (state) {
    case "running":
      return `step ${formatCount(step)} of ${formatCount(steps)}`;
    case "failed":
      return `failed: ${error ?? ""}`;
    default:
      return state;
  }
}

/** What a job learned from, in words. */
function sourceText({ source, channels, rows }: JobShape): string {
  const from = source.kind === "stream" ? source.id : "a file";
  const many = channels.length === 1 ? "1 series" : `${formatCount(channels.length)} series`;
  return `${from} · ${many} · ${formatCount(rows)} rows`;
}

const JOBS: readonly Column<JobShape>[] = [
  { heading: "Model", cell: ({ model, base }) => [el("b", {}, model), ` from ${base}`] },
  { heading: "State", cell: stateText, title: ({ device }) => device ?? "" },
  {
    heading: "Training loss",
    kind: "graph",
    cell: ({ metrics }) => sparkline(metrics.map((line) => line["loss"] ?? null)),
  },
  { heading: "Before", kind: "num", cell: ({ heldOut }) => formatValue(heldOut?.before) },
  { heading: "After", kind: "num", cell: ({ heldOut }) => formatValue(heldOut?.after) },
  { heading: "Source", cell: sourceText },
  ageColumn("Asked for", ({ createdAt }) => createdAt, () => zone),
];

const MODELS: readonly Column<ServingModel>[] = [
  { heading: "Name", cell: ({ name }) => el("b", {}, name) },
  { heading: "Kind", cell: ({ kind }) => kind },
  {
    heading: "Origin",
    cell: ({ origin, base }) => base === null ? origin : `${origin} from ${base}`,
  },
  {
    heading: "Parameters",
    kind: "num",
    cell: ({ parameters }) => parameters === 0 ? "–" : formatCount(parameters),
  },
  {
    heading: "State at most",
    kind: "num",
    cell: ({ stateBytesMax }) => formatBytes(stateBytesMax),
  },
  {
    heading: "Hash",
    cell: ({ hash }) => el("code", { title: hash }, hash.slice(0, HASH_SHOWN)),
  },
];

/** What jobs run on, in words. */
function devicesText({ state, error, cpu, gpu, gpuUnused }: DevicesShape): string {
  if (state === "opening") return "Looking for what jobs can run on";
  if (state === "failed") return `Jobs cannot run: ${error ?? ""}`;
  const threads = `${formatCount(cpu?.threads ?? 1)} ${cpu?.threads === 1 ? "thread" : "threads"}`;
  if (gpu && gpuUnused === null) return `Jobs run on ${gpu.name}, small ones on ${threads}`;
  return `Jobs run on ${threads} of the CPU`;
}

function renderJobs(): void {
  showTable("jobs", JOBS, jobs, { none: "No jobs. POST /v1/models asks for one." });
}

async function refresh(): Promise<void> {
  try {
    const [models, found, devices] = await Promise.all([listModels(), listJobs(), readDevices()]);
    jobs = found;
    renderJobs();
    showTable("models", MODELS, models, { none: "No models" });
    byId("devices").textContent = devicesText(devices);
    byId("devices").title = devices.gpuUnused ?? "";
    clearNotice();
  } catch (error) {
    showRefusal(error);
  }
}

bindZone((chosen) => {
  zone = chosen;
  renderJobs();
});
void readForEver(refresh, () => jobs.some(isActive) ? BUSY_MS : IDLE_MS);
