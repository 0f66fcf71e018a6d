/** The pictures of docs/accuracy.md. */
import { byLead, type Figures } from "./figures.ts";
import { measuredIn, RIVAL, shownModels, totalBeside } from "./page_tables.ts";
import type { Picture } from "./picture.ts";

/** Lengths of context that are measured, in samples. */
export const CONTEXTS: readonly number[] = [16, 64, 256, 1024];

/** Coverage of each task; null where nothing is measured. */
export function coveragePicture(figures: Figures): Picture | null {
  const models = shownModels(figures, "found").slice(0, 2);
  const first = figures.record(models[0] ?? "", "found");
  if (first === undefined) return null;
  const tasks = Object.keys(first.tasks);
  return {
    title: "Coverage by task, season found",
    xLabel: "",
    yLabel: "share of targets inside",
    ticks: tasks.map((task, i) => [i, task]),
    marks: [0.8, 0.95],
    isScatter: true,
    series: models.flatMap((name) =>
      (["cover80", "cover95"] as const).map((key) => ({
        name: `${name} ${key.slice(5)} %`,
        points: tasks.map((task, i) =>
          [i, figures.record(name, "found")!.tasks[task]?.[key] ?? NaN] as const
        ),
      }))
    ),
  };
}

/** Error by length of context; null where nothing is measured. */
export function contextPicture(figures: Figures): Picture | null {
  const settings = CONTEXTS.map((length) => `context${length}`);
  const names = measuredIn(figures, ["given", ...settings]).filter((name) => name !== "augurs-ets");
  if (names.length === 0) return null;
  return {
    title: "Error by length of context, season given",
    xLabel: "newest samples seen",
    yLabel: "MASE, ratio to Seasonal Naive on all",
    ticks: CONTEXTS.map((length) => [Math.log2(length), String(length)]),
    marks: [1],
    series: names.map((name) => ({
      name,
      points: CONTEXTS.map((length, i) =>
        [Math.log2(length), totalBeside(figures, name, settings[i]!, "given")?.mase ?? NaN] as const
      ),
    })),
  };
}

/** Error by lead; null where nothing is measured. */
export function leadPicture(figures: Figures): Picture | null {
  const baseline = figures.baseline("found");
  const models = shownModels(figures, "found");
  if (baseline === undefined || models.length === 0) return null;
  const series = models.map((name) => ({ name, record: figures.record(name, "found")! }));
  const rival = figures.record(RIVAL, "given");
  if (rival !== undefined) series.push({ name: RIVAL, record: rival });
  const groups = byLead(baseline, baseline).filter(({ error }) => Number.isFinite(error));
  return {
    title: "Error by lead, season found",
    xLabel: "lead, samples (first of the group)",
    yLabel: "error, ratio to Seasonal Naive",
    ticks: groups.map(({ lead }) => [Math.log2(lead), String(lead)]),
    marks: [1],
    series: series.map(({ name, record }) => ({
      name,
      points: byLead(record, baseline).map(({ lead, error }) => [Math.log2(lead), error] as const),
    })),
  };
}
