/** The sections of docs/detection.md on what is lost, and where. */
import type { DetectorFigures, NabFileFigures, SeriesFigures } from "./measure.ts";
import type { NabLoss } from "./nab.ts";
import { table } from "../page_tables.ts";

/** Points of NAB below which a file is not told by itself. */
const NAB_POINTS_MIN = 0.7;
/** Series that are told by themselves. */
const SERIES_TOLD = 16;

const NAB = `Points of 100 that the flags lose on NAB, standard profile, at each seed's best
threshold, means over the seeds: windows without a detection, windows detected after their start,
detections outside of windows. Files that lose less are summed in the line before the last.`;

const RANKING = `What series lose of the mean AUC-PR of the sets (thousandths), by cause: within
anomalies, what would be won if each kept its highest score from its first sample to its last; the
rest is lost where samples that are labelled normal rank above whole anomalies. The series that lose
most, the sum of the others, and all.`;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function shortName(name: string): string {
  return name.split("/").slice(1).join("/");
}

function pointsOf({ missedPoints, latePoints, wrongPoints }: NabLoss): number {
  return missedPoints + latePoints + wrongPoints;
}

function nabRow(name: string, files: readonly NabFileFigures[]): string[] {
  const seeds = files[0]!.losses.map((_, seed) => files.map(({ losses }) => losses[seed]!));
  const sum = (of: (loss: NabLoss) => number) =>
    mean(seeds.map((losses) => losses.reduce((total, loss) => total + of(loss), 0)));
  const windows = files.reduce((total, file) => total + file.windows, 0);
  return [
    name,
    sum(pointsOf).toFixed(1),
    `${sum(({ missed }) => missed).toFixed(1)} of ${windows} / ${
      sum(({ missedPoints }) => missedPoints).toFixed(1)
    }`,
    sum(({ latePoints }) => latePoints).toFixed(1),
    `${sum(({ wrong }) => wrong).toFixed(1)} / ${sum((loss) => loss.wrongPoints).toFixed(1)}`,
  ];
}

function nabTable(files: readonly NabFileFigures[]): string {
  const lost = (file: NabFileFigures) => mean(file.losses.map(pointsOf));
  const sorted = files.toSorted((a, b) => lost(b) - lost(a));
  const most = sorted.filter((file) => lost(file) >= NAB_POINTS_MIN);
  const others = sorted.slice(most.length);
  return table(["file", "points", "windows missed / points", "late", "wrong / points"], [
    ...most.map((file) => nabRow(shortName(file.name), [file])),
    ...(others.length === 0 ? [] : [nabRow(`${others.length} others`, others)]),
    nabRow("**all**", files),
  ]);
}

function rankingTable({ sets, series }: DetectorFigures): string {
  const count = Object.keys(sets).length;
  const costs = series.map((one: SeriesFigures) => {
    const weight = 1000 / (count * sets[one.set]!.series);
    return {
      name: one.name,
      within: weight * (one.aucPrHeld - one.aucPr),
      above: weight * (1 - one.aucPrHeld),
      aucPr: one.aucPr.toFixed(3),
    };
  }).toSorted((a, b) => b.within + b.above - a.within - a.above);
  const row = (name: string, some: typeof costs, aucPr: string) => {
    const within = some.reduce((sum, one) => sum + one.within, 0);
    const above = some.reduce((sum, one) => sum + one.above, 0);
    return [name, aucPr, ...[within + above, within, above].map((cost) => cost.toFixed(1))];
  };
  const others = costs.slice(SERIES_TOLD);
  return table(["series", "AUC-PR", "lost", "within anomalies", "normal above"], [
    ...costs.slice(0, SERIES_TOLD).map((one) => row(one.name, [one], one.aucPr)),
    ...(others.length === 0 ? [] : [row(`${others.length} others`, others, "–")]),
    row("**all**", costs, "–"),
  ]);
}

/** Where the flags and the score of a detector lose. */
export function lossSections(ours: DetectorFigures): readonly string[] {
  return [
    "## Where points of NAB are lost",
    NAB,
    nabTable(ours.nabFiles),
    "## Where AUC-PR is lost",
    RANKING,
    rankingTable(ours),
  ];
}
