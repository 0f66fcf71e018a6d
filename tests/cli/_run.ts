/** Runs one verb inside the test's own process and keeps what it printed. */
import { type Command, runVerb } from "../../src/cli/command.ts";

export { withFolder } from "../_folder.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

export async function run(command: Command, ...args: string[]): Promise<Ran> {
  const out: string[] = [];
  const error: string[] = [];
  const code = await runVerb(command, args, {
    out: (line) => out.push(line),
    error: (line) => error.push(line),
  });
  return { code, out: out.join("\n"), error: error.join("\n") };
}

/** Hourly sine with a day's season as CSV; column `flat` is constant. */
export function hourlyCsv(count: number): string {
  const rows = Array.from({ length: count }, (_, hour) => {
    const time = new Date(Date.UTC(2026, 0, 1) + hour * 3_600_000).toISOString();
    return `${time},${(10 + 5 * Math.sin((2 * Math.PI * hour) / 24)).toFixed(4)},3`;
  });
  return `time,wave,flat\n${rows.join("\n")}\n`;
}
