/** The hub of the data sets: every member by name. */
import { NotFoundError } from "../src/base/errors.ts";
import type { Dataset, DatasetOrigin } from "./dataset.ts";
import { co2Monthly } from "./co2_monthly.ts";
import { seattleDaily } from "./seattle_daily.ts";
import { seattleHourly } from "./seattle_hourly.ts";
import { sp500Daily } from "./sp500_daily.ts";
import { synthetic } from "./synthetic.ts";

export type { Dataset, DatasetOrigin } from "./dataset.ts";
export { type Task, taskByName, TASKS } from "./tasks/mod.ts";

/** Every data set, real ones first. */
export const DATASETS: readonly Dataset[] = [
  seattleHourly,
  co2Monthly,
  sp500Daily,
  seattleDaily,
  synthetic,
];

/** @throws {NotFoundError} no data set has this name */
export function datasetByName(name: string): Dataset {
  const found = DATASETS.find((dataset) => dataset.name === name);
  if (found === undefined) throw new NotFoundError("data set", name);
  return found;
}

/** One line of the table of data sets. */
export interface ManifestEntry extends DatasetOrigin {
  readonly name: string;
  readonly sampleCount: number;
}

/** Every data set with its file, hash, source and licence. */
export function manifest(): ManifestEntry[] {
  return DATASETS.map(({ name, sampleCount, origin }) => ({ name, sampleCount, ...origin }));
}
