/** The tables of docs/accuracy.md. */
import { DEFAULT_MODEL } from "../../models/mod.ts";
import { bestPeer, byLead, type Figures, losses, type PublishedPeers } from "./figures.ts";
import { type Loss, lossOf, lossText, meanDropLoss, verdicts } from "./page_goals.ts";
import { geometricMean, type Total } from "./score.ts";
import { DRAWS, MAIN_SETTINGS, settingNamed } from "./settings.ts";
import { BASELINE } from "./subject.ts";

/** Stands where there is no figure. */
export const MISSING = "_Nothing is measured._";
/** Worse than Seasonal Naive, and than the best of all peers, by more than this is told. */
const NAIVE_SHARE = 0.03;
const PEER_SHARE = 0.05;
/** Intervals whose coverage is off by more than this are told. */
const COVER_POINTS = 0.06;
/** The peer that drops, jitter and rates are compared with. */
export const RIVAL = "augurs-mstl";
/** Forecasters that tables by task and pictures show, where they were measured. */
const SHOWN_MAX = 5;
/** Models whose losses are told task by task. */
const TOLD_MAX = 3;

/** A table in Markdown; the first column is of texts. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return MISSING;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, i) => i === 0 ? "---" : "--:");
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

/** A number with some places; a dash where there is none. */
export function fixed(value: number | null | undefined, places: number): string {
  return value === null || value === undefined || !Number.isFinite(value)
    ? "–"
    : value.toFixed(places);
}

function percent(value: number, places = 0): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(places)} %` : "–";
}

function kilobytes(bytes: number | null): string {
  return bytes === null ? "–" : fixed(bytes / 1000, 1);
}

/** Names of checkpoints are those of models with a step. */
function isCheckpoint(model: string): boolean {
  return model.includes("@");
}

/** The models that matter most: the default, the neural ones, then by MASE. */
export function shownModels(figures: Figures, setting: string): string[] {
  const models = figures.names(setting).filter((name) => {
    return figures.record(name, setting)?.isPeer === false && !isCheckpoint(name);
  });
  const rank = (name: string) =>
    name === DEFAULT_MODEL ? 0 : name.startsWith("neural") ? 1 : name === "seasonal_naive" ? 3 : 2;
  const mase = (name: string) => figures.total(name, setting)?.mase ?? Infinity;
  return models.toSorted((a, b) => rank(a) - rank(b) || mase(a) - mase(b)).slice(0, SHOWN_MAX);
}

const HINTS: Readonly<Record<string, string>> = { found: "found", given: "given" };

/** Every forecaster in total: scores, losses, times, sizes. */
export function totalsTable(figures: Figures, published: PublishedPeers | null): string {
  const best = bestPeer(published, figures);
  const naive = Object.fromEntries(
    Object.entries(figures.record(BASELINE, "given")?.tasks ?? {})
      .map(([task, { mase }]) => [task, mase]),
  );
  const rows: string[][] = [];
  for (const setting of Object.keys(HINTS)) {
    for (const name of figures.names(setting)) {
      const record = figures.record(name, setting)!;
      const total = figures.total(name, setting);
      if (total === undefined || isCheckpoint(name)) continue;
      if (record.isPeer && setting !== "given") continue;
      rows.push([
        name,
        HINTS[setting]!,
        fixed(total.mase, 3),
        fixed(total.wql, 3),
        fixed(total.cover80, 3),
        fixed(total.cover95, 3),
        String(losses(record.tasks, naive, NAIVE_SHARE).length),
        published === null ? "–" : String(losses(record.tasks, best, PEER_SHARE).length),
        `${record.failed}`,
        `${fixed(record.msMedian, 1)} / ${fixed(record.msMean, 1)}`,
        `${kilobytes(record.stateBytesMean)} / ${kilobytes(record.stateBytesMax)}`,
      ]);
    }
  }
  return table([
    "forecaster",
    "season",
    "MASE",
    "WQL",
    "cover 80",
    "cover 95",
    "worse than naive",
    "worse than best peer",
    "failed",
    "ms a forecast, median / mean",
    "state kB, mean / most",
  ], rows);
}

/** What was to be reached, and what is. */
export function goalsTable(figures: Figures): string {
  return table(
    ["goal, development windows", "at least", "reach for", "reached", "met"],
    verdicts(figures).map(({ goal, atLeast, reachFor, reached, isMet }) => [
      goal,
      atLeast,
      reachFor,
      isMet === null ? "not measured" : reached,
      isMet === null ? "–" : isMet ? "yes" : "no",
    ]),
  );
}

/** Peers that were measured elsewhere on the same windows. */
export function publishedTable(published: PublishedPeers | null): string {
  if (published === null) return MISSING;
  const rows = Object.entries(published.total).map(([name, total]) => [
    name,
    fixed(total.mase, 3),
    fixed(total.wql, 3),
    fixed(total.cover80, 3),
    fixed(total.cover95, 3),
    String(total.failed),
    `${fixed(total.msMedian, 1)} / ${fixed(total.msMean, 1)}`,
  ]);
  const least = (key: 0 | 1) =>
    geometricMean(
      Object.values(published.tasks).map((peers) =>
        Math.min(...Object.values(peers).map((figure) => figure[key])) / peers[BASELINE]![key]
      ),
    );
  rows.push(["best of all, per task, by hindsight", fixed(least(0), 3), fixed(least(1), 3)]);
  const cells = rows.map((row) => [...row, ...Array(7 - row.length).fill("–")]);
  return `${
    table(
      ["peer", "MASE", "WQL", "cover 80", "cover 95", "failed", "ms, median / mean"],
      cells,
    )
  }\n\n${published.origin}`;
}

/** One figure by task, ours beside peers. */
export function taskTable(
  figures: Figures,
  published: PublishedPeers | null,
  key: "mase" | "wql",
): string {
  const baseline = figures.record(BASELINE, "given");
  const models = shownModels(figures, "found");
  if (baseline === undefined || models.length === 0) return MISSING;
  const others = published === null
    ? []
    : Object.keys(published.total).filter((name) => name !== BASELINE && name !== RIVAL);
  const hasRival = figures.record(RIVAL, "given") !== undefined;
  const places = key === "mase" ? 3 : 4;
  const rows = Object.entries(baseline.tasks).map(([task, own]) => [
    task,
    String(own.windows),
    fixed(own[key], places),
    ...models.map((name) => fixed(figures.record(name, "found")!.tasks[task]?.[key], places)),
    ...(hasRival ? [fixed(figures.record(RIVAL, "given")!.tasks[task]?.[key], places)] : []),
    ...others.map((name) =>
      fixed(published!.tasks[task]?.[name]?.[key === "mase" ? 0 : 1], places)
    ),
  ]);
  const header = ["task", "windows", BASELINE, ...models, ...(hasRival ? [RIVAL] : []), ...others];
  return table(header, rows);
}

/** Coverage of both intervals by task. */
export function coverageTable(figures: Figures): string {
  const models = shownModels(figures, "found");
  const first = figures.record(models[0] ?? "", "found");
  if (first === undefined) return MISSING;
  return table(
    ["task", ...models.flatMap((name) => [`${name} 80`, "95"])],
    Object.keys(first.tasks).map((task) => [
      task,
      ...models.flatMap((name) => {
        const own = figures.record(name, "found")!.tasks[task];
        return [fixed(own?.cover80, 3), fixed(own?.cover95, 3)];
      }),
    ]),
  );
}

/** The setting of the whole context that others of a table are compared with. */
function wholeOf(settings: readonly string[]): string {
  return settings.find((name) => MAIN_SETTINGS.includes(name)) ?? MAIN_SETTINGS[0]!;
}

/** Totals in a setting, where it was measured in the version that the whole context was. */
export function totalBeside(
  figures: Figures,
  name: string,
  setting: string,
  whole: string,
): Total | undefined {
  const version = figures.record(name, whole)?.version;
  return version !== undefined && figures.record(name, setting)?.version === version
    ? figures.total(name, setting)
    : undefined;
}

/**
 * Forecasters that were measured on the whole context and, in the same version, in at least one
 * other of some settings. What was measured in an older version alone is not told.
 */
export function measuredIn(figures: Figures, settings: readonly string[]): string[] {
  const whole = wholeOf(settings);
  const others = settings.filter((setting) => !MAIN_SETTINGS.includes(setting));
  return figures.names(whole).filter((name) =>
    !isCheckpoint(name) &&
    others.some((setting) => totalBeside(figures, name, setting, whole) !== undefined)
  );
}

function cell(total: Total | undefined): string {
  return total === undefined ? "–" : `${fixed(total.mase, 3)} / ${fixed(total.wql, 3)}`;
}

/** MASE / WQL in each of some settings; a dash where this version was not measured. */
export function settingsTable(figures: Figures, settings: readonly string[]): string {
  const whole = wholeOf(settings);
  return table(
    ["forecaster", ...settings.map((name) => settingNamed(name).title)],
    measuredIn(figures, settings).map((name) => [
      name,
      ...settings.map((setting) => cell(totalBeside(figures, name, setting, whole))),
    ]),
  );
}

function lossCell(loss: Loss | null): string {
  return loss === null ? "–" : lossText(loss);
}

/** Loss of accuracy against the whole context: MASE and WQL over what they were, less one. */
export function lossTable(figures: Figures, settings: readonly string[]): string {
  return table(
    ["loss of accuracy", ...settings.map((name) => settingNamed(name).title)],
    measuredIn(figures, ["given", ...settings]).map((name) => [
      name,
      ...settings.map((setting) => lossCell(lossOf(figures, name, setting))),
    ]),
  );
}

/** The loss where 30 % of the samples are dropped, draw by draw: one draw says little. */
export function drawsTable(figures: Figures): string {
  const rows = measuredIn(figures, ["given", ...DRAWS]).map((name) => {
    const draws = DRAWS.map((draw) => lossOf(figures, name, draw));
    // The mean of fewer draws is not to be compared with that of all.
    const mean = draws.includes(null) ? null : meanDropLoss(figures, name);
    return [name, ...draws.map(lossCell), lossCell(mean)];
  });
  const header = DRAWS.map((_, i) => `30 % dropped, draw ${i + 1}`);
  return table(["loss of accuracy", ...header, "mean"], rows);
}

/** Errors of thinned samples beside those of all samples, at the same targets. */
export function rateTable(figures: Figures): string {
  const settings = ["given", "fine2", "rate2", "fine4", "rate4"];
  return settingsTable(figures, settings);
}

/** Errors and coverage by lead. */
export function leadsTable(figures: Figures, setting: string): string {
  const baseline = figures.baseline(setting);
  if (baseline === undefined) return MISSING;
  const models = [
    ...shownModels(figures, setting),
    ...[RIVAL].filter((name) => figures.record(name, setting)),
  ];
  const columns = models.map((name) => byLead(figures.record(name, setting)!, baseline));
  return table(
    ["lead, samples", ...models.flatMap((name) => [name, "cover 80"])],
    byLead(baseline, baseline).map(({ lead }, group) => [
      `from ${lead}`,
      ...columns.flatMap((column) => [
        fixed(column[group]!.error, 3),
        fixed(column[group]!.cover80, 3),
      ]),
    ]),
  );
}

/** Least and most over the checkpoints of a training. */
export function bandTable(figures: Figures): string {
  const rows: string[][] = [];
  for (const setting of ["found", "given"]) {
    const points = figures.names(setting).filter(isCheckpoint);
    const families = new Set(points.map((name) => name.slice(0, name.indexOf("@"))));
    for (const family of families) {
      const own = points.filter((name) => name.startsWith(`${family}@`));
      const totals = own.map((name) => figures.total(name, setting)!);
      const band = (key: "mase" | "wql" | "cover80" | "cover95") => {
        const values = totals.map((total) => total[key]);
        return `${fixed(Math.min(...values), 3)} … ${fixed(Math.max(...values), 3)}`;
      };
      rows.push([
        family,
        setting,
        String(totals.length),
        band("mase"),
        band("wql"),
        band("cover80"),
        band("cover95"),
        cell(figures.total(family, setting)),
        [...new Set(own.map((name) => figures.record(name, setting)!.commit))].join(", "),
      ]);
    }
  }
  return table(
    [
      "model",
      "season",
      "checkpoints",
      "MASE",
      "WQL",
      "cover 80",
      "cover 95",
      "shipped",
      "measured at",
    ],
    rows,
  );
}

/** Which tasks are lost, by model: what nobody should have to find out alone. */
export function lossesList(figures: Figures, published: PublishedPeers | null): string {
  const baseline = figures.record(BASELINE, "given");
  if (baseline === undefined) return MISSING;
  const naive = Object.fromEntries(
    Object.entries(baseline.tasks).map(([task, { mase }]) => [task, mase]),
  );
  const best = bestPeer(published, figures);
  const against = (name: string, other: Record<string, number>, share: number) => {
    const { tasks } = figures.record(name, "found")!;
    const lost = losses(tasks, other, share);
    return lost.length === 0 ? "none" : lost
      .map((task) => `${task} (${percent(tasks[task]!.mase / other[task]! - 1)})`)
      .join(", ");
  };
  const uncovered = (name: string) => {
    const { tasks } = figures.record(name, "found")!;
    const off = Object.keys(tasks).filter((task) => {
      return Math.abs(tasks[task]!.cover80 - 0.8) > COVER_POINTS;
    });
    const told = off.map((task) => `${task} (${tasks[task]!.cover80.toFixed(2)})`);
    return told.length === 0 ? "none" : told.join(", ");
  };
  return shownModels(figures, "found").slice(0, TOLD_MAX).map((name) =>
    `- ${name}: worse than Seasonal Naive by more than ${percent(NAIVE_SHARE)} in MASE on ` +
    `${against(name, naive, NAIVE_SHARE)}; worse than the best of all peers on that task by ` +
    `more than ${percent(PEER_SHARE)} on ${against(name, best, PEER_SHARE)}; inside the 80 % ` +
    `interval more than 6 points off on ${uncovered(name)}.`
  ).join("\n");
}
