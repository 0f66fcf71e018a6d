/** What `evaluate` prints of what it measured. */
import { formatNumber, formatTable } from "../table.ts";
import type { LiveRecord } from "./live/run.ts";
import type { AccuracyRecord } from "./record.ts";
import { totalOf } from "./score.ts";
import { SETTINGS } from "./settings.ts";
import { BASELINE } from "./subject.ts";

const TOTAL = ["set", "setting", "model", "MASE", "WQL", "cover80", "cover95", "ms", "failed"];
const BY_TASK = ["set", "setting", "task", "windows", "model", "MASE", "WQL", "cover80", "cover95"];

const shown = (figures: readonly number[]) =>
  figures.map((value) => formatNumber(Number(value.toFixed(4))));

/** Tasks of Seasonal Naive in the setting that a record is compared with, the newest first. */
function baselineOf({ set, setting }: AccuracyRecord, all: readonly AccuracyRecord[]) {
  const wanted = SETTINGS.find(({ name }) => name === setting)!.baseline;
  const found = all.find((other) =>
    other.set === set && other.model === BASELINE && other.setting === wanted
  );
  return found?.tasks ?? {};
}

/**
 * A row a record: MASE and WQL as geometric means over the tasks of their ratios to Seasonal Naive.
 *
 * @param kept  records of before, in which a baseline may be
 */
export function totalTable(
  records: readonly AccuracyRecord[],
  kept: readonly AccuracyRecord[],
): string {
  const rows = records.map((record) => {
    const { set, setting, model, msMedian, windows, failed } = record;
    const total = totalOf(record.tasks, baselineOf(record, [...records, ...kept]));
    const { mase, wql, cover80, cover95 } = total;
    const figures = shown([mase, wql, cover80, cover95, msMedian]);
    return [set, setting, model, ...figures, `${failed}/${windows}`];
  });
  return formatTable(TOTAL, rows);
}

/** A row a task and record, tasks together: MASE and WQL as ratios to Seasonal Naive's. */
export function taskTable(
  records: readonly AccuracyRecord[],
  kept: readonly AccuracyRecord[],
): string {
  const all = [...records, ...kept];
  const rows = records.filter(({ model }) => model !== BASELINE).flatMap((record) => {
    const { set, setting, model } = record;
    const baseline = baselineOf(record, all);
    return Object.entries(record.tasks).map(([task, score]) => {
      const ratios = [score.mase / baseline[task]!.mase, score.wql / baseline[task]!.wql];
      const figures = shown([...ratios, score.cover80, score.cover95]);
      return [set, setting, task, String(score.windows), model, ...figures];
    });
  });
  const placeOf = new Map<string, number>();
  const key = (row: readonly string[]) => row.slice(0, 3).join(" ");
  for (const row of rows) if (!placeOf.has(key(row))) placeOf.set(key(row), placeOf.size);
  rows.sort((a, b) => placeOf.get(key(a))! - placeOf.get(key(b))!);
  return formatTable(BY_TASK, rows);
}

/** A row a stream that was followed. */
export function streamsTable(records: readonly LiveRecord[]): string {
  const rows = records.flatMap(({ model, streams }) =>
    streams.map(({ name, samples, cells, needed, loss }) => {
      const all = cells.flat();
      const sum = (key: "count" | "inside80" | "inside95") =>
        all.reduce((total, cell) => total + cell[key], 0);
      const covers = [sum("inside80") / sum("count"), sum("inside95") / sum("count")];
      return [model, name, String(samples), ...shown([...covers, needed, loss])];
    })
  );
  return formatTable(
    ["model", "stream", "samples", "cover80", "cover95", "factor", "loss"],
    rows,
  );
}
