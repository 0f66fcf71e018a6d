/** The family's table: every member, found out by running it. */
import { openWebGpu } from "../device/webgpu.ts";
import { type Command, type CommandOutput, EXIT_FAILED, EXIT_OK, UsageError } from "./command.ts";
import { countGoldens, type GoldenCounts, readCounts } from "./family/golden_counts.ts";
import { type FamilyMember, familyMembers } from "./family/member.ts";
import { gpuErrors } from "./family/on_gpu.ts";
import { type FamilyRow, formatFamily, generatedPart, withGenerated } from "./family/page.ts";
import { findOut } from "./family/probe.ts";
import { runGoldens } from "./goldens.ts";
import { openProgress } from "./progress.ts";

/** Where the table stands. */
export const FAMILY_PAGE = `${import.meta.dirname}/../../docs/family.md`;

/** Finds out every row; `onRow` hears how many are done. */
export async function familyRows(
  members: readonly FamilyMember[],
  onRow: (done: number) => void = () => {},
): Promise<FamilyRow[]> {
  const rows: FamilyRow[] = [];
  for (const member of members) {
    rows.push({ member, found: await findOut(member) });
    onRow(rows.length);
  }
  return rows;
}

/** Runs the members on this machine's GPU; what is off, as text. Without a GPU says so. */
async function gpuFaults(members: readonly FamilyMember[], output: CommandOutput) {
  const opened = await openWebGpu();
  if ("unavailable" in opened) {
    output.note(`No GPU (${opened.unavailable}): WebGPU is told from the launch plans only.`);
    return [];
  }
  const faults: string[] = [];
  try {
    for (const member of members) {
      const { forward, gradient, passed } = await gpuErrors(opened.device, member);
      if (passed) continue;
      faults.push(`${member.name} on the GPU: y is off by ${forward}, gradients by ${gradient}`);
    }
  } finally {
    await opened.device.close();
  }
  output.note(`${members.length} members ran on ${opened.device.info.description}.`);
  return faults;
}

/** Counts the golden cases of a folder; what fails there is a fault here. */
async function count(folder: string, faults: string[]): Promise<GoldenCounts> {
  const report = await runGoldens({ folder });
  faults.push(...report.faults);
  for (const { group, device, failed } of report.rows) {
    if (failed > 0) faults.push(`${failed} golden cases of ${group} fail, ${device}`);
  }
  return countGoldens(report);
}

/** `driftline family`. */
export const familyCommand: Command = {
  name: "family",
  summary: "Find out what each member of the family can do",
  usage: "[--check | --write] [--goldens FOLDER]",
  description: [
    "Runs every member of the hub at its default configuration: both forms, from a carried",
    "state, through a tape, as SIMD kernels, as launch plans, and on the GPU where there is one.",
    "Prints the table; --write puts it into docs/family.md, --check compares it with that file.",
    "The golden cases are those counted last, unless --goldens names a folder to count. Exit code",
    "1: the file differs, a member threw, a golden case fails, or the GPU is off.",
  ].join("\n"),
  options: {
    check: { type: "boolean", help: "Fail where docs/family.md says otherwise" },
    write: { type: "boolean", help: "Write docs/family.md" },
    goldens: { type: "string", value: "FOLDER", help: "Count the golden cases of a folder anew" },
  },
  async run(input, output) {
    if (input.isSet("check") && input.isSet("write")) {
      throw new UsageError("--check and --write exclude each other");
    }
    const page = await Deno.readTextFile(FAMILY_PAGE);
    const members = familyMembers();
    const progress = await openProgress("family", output.isProgressShown);
    const rows = await familyRows(members, (done) => progress.update(done, members.length));
    progress.stop();
    const faults = rows.flatMap(({ found }) => found.faults);
    faults.push(...await gpuFaults(members, output));
    const folder = input.text("goldens");
    const goldens = folder === undefined ? readCounts(page) : await count(folder, faults);
    const part = formatFamily(rows, goldens);
    if (input.isSet("write")) await Deno.writeTextFile(FAMILY_PAGE, withGenerated(page, part));
    if (input.isSet("check") && generatedPart(page) !== part) {
      faults.push("docs/family.md differs from what was found: deno task family -- --write");
    }
    if (input.isSet("json")) {
      const plain = rows.map(({ member: { name, config, papers }, found }) => (
        { name, config, papers, ...found }
      ));
      output.print(JSON.stringify({ rows: plain, goldens, faults }));
    } else {
      output.print(part);
      for (const fault of faults) output.print(`FAILED: ${fault}`);
    }
    return faults.length === 0 ? EXIT_OK : EXIT_FAILED;
  },
};
