/** docs/accuracy.md and its pictures, from records. */
import { Figures, type PublishedPeers } from "./figures.ts";
import { contextPicture, CONTEXTS, coveragePicture, leadPicture } from "./page_pictures.ts";
import {
  bandTable,
  coverageTable,
  drawsTable,
  goalsTable,
  leadsTable,
  lossesList,
  lossTable,
  MISSING,
  publishedTable,
  rateTable,
  settingsTable,
  taskTable,
  totalsTable,
} from "./page_tables.ts";
import { livePage } from "./live/page.ts";
import type { LiveRecord } from "./live/run.ts";
import { drawPicture, type Picture } from "./picture.ts";
import { DEVELOPMENT_SET } from "./plan.ts";
import type { AccuracyRecord } from "./record.ts";

/** What the page is made from. */
export interface PageParts {
  readonly records: readonly AccuracyRecord[];
  readonly peers: PublishedPeers | null;
  /** What people say of the figures: Markdown. */
  readonly findings: string;
  /** The same windows with contexts fed sample by sample, and whole streams. */
  readonly live?: readonly AccuracyRecord[];
  readonly streams?: readonly LiveRecord[];
}

/** The page's text, and its images by file name. */
export interface AccuracyPage {
  readonly text: string;
  readonly images: Readonly<Record<string, string>>;
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

This page is written by \`deno task evaluate\` from \`bench/results/accuracy.*.jsonl\`; a test
holds it current. MASE and WQL are ratios to Seasonal Naive, geometric means over the tasks, as
GIFT-Eval takes them: below 1 is better than repeating the last season. WQL is the mean weighted
quantile loss over the deciles. Coverages are the share of targets inside the 80 % and the 95 %
interval, mean over the tasks. The point forecast is the median. A forecast that fails counts as
Seasonal Naive.

Development windows were looked at while the models were made. Nothing was fitted to the second
set, but choices were dropped that did harm there; it tells how much of the promise holds elsewhere,
with that reserve. Both are forecast zero-shot: nothing is fitted but what the window's own context
allows. What is found unusual is measured on a page of its own: [detection](detection.md).`;

const BAND =
  `Least and most over the last checkpoints of one run, which is how far a figure is luck;
what is shipped is the last, never the best of many.`;

const HOW = `## How it is measured

- \`found\`: the model is told nothing of the season; \`given\`: it is told the window's own, as
  every peer is; \`none\`: it is told that there is none. Peers that know no seasons ignore it.
- The error of a window is divided by the mean seasonal difference of its whole context in every
  setting, so the settings are comparable; ratios are to Seasonal Naive on the whole context,
  except at other rates, where Seasonal Naive sees what the models see.
- Dropped samples are drawn at random with a fixed seed; models get the samples that are left
  with their times, peers get the whole grid with the gaps filled by straight lines. Wrong time
  stamps are off by up to 30 % of a period either way, the values stay.
- Rates: of a window every second or fourth sample is seen (counted from the origin) and asked
  for, season and horizon shrink with it. \`all samples seen\` asks for the same times of the
  finer series, so a rate twice (four times) as high is compared at equal targets. Seasons that
  are no multiple of 2 or 4, and horizons shorter than that, are left out. Where one of 2 or 4
  is seen and all are asked for, leads fall between samples: peers' forecasts are joined by
  straight lines.
- The time of a forecast is that of fit and forecast on one thread, without reading the data;
  the state is what a stream keeps between samples, packed.
- Windows worse than naive: tasks whose MASE is more than 3 % above Seasonal Naive's; worse than
  the best peer: more than 5 % above the best of all peers on that task, chosen by hindsight.
- The second set: tables of the npm package \`vega-datasets\`, and channels of the CC BY
  development series that no development window uses (\`src/cli/evaluate/second_set.ts\`). No
  network was trained on any sample of it: pretraining ends before the first context of these
  hours in all channels ([its data](pretraining_data.md)).

Measured again: \`deno task evaluate\` and \`deno task evaluate:live\` with the folder of the
development data in DRIFTLINE_SHARED; what is there for the same version and code is not measured
twice.`;

/** Makes page and pictures. */
export function accuracyPage(
  { records, peers, findings, live = [], streams = [] }: PageParts,
): AccuracyPage {
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
    "## What was to be reached",
    goalsTable(dev),
    "## In total, development windows",
    totalsTable(dev, peers),
    sourceOf(dev),
    "### Peers measured elsewhere, same windows and scores",
    publishedTable(peers),
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
    "MASE / WQL, season given, ratios to Seasonal Naive on the whole context. Here and below a " +
    "dash is\nwhat was not measured with the present version.",
    picture("accuracy_context.svg", contextPicture(dev)),
    settingsTable(dev, contexts),
    "## What the season is worth",
    settingsTable(dev, ["given", "found", "none"]),
    "## Gaps and wrong time stamps",
    settingsTable(dev, ["given", ...gaps]),
    lossTable(dev, gaps),
    drawsTable(dev),
    settingsTable(dev, ["found", "found_drop30"]),
    "## Other rates",
    rateTable(dev),
    "## Leads between samples",
    settingsTable(dev, ["given", "lead2", "lead4"]),
    "## By lead",
    picture("accuracy_leads.svg", leadPicture(dev)),
    leadsTable(dev, "found"),
    livePage(live, records, streams),
    "## The last checkpoints of a training",
    BAND,
    bandTable(dev),
    HOW,
  ].filter((section) => section !== "");
  return { text: `${sections.join("\n\n")}\n`, images };
}
