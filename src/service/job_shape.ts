import { isEvaluation, type TrainingLine } from "../training/metrics_lines.ts";
import type { JobRecord } from "./job_record.ts";

/** Mean loss on the windows that are never trained on, before the first step and at the last. */
export interface HeldOutShape {
  before: number;
  after: number;
}

/** A job as it is answered. */
export interface JobShape {
  id: string;
  state: JobRecord["state"];
  model: string;
  base: string;
  source: JobRecord["source"];
  recipe: JobRecord["recipe"];
  channels: string[];
  rows: number;
  step: number;
  steps: number;
  device: string | null;
  parameters: number | null;
  tunedParameters: number | null;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
  heldOut: HeldOutShape | null;
  modelHash: string | null;
  error: string | null;
  metrics: Record<string, number>[];
  evaluations: { step: number; evaluation: Record<string, number> }[];
}

/** Only what is there: JSON has no undefined members. */
function numbersOf(line: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const told: Record<string, number> = {};
  for (const [name, value] of Object.entries(line)) if (value !== undefined) told[name] = value;
  return told;
}

function heldOutOf(evaluations: JobShape["evaluations"]): HeldOutShape | null {
  const before = evaluations[0]?.evaluation["loss"];
  const after = evaluations.at(-1)?.evaluation["loss"];
  return before === undefined || after === undefined ? null : { before, after };
}

/** Lines of metrics of each job in a list: what a small drawing needs. */
export const LISTED_LINES_MAX = 40;

/** At most so many of the lines, at even distances, the last one among them. */
function thinned<T>(lines: readonly T[], most: number): T[] {
  const step = Math.max(1, Math.ceil(lines.length / most));
  return lines.filter((_, i) => (lines.length - 1 - i) % step === 0);
}

/**
 * A job with its lines as it is answered.
 *
 * @param metricsMax  lines of metrics at most; default all
 */
export function jobShape(
  record: JobRecord,
  lines: readonly TrainingLine[],
  metricsMax = Infinity,
): JobShape {
  const { attempts: _, order: __, ...told } = record;
  const evaluations = lines.filter(isEvaluation)
    .map(({ step, evaluation }) => ({ step, evaluation: numbersOf(evaluation) }));
  const metrics = lines.flatMap((line) => isEvaluation(line) ? [] : [numbersOf(line)]);
  return {
    ...told,
    channels: [...told.channels],
    steps: record.recipe.steps,
    heldOut: heldOutOf(evaluations),
    metrics: thinned(metrics, metricsMax),
    evaluations,
  };
}
