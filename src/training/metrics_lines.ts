/** The lines that a training writes as it goes: JSON, one a line. */
import type { EvaluationLine, MetricsLine } from "./trainer.ts";

/** A line of metrics or of an evaluation. */
export type TrainingLine = MetricsLine | EvaluationLine;

/** True for a line of an evaluation. */
export function isEvaluation(line: TrainingLine): line is EvaluationLine {
  return typeof line["evaluation"] === "object";
}

/** The lines of the steps up to and with `step`: those after it will be written again. */
export function linesUpTo(text: string, step: number): TrainingLine[] {
  return text.split("\n").flatMap((line) => {
    try {
      const parsed = JSON.parse(line) as TrainingLine;
      return parsed.step <= step ? [parsed] : [];
    } catch {
      // The end of the file, or a line that a power cut tore; its step comes again.
      return [];
    }
  });
}
