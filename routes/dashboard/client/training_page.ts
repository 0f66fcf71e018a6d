/// <reference lib="dom" />
/** The page of one training: its loss and its last figures, live. */
import { byId, tile } from "./dom.ts";
import { formatCount, formatDuration, formatShare, formatValue } from "./format.ts";
import { EventFeed } from "./live.ts";
import { LossChart } from "./loss_chart.ts";
import { clearNotice, showLive, showNotice } from "./notice.ts";

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

function begin(snapshot: Snapshot): void {
  ({ about } = snapshot);
  metrics = [...snapshot.metrics];
  evaluations = [...snapshot.evaluations];
  const { output, device, parameters } = about;
  byId("about").textContent = `${output} · ${device} · ${formatCount(parameters)} parameters`;
  clearNotice();
  showLive("open", snapshot.state);
  draw();
}

const feed = new EventFeed("/v1/training/events", {
  lost() {
    showLive("lost", "Connection lost");
    if (about === undefined) showNotice("error", "Nothing answers at this address");
  },
  events: {
    snapshot: begin,
    metrics(line: MetricsLine | EvaluationLine) {
      if ("evaluation" in line) evaluations.push(line as EvaluationLine);
      else metrics.push(line as MetricsLine);
      draw();
    },
    // What was left out stands in the next snapshot.
    dropped: () => feed.start(),
    end({ state }: { readonly state: string }) {
      feed.pause();
      showLive("idle", state);
    },
  },
});
feed.start();
