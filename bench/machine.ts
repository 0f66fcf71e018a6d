/** Who measured, on what, at which commit: what every stored figure carries. */
import { cpus } from "node:os";

/** Where a figure comes from. */
export interface Provenance {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly adapter: string;
  readonly runtime: string;
  readonly command: string;
}

/** The checked-out commit; `BENCH_COMMIT` where the tree is a copy without a history. */
async function commitName(): Promise<string> {
  const given = Deno.env.get("BENCH_COMMIT");
  if (given !== undefined) return given;
  try {
    const { stdout, success } = await new Deno.Command("git", {
      args: ["rev-parse", "--short", "HEAD"],
      cwd: import.meta.dirname!,
    }).output();
    if (success) return new TextDecoder().decode(stdout).trim();
  } catch {
    // No git on this machine; the figures say so.
  }
  return "unknown";
}

/** The provenance of figures taken here. */
export async function provenance(adapter: string, command: string): Promise<Provenance> {
  return {
    date: new Date().toISOString(),
    commit: await commitName(),
    machine: `${cpus()[0]?.model ?? "unknown"} x${cpus().length}`,
    adapter,
    runtime: `deno ${Deno.version.deno}`,
    command,
  };
}
