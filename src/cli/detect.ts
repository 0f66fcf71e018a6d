import { type Command, type CommandInput, EXIT_OK, UsageError } from "./command.ts";
import type { FlagOptions } from "../detectors/detector.ts";
import { EFFECT_MAX, FALSE_ALARM_RATE_MAX } from "../stores/store.ts";
import { detectFile } from "./detect_file.ts";
import { openProgress } from "./progress.ts";
import { fileChoice, FILES_READ, onlyFile, SERIES_OPTIONS } from "./series_file.ts";

/** @throws {UsageError} no number, or out of range */
function numberOf(input: CommandInput, name: string, most: number): number | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= most) return value;
  throw new UsageError(`--${name} is "${text}", expected a number from 0 to ${most}`);
}

/** The options of alarms that are named. */
function flagChoice(input: CommandInput): Partial<FlagOptions> {
  const falseAlarmRate = numberOf(input, "false-alarms", FALSE_ALARM_RATE_MAX);
  const effectMin = numberOf(input, "least-effect", EFFECT_MAX);
  const repeats = input.text("repeats");
  if (repeats !== undefined && repeats !== "learn" && repeats !== "tell") {
    throw new UsageError(`--repeats is "${repeats}", expected learn or tell`);
  }
  return {
    ...(falseAlarmRate === undefined ? {} : { falseAlarmRate }),
    ...(effectMin === undefined ? {} : { effectMin }),
    ...(repeats === undefined ? {} : { repeats }),
  };
}

/** `detect`: scores and flags of a file, as a stream of it would get them. */
export const detectCommand: Command = {
  name: "detect",
  summary: "Score and flag the samples of a file",
  usage: "FILE[.gz] [--column NAME]... [--false-alarms RATE] --output OUT.csv",
  description:
    "Writes timestamp,anomaly_score,flag_score,anomaly,reason for each sample, judged by itself\n" +
    "and those before it. flag_score is -log10 of the chance of such an event in a clean stream\n" +
    "where one opens or rises, else 0; anomaly is 1 where an alarm opens.\n" + FILES_READ,
  takesPositionals: true,
  options: {
    ...SERIES_OPTIONS,
    "false-alarms": {
      type: "string",
      value: "RATE",
      help: "False alarms a sample of a clean stream (0.0001)",
    },
    repeats: {
      type: "string",
      value: "learn|tell",
      help: "What comes again: tell it less (learn)",
    },
    "least-effect": {
      type: "string",
      value: "N",
      help: "Standard deviations from usual, at least",
    },
    output: { type: "string", value: "OUT.csv", help: "File to write" },
  },
  async run(input, output) {
    const path = input.text("output");
    if (path === undefined) throw new UsageError("--output is missing");
    const file = onlyFile(input);
    const progress = await openProgress("Detecting", output.isProgressShown);
    const summary = await detectFile({
      input: file,
      output: path,
      ...fileChoice(input),
      flags: flagChoice(input),
      note: output.note,
      onProgress: (done, total) => progress.update(done, total),
    });
    progress.stop();
    if (input.isSet("json")) {
      output.print(JSON.stringify({ input: file, output: path, ...summary }));
    } else {
      output.print(`${summary.sampleCount} samples of ${summary.channels.join(", ")}`);
      output.print(`${summary.alarmCount} alarms; scores are in ${path}`);
      for (const timestamp of summary.alarms) output.print(`  alarm at ${timestamp}`);
    }
    return EXIT_OK;
  },
};
