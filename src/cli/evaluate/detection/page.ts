/** docs/detection.md, from a record. */
import { median } from "../median.ts";
import type { ChangeFigures } from "./changes.ts";
import { SAMPLES_A_DAY } from "./clean.ts";
import { type CleanFigures, cleanShare } from "./clean_alarms.ts";
import { lossSections } from "./loss_page.ts";
import { type AlarmFigures, type DetectorFigures, RATES } from "./measure.ts";
import { table } from "../page_tables.ts";

/** What was measured in one run. */
export interface DetectionRecord {
  /** Hash of the code that detects and scores. */
  readonly code: string;
  readonly commit: string;
  readonly machine: string;
  readonly date: string;
  /** Ours first. */
  readonly detectors: readonly DetectorFigures[];
  /** Ours. */
  readonly clean: CleanFigures;
  /** Ours; absent in a record from before there was such a measurement. */
  readonly changes?: readonly ChangeFigures[];
}

/** What others reached, from where they published it or from the evaluation kit. */
const PUBLISHED_NAB = "ARTime 67.9, Numenta HTM 66.6, contextOSE 62.2, kNN-CAD 53.0, " +
  "random cut forest 49.5, windowed Gaussian 22.0";
const OFFLINE: readonly (readonly string[])[] = [
  ["isolation forest, fitted on the whole file", "0.398 / 0.448 / 0.453", "–"],
  ["sub-PCA, fitted on the whole file", "0.354 / 0.437 / 0.424", "–"],
];

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function figures(...values: readonly number[]): string {
  return values.map((value) => value.toFixed(3)).join(" / ");
}

function ratio(part: number, whole: number): string {
  return whole === 0 ? "–" : (part / whole).toFixed(2);
}

/** Means over the sets. */
function meanOf({ sets }: DetectorFigures): readonly [number, number, number] {
  const all = Object.values(sets);
  return [
    mean(all.map(({ aucPr }) => aucPr)),
    mean(all.map(({ vusPr }) => vusPr)),
    mean(all.map(({ f1 }) => f1)),
  ];
}

function nabText(nab: DetectorFigures["nab"], profile: string): string {
  return mean(nab[profile]!).toFixed(1);
}

function totals(detectors: readonly DetectorFigures[]): string {
  const rows = detectors.map((one) => [
    one.name,
    figures(...meanOf(one)),
    ["standard", "low FP", "low FN"].map((profile) => nabText(one.nab, profile)).join(" / "),
    `${ratio(one.budget.anomaliesHit, one.budget.anomalies)} / ${
      ratio(one.budget.alarmsRight, one.budget.alarms)
    }`,
  ]);
  const header = [
    "detector",
    "AUC-PR / VUS-PR / F1",
    "NAB: standard / low FP / low FN",
    "events at a budget of 0.5 %: recall / precision",
  ];
  return table(header, [...rows, ...OFFLINE.map((row) => [...row, "–"])]);
}

function bySet(detectors: readonly DetectorFigures[]): string {
  const sets = Object.keys(detectors[0]!.sets);
  const rows = sets.map((set) => [
    `${set} (${detectors[0]!.sets[set]!.series})`,
    ...detectors.map(({ sets }) => {
      const own = sets[set]!;
      return figures(own.aucPr, own.vusPr, own.f1);
    }),
  ]);
  return table(["set (series)", ...detectors.map(({ name }) => name)], rows);
}

function alarmCell(
  { anomalies, anomaliesHit, alarms, alarmsRight, samples, delays }: AlarmFigures,
) {
  const wrong = 1000 * (alarms - alarmsRight) / samples;
  const delay = delays.length === 0 ? "–" : String(median(delays));
  return `${anomaliesHit} of ${anomalies} / ${ratio(alarmsRight, alarms)} / ${
    wrong.toFixed(2)
  } / ${delay}`;
}

function alarmTable(ours: DetectorFigures): string {
  const sets = Object.keys(ours.alarms[String(RATES[0])] ?? {});
  const rows = sets.map((set) => [
    set,
    ...RATES.map((rate) => alarmCell(ours.alarms[String(rate)]![set]!)),
  ]);
  return table(["set", ...RATES.map((rate) => `rate ${rate.toExponential(0)}`)], rows);
}

function cleanTable({ length, alarms }: CleanFigures): string {
  const cell = (kinds: readonly (readonly number[])[], rate: number) => {
    const { times, error } = cleanShare(kinds, { length, rate });
    const daily = (times * rate * SAMPLES_A_DAY).toFixed(2);
    return `${times.toFixed(2)} ± ${error.toFixed(2)} / ${daily}`;
  };
  const rows = Object.keys(alarms[String(RATES[0])]!).map((kind) => [
    kind,
    ...RATES.map((rate) => cell([alarms[String(rate)]![kind]!], rate)),
  ]);
  const all = RATES.map((rate) => cell(Object.values(alarms[String(rate)]!), rate));
  const header = ["clean stream", ...RATES.map((rate) => `rate ${rate.toExponential(0)}`)];
  return table(header, [...rows, ["**all**", ...all]]);
}

function changeCell(figures: readonly ChangeFigures[]): string {
  if (figures.length === 0) return "–";
  const sum = (of: (figures: ChangeFigures) => number) =>
    figures.reduce((total, one) => total + of(one), 0);
  const told = figures.flatMap(({ delays }) => delays);
  const right = figures.flatMap(({ rightDelays }) => rightDelays);
  const middle = (delays: readonly number[]) => delays.length === 0 ? "–" : median(delays);
  return [
    `${told.length} of ${sum(({ streams }) => streams)}`,
    sum((one) => one.right),
    sum(({ alarms }) => alarms),
    middle(told),
    middle(right),
  ].join(" / ");
}

function changeTable(changes: readonly ChangeFigures[]): string {
  const kinds = [...new Set(changes.map(({ change }) => change))];
  const rows = kinds.map((kind) => [
    kind,
    ...[false, true].map((hasSeason) =>
      changeCell(changes.filter((one) => one.change === kind && one.hasSeason === hasSeason))
    ),
  ]);
  return table(["change", "streams without a season", "with a season"], rows);
}

function goals(ours: DetectorFigures, { length, alarms }: CleanFigures): string {
  const [aucPr, vusPr] = meanOf(ours);
  const rate = RATES.at(-1)!;
  const kinds = Object.values(alarms[String(rate)]!);
  const times = (some: typeof kinds) => cleanShare(some, { length, rate }).times;
  const own = kinds.map((counts) => times([counts]));
  const nab = ours.nab.standard!;
  const seeds = nab.map((score) => score.toFixed(1)).join(", ");
  return table(["detection", "wanted", "reach for", "measured"], [
    ["NAB standard, 35 files, mean of the seeds", "62", "70", `${mean(nab).toFixed(1)} (${seeds})`],
    [
      "AUC-PR / VUS-PR, mean of the sets, online",
      "0.60 / 0.62",
      "0.68 / 0.70",
      `${aucPr.toFixed(3)} / ${vusPr.toFixed(3)}`,
    ],
    [
      "false alarms at 1e-4 on clean streams, times nominal",
      "0.5 … 2",
      "… 1.3",
      times(kinds).toFixed(2),
    ],
    [
      "the kinds of clean streams with the fewest and the most of them",
      "… 2",
      "… 1.3",
      `${Math.min(...own).toFixed(2)} … ${Math.max(...own).toFixed(2)}`,
    ],
    ["µs a sample and channel", "–", "25", ours.microseconds.toFixed(1)],
    ["kB of state a channel", "–", "64", ((ours.stateBytes ?? 0) / 1000).toFixed(1)],
  ]);
}

const INTRO = `# Detection

This page is written by \`deno task evaluate:detection\`; a test holds it current. Each sample
is scored, and each alarm opened, by what came before it. The data is that of DRIFTLINE_SHARED, the
result is in \`bench/results/detection.json\`. AUC-PR, VUS-PR and the best F1 are point-wise,
without adjustment to whole events, means over the series of a set and then over the seven sets. NAB
is its own score at the best threshold for all files. One set of constants for all series. How it
works, with its equations: [what finds anomalies](detector.md).`;

const ALARMS = `At three wanted rates of false alarms (an alarm opens where the chance of such an
event in a clean stream is at most that): anomalies hit / share of alarms inside one / wrong alarms
in a thousand samples / median delay in samples. Labels mark few of the odd events of real series,
so wrong alarms are more than on clean streams.`;

const CHANGES =
  `Drawn streams that change for good after 1,500 samples, followed for 400 more, at the
wanted rate of 1e-4: streams with an alarm / where the first one has the reason that a person would
give, in the end / alarms in all / median samples to the first alarm / to the right reason. Sizes
are in standard deviations of the noise (white, AR(1), Student's t with 4 degrees of freedom; a
season's amplitude is 5 of them), a drift is a sample. Streams of the first line do not change.`;

const CLEAN = `Alarms on clean synthetic streams of 20,000 samples, times what was wanted ± its
standard error, from how much streams of a kind differ / a day, at a sample a minute. So many
streams are drawn that 50 alarms are wanted of a kind at least. Chance puts the extremes of this
many kinds up to two standard errors further out than they are.`;

/**
 * The page; says so where nothing was measured.
 *
 * @param findings  what was found besides, in Markdown; empty for none
 */
export function detectionPage(record: DetectionRecord | null, findings = ""): string {
  if (record === null) return `${INTRO}\n\n_Nothing is measured._\n`;
  const ours = record.detectors[0]!;
  const source = `Measured ${record.date.slice(0, 10)} on ${record.machine} at ${record.commit}; ` +
    "times are those of the process, not of the clock.";
  const sections = [
    INTRO,
    "## What was to be reached",
    goals(ours, record.clean),
    source,
    "## Beside others",
    totals(record.detectors),
    `Published NAB scores of peers on the same files, standard profile: ${PUBLISHED_NAB}.`,
    "## By set, AUC-PR / VUS-PR / F1",
    bySet(record.detectors),
    "## Alarms by set",
    ALARMS,
    alarmTable(ours),
    ...lossSections(ours),
    ...(record.changes === undefined
      ? []
      : ["## Changes that last", CHANGES, changeTable(record.changes)]),
    "## False alarms on clean streams",
    CLEAN,
    cleanTable(record.clean),
    ...(findings === "" ? [] : [findings]),
  ];
  return `${sections.join("\n\n")}\n`;
}
