import { type Command, EXIT_OK, UsageError } from "./command.ts";
import { detectFile } from "./detect_file.ts";
import { openProgress } from "./progress.ts";
import { CSV_OPTIONS, csvChoice, onlyFile } from "./series_file.ts";

/** `detect`: scores and flags of a file, as a stream of it would get them. */
export const detectCommand: Command = {
  name: "detect",
  summary: "Score and flag the samples of a CSV file",
  usage: "FILE.csv[.gz] [--column NAME]... --output OUT.csv",
  description:
    "Writes timestamp,anomaly_score,flag_score,anomaly for each sample. Each is judged by\n" +
    "itself and the samples before it. flag_score is -log10 of the chance of such an event in a\n" +
    "clean stream where one opens or rises, else 0; anomaly is 1 where an alarm opens.",
  takesPositionals: true,
  options: {
    ...CSV_OPTIONS,
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
      ...csvChoice(input),
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
