/// <reference lib="dom" />
/** The page of one training: its loss and its last figures, live. */
import { byId, clearNotice, el, showNotice } from "./dom.ts";
import { formatCount, formatDuration, formatShare, formatValue } from "./format.ts";
import { retryMs } from "./live.ts";
import { LossChart } from "./loss_chart.ts";

interface MetricsLine {
  readonly step: number;
  readonly loss: number;
  readonly rate: number;
  readonly gradientNorm?: number;
  readonly samplesPerS: number;
  readonly elapsedS: number;
  readonly [metric: string]: number | undefined;
}

interface EvaluationLine {
  readonly step: number;
  readonly evaluation: Readonly<Record<string, number>>;
}

interface Snapshot {
  readonly about: {
    readonly output: string;
    readonly device: string;
    readonly steps: number;
    readonly parameters: number;
  };
  readonly state: string;
  readonly metrics: readonly MetricsLine[];
  readonly evaluations: readonly EvaluationLine[];
}

/** Metrics that have a tile of their own, or none. */
const KNOWN = new Set(["step", "loss", "rate", "gradientNorm", "samplesPerS", "elapsedS"]);

const chart = new LossChart(byId<HTMLCanvasElement>("loss"));
let about: Snapshot["about"] | undefined;
let metrics: MetricsLine[] = [];
let evaluations: EvaluationLine[] = [];
let tries = 0;
let isOver = false;

function tile(name: string, value: string, note = ""): HTMLElement {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value, el("small", {}, note)));
}

function metricText(name: string, value: number | undefined): string {
  return name === "accuracy" ? formatShare(value ?? null) : formatValue(value);
}

function draw(): void {
  const last = metrics.at(-1);
  const evaluation = evaluations.at(-1);
  byId("loss-empty").hidden = last !== undefined;
  chart.show(
    metrics,
    evaluations.map(({ step, evaluation }) => ({ step, loss: evaluation["loss"]! })),
  );
  if (last === undefined || about === undefined) return;
  const others = Object.keys(last).filter((name) => !KNOWN.has(name));
  const heldOut = (name: string) =>
    evaluation === undefined ? "" : `evaluation ${metricText(name, evaluation.evaluation[name])}`;
  byId("tiles").replaceChildren(
    tile("Step", formatCount(last.step), `of ${formatCount(about.steps)}`),
    tile("Loss", formatValue(last.loss), heldOut("loss")),
    ...others.map((name) => tile(name, metricText(name, last[name]), heldOut(name))),
    tile("Rate", formatValue(last.rate)),
    tile("Gradient norm", formatValue(last.gradientNorm)),
    tile(
      "Samples a second",
      formatCount(Math.round(last.samplesPerS)),
      `after ${formatDuration(last.elapsedS)}`,
    ),
  );
}

function showState(state: string, text: string): void {
  const pill = byId("live");
  pill.dataset["state"] = state;
  pill.textContent = text;
}

function begin(snapshot: Snapshot): void {
  ({ about } = snapshot);
  metrics = [...snapshot.metrics];
  evaluations = [...snapshot.evaluations];
  const { output, device, parameters } = about;
  byId("about").textContent = `${output} · ${device} · ${formatCount(parameters)} parameters`;
  clearNotice();
  showState("open", snapshot.state);
  draw();
}

function listen(): void {
  const source = new EventSource("/v1/training/events");
  source.addEventListener("snapshot", ({ data }) => {
    tries = 0;
    begin(JSON.parse(data));
  });
  source.addEventListener("metrics", ({ data }) => {
    const line = JSON.parse(data) as MetricsLine | EvaluationLine;
    if ("evaluation" in line) evaluations.push(line as EvaluationLine);
    else metrics.push(line as MetricsLine);
    draw();
  });
  // What was left out stands in the next snapshot.
  source.addEventListener("dropped", () => {
    source.close();
    listen();
  });
  source.addEventListener("end", ({ data }) => {
    isOver = true;
    source.close();
    showState("idle", (JSON.parse(data) as { state: string }).state);
  });
  source.addEventListener("error", () => {
    source.close();
    if (isOver) return;
    showState("lost", "Connection lost");
    if (about === undefined) showNotice("error", "Nothing answers at this address");
    setTimeout(listen, retryMs(tries++));
  });
}

listen();
