/** docs/accuracy.md and its pictures, from records. */
import { DEFAULT_MODEL } from "../../models/mod.ts";
import { bestPeer, byLead, Figures, losses, type PublishedPeers } from "./figures.ts";
import { drawPicture, type Picture } from "./picture.ts";
import { DEVELOPMENT_SET } from "./plan.ts";
import type { AccuracyRecord } from "./record.ts";
import { geometricMean } from "./score.ts";
import { settingNamed } from "./settings.ts";
import { BASELINE } from "./subject.ts";

/** What the page is made from. */
export interface PageParts {
  readonly records: readonly AccuracyRecord[];
  readonly peers: PublishedPeers | null;
  /** What people say of the figures: Markdown. */
  readonly findings: string;
}

/** The page's text, and its images by file name. */
export interface AccuracyPage {
  readonly text: string;
  readonly images: Readonly<Record<string, string>>;
}

const MISSING = "_Nothing is measured._";
/** Worse than Seasonal Naive, and than the best of all peers, by more than this is told. */
const NAIVE_SHARE = 0.03;
const PEER_SHARE = 0.05;
/** The peer that drops, jitter and rates are compared with. */
const RIVAL = "augurs-mstl";
/** Forecasters that tables by task and pictures show, where they were measured. */
const SHOWN_MAX = 5;

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return MISSING;
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, i) => i === 0 ? "---" : "--:");
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

function fixed(value: number | null | undefined, places: number): string {
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
function shownModels(figures: Figures, setting: string): string[] {
  const models = figures.names(setting).filter((name) => {
    return figures.record(name, setting)?.isPeer === false && !isCheckpoint(name);
  });
  const rank = (name: string) =>
    name === DEFAULT_MODEL ? 0 : name.startsWith("neural") ? 1 : name === "seasonal_naive" ? 3 : 2;
  const mase = (name: string) => figures.total(name, setting)?.mase ?? Infinity;
  return models.toSorted((a, b) => rank(a) - rank(b) || mase(a) - mase(b)).slice(0, SHOWN_MAX);
}

const HINTS: Readonly<Record<string, string>> = { found: "found", given: "given" };

function totalsTable(figures: Figures, published: PublishedPeers | null): string {
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

function publishedTable(figures: Figures, published: PublishedPeers | null): string {
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

function taskTable(
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

function coverageTable(figures: Figures): string {
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

/** Forecasters that were measured in every one of some settings. */
function measuredIn(figures: Figures, settings: readonly string[]): string[] {
  return figures.names(settings[0]!).filter((name) =>
    !isCheckpoint(name) && settings.every((setting) => figures.record(name, setting) !== undefined)
  );
}

function cell(figures: Figures, name: string, setting: string): string {
  const total = figures.total(name, setting);
  return total === undefined ? "–" : `${fixed(total.mase, 3)} / ${fixed(total.wql, 3)}`;
}

function settingsTable(figures: Figures, settings: readonly string[]): string {
  return table(
    ["forecaster", ...settings.map((name) => settingNamed(name).title)],
    measuredIn(figures, settings)
      .map((name) => [name, ...settings.map((setting) => cell(figures, name, setting))]),
  );
}

/** Loss of accuracy against the whole context: MASE and WQL over what they were, less one. */
function lossTable(figures: Figures, settings: readonly string[]): string {
  const loss = (name: string, setting: string, key: "mase" | "wql") =>
    figures.total(name, setting)![key] / figures.total(name, "given")![key] - 1;
  return table(
    ["loss of accuracy", ...settings.map((name) => settingNamed(name).title)],
    measuredIn(figures, ["given", ...settings]).map((name) => [
      name,
      ...settings.map((setting) =>
        `${percent(loss(name, setting, "mase"), 1)} / ${percent(loss(name, setting, "wql"), 1)}`
      ),
    ]),
  );
}

/** Errors of thinned samples beside those of all samples, at the same targets. */
function rateTable(figures: Figures): string {
  const settings = ["given", "fine2", "rate2", "fine4", "rate4"];
  return settingsTable(figures, settings);
}

function leadsTable(figures: Figures, setting: string): string {
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

function bandTable(figures: Figures): string {
  const rows: string[][] = [];
  for (const setting of ["found", "given"]) {
    const points = figures.names(setting).filter(isCheckpoint);
    const families = new Set(points.map((name) => name.slice(0, name.indexOf("@"))));
    for (const family of families) {
      const totals = points.filter((name) => name.startsWith(`${family}@`))
        .map((name) => figures.total(name, setting)!);
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
        cell(figures, family, setting),
      ]);
    }
  }
  return table(
    ["model", "season", "checkpoints", "MASE", "WQL", "cover 80", "cover 95", "shipped"],
    rows,
  );
}

/** Which tasks are lost, by model: what nobody should have to find out alone. */
function lossesList(figures: Figures, published: PublishedPeers | null): string {
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
  return shownModels(figures, "found").map((name) =>
    `- ${name}: worse than Seasonal Naive by more than ${percent(NAIVE_SHARE)} in MASE on ` +
    `${against(name, naive, NAIVE_SHARE)}; worse than the best of all peers on that task by ` +
    `more than ${percent(PEER_SHARE)} on ${against(name, best, PEER_SHARE)}.`
  ).join("\n");
}

function coveragePicture(figures: Figures): Picture | null {
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

const CONTEXTS = [16, 64, 256, 1024];

function contextPicture(figures: Figures): Picture | null {
  const settings = CONTEXTS.map((length) => `context${length}`);
  const names = measuredIn(figures, settings).filter((name) => name !== "augurs-ets");
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
        [Math.log2(length), figures.total(name, settings[i]!)?.mase ?? NaN] as const
      ),
    })),
  };
}

function leadPicture(figures: Figures): Picture | null {
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

function sourceOf(figures: Figures): string {
  const { records } = figures;
  if (records.length === 0) return MISSING;
  const unique = (values: readonly string[]) => [...new Set(values)].sort().join(", ");
  const days = records.map(({ date }) => date.slice(0, 10));
  return `Measured ${unique(days)} on ${unique(records.map(({ machine }) => machine))} at ` +
    `${unique(records.map(({ commit }) => commit))}; other work ran beside, so times are upper ` +
    "bounds.";
}

const INTRO = `# Accuracy

This page is written by \`deno task evaluate\` from \`bench/results/accuracy.*.jsonl\`; a test holds
it current. MASE and WQL are ratios to Seasonal Naive, geometric means over the tasks, as GIFT-Eval
takes them: below 1 is better than repeating the last season. WQL is the mean weighted quantile loss
over the deciles. Coverages are the share of targets inside the 80 % and the 95 % interval, mean over
the tasks. The point forecast is the median. A forecast that fails counts as Seasonal Naive.

Development windows were looked at while the models were made; the second set was not, and tells how
much of their promise holds elsewhere. Both are forecast zero-shot: nothing is fitted but what the
window's own context allows.`;

const HOW = `## How it is measured

- \`found\`: the model is told nothing of the season; \`given\`: it is told the window's own, as every
  peer is; \`none\`: it is told that there is none. Peers that know no seasons ignore it.
- The error of a window is divided by the mean seasonal difference of its whole context in every
  setting, so the settings are comparable; ratios are to Seasonal Naive on the whole context, except
  at other rates, where Seasonal Naive sees what the models see.
- Dropped samples are drawn at random with a fixed seed; models get the samples that are left with
  their times, peers get the whole grid with the gaps filled by straight lines. Wrong time stamps are
  off by up to 30 % of a period either way, the values stay.
- Rates: of a window every second or fourth sample is seen (counted from the origin) and asked for,
  season and horizon shrink with it. \`all samples seen\` asks for the same times of the finer
  series, so a rate twice (four times) as high is compared at equal targets. Seasons that are no
  multiple of 2 or 4, and horizons shorter than that, are left out. Where one of 2 or 4
  is seen and all are asked for, leads fall between samples: peers' forecasts are joined by straight
  lines.
- The time of a forecast is that of fit and forecast on one thread, without reading the data; the
  state is what a stream keeps between samples, packed.
- Windows worse than naive: tasks whose MASE is more than 3 % above Seasonal Naive's; worse than the
  best peer: more than 5 % above the best of all peers on that task, chosen by hindsight.
- The second set: tables of the npm package \`vega-datasets\` and channels of the CC BY development
  series that no window uses (\`src/cli/evaluate/second_set.ts\`).

Measured again: \`deno task evaluate\` with the folder of the development data in DRIFTLINE_SHARED;
what is there for the same version and code is not measured twice.`;

/** Makes page and pictures. */
export function accuracyPage({ records, peers, findings }: PageParts): AccuracyPage {
  const dev = new Figures(records, DEVELOPMENT_SET);
  const second = new Figures(records, "second");
  const images: Record<string, string> = {};
  const picture = (name: string, made: Picture | null) => {
    if (made === null) return MISSING;
    images[name] = drawPicture(made);
    return `![${made.title}](img/${name})`;
  };
  const contexts = [...CONTEXTS.map((length) => `context${length}`), "given"];
  const gaps = ["drop10", "drop30", "drop50", "jitter"];
  const sections = [
    INTRO,
    "## In total, development windows",
    totalsTable(dev, peers),
    sourceOf(dev),
    "### Peers measured elsewhere, same windows and scores",
    publishedTable(dev, peers),
    "## Where we lose",
    lossesList(dev, peers),
    findings,
    "## The second set",
    totalsTable(second, null),
    sourceOf(second),
    "### MASE by task of the second set, season found",
    taskTable(second, null, "mase"),
    "## By task",
    "### MASE, season found",
    taskTable(dev, peers, "mase"),
    "### WQL, season found",
    taskTable(dev, peers, "wql"),
    "### Coverage, season found",
    picture("accuracy_coverage.svg", coveragePicture(dev)),
    coverageTable(dev),
    "## By length of context",
    "MASE / WQL, season given, ratios to Seasonal Naive on the whole context.",
    picture("accuracy_context.svg", contextPicture(dev)),
    settingsTable(dev, contexts),
    "## What the season is worth",
    settingsTable(dev, ["given", "found", "none"]),
    "## Gaps and wrong time stamps",
    settingsTable(dev, ["given", ...gaps]),
    lossTable(dev, gaps),
    "## Other rates",
    rateTable(dev),
    "## Leads between samples",
    settingsTable(dev, ["given", "lead2", "lead4"]),
    "## By lead",
    picture("accuracy_leads.svg", leadPicture(dev)),
    leadsTable(dev, "found"),
    "## The last checkpoints of a training",
    "Least and most over the last checkpoints of one run, which is how far a figure is luck; what is" +
    " shipped is the last, never the best of many.",
    bandTable(dev),
    HOW,
  ].filter((section) => section !== "");
  return { text: `${sections.join("\n\n")}\n`, images };
}
