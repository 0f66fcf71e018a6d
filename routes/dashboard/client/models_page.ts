/// <reference lib="dom" />
/** The page of the models: what serves, and the jobs that make more of it. */
import {
  ApiError,
  type DevicesShape,
  type JobShape,
  listJobs,
  listModels,
  readDevices,
  type ServingModel,
} from "./api.ts";
import { byId, clearNotice, el, showNotice } from "./dom.ts";
import { formatAgo, formatBytes, formatCount, formatValue, timeFormatter } from "./format.ts";
import { sparkline } from "./sparkline.ts";
import { bindZone, chosenZone } from "./zone.ts";

/** Jobs under way are looked at again after this long, and everything else after the second. */
const BUSY_MS = 1_000;
const IDLE_MS = 5_000;

const HASH_SHOWN = 12;

let zone = chosenZone();
let jobs: readonly JobShape[] = [];

function rows(table: string, lines: readonly HTMLElement[], columns: number, none: string): void {
  const empty = el("tr", {}, el("td", { class: "none", colspan: String(columns) }, none));
  byId(table).querySelector("tbody")!.replaceChildren(...lines.length > 0 ? lines : [empty]);
}

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

function jobRow(job: JobShape): HTMLElement {
  const { model, base, heldOut, metrics, device, createdAt } = job;
  const askedMs = Date.parse(createdAt);
  const num = (value: number | undefined) => el("td", { class: "num" }, formatValue(value));
  return el(
    "tr",
    {},
    el("td", {}, el("b", {}, model), ` from ${base}`),
    el("td", { title: device ?? "" }, stateText(job)),
    el("td", { class: "graph" }, sparkline(metrics.map((line) => line["loss"] ?? null))),
    num(heldOut?.before),
    num(heldOut?.after),
    el("td", {}, sourceText(job)),
    el("td", { title: timeFormatter(zone, 1)(askedMs) }, formatAgo(askedMs, Date.now(), zone)),
  );
}

function modelRow(model: ServingModel): HTMLElement {
  const { name, kind, origin, base, parameters, stateBytesMax, hash } = model;
  return el(
    "tr",
    {},
    el("td", {}, el("b", {}, name)),
    el("td", {}, kind),
    el("td", {}, base === null ? origin : `${origin} from ${base}`),
    el("td", { class: "num" }, parameters === 0 ? "–" : formatCount(parameters)),
    el("td", { class: "num" }, formatBytes(stateBytesMax)),
    el("td", {}, el("code", { title: hash }, hash.slice(0, HASH_SHOWN))),
  );
}

/** What jobs run on, in words. */
function devicesText({ state, error, cpu, gpu, gpuUnused }: DevicesShape): string {
  if (state === "opening") return "Looking for what jobs can run on";
  if (state === "failed") return `Jobs cannot run: ${error ?? ""}`;
  const threads = `${formatCount(cpu?.threads ?? 1)} ${cpu?.threads === 1 ? "thread" : "threads"}`;
  if (gpu && gpuUnused === null) return `Jobs run on ${gpu.name}, small ones on ${threads}`;
  return `Jobs run on ${threads} of the CPU`;
}

function renderJobs(): void {
  const none = "No jobs. POST /v1/models asks for one.";
  rows("jobs", jobs.map(jobRow), 7, none);
}

async function refresh(): Promise<void> {
  try {
    const [models, found, devices] = await Promise.all([listModels(), listJobs(), readDevices()]);
    jobs = found;
    renderJobs();
    rows("models", models.map(modelRow), 6, "No models");
    byId("devices").textContent = devicesText(devices);
    byId("devices").title = devices.gpuUnused ?? "";
    clearNotice();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showNotice("error", error.message, el("p", { class: "quiet" }, error.detail));
  }
}

async function refreshForEver(): Promise<void> {
  for (;;) {
    if (!document.hidden) await refresh();
    const waitMs = jobs.some(isActive) ? BUSY_MS : IDLE_MS;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

bindZone((chosen) => {
  zone = chosen;
  renderJobs();
});
void refreshForEver();
