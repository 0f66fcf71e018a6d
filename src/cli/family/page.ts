/** The family's table as text: what is generated in `docs/family.md`. */
import type { FamilyMember } from "./member.ts";
import { formatCounts, type GoldenCounts } from "./golden_counts.ts";
import type { Found, PlannedWays } from "./probe.ts";

/** A member and what was found out. */
export interface FamilyRow {
  readonly member: FamilyMember;
  readonly found: Found;
}

/** What is generated stands between these lines; people write the rest of the page. */
const [BEGIN, END] = ["<!-- generated: begin -->", "<!-- generated: end -->"];

/** `all samples` is said of a smoother, which has nothing to step. */
const yes = (is: boolean | null) => is === null ? "all samples" : is ? "yes" : "**no**";

function gradientCell({ reached, missed }: Found["gradient"]): string {
  if (reached.length === 0) return yes(false);
  return missed.length === 0
    ? `all ${reached.length}`
    : `${reached.length}, not ${missed.join(", ")}`;
}

function webgpuCell({ forward, gradient, everywhere, buffers }: PlannedWays): string {
  if (!forward) return yes(false);
  const ways = gradient ? "yes" : "forward only";
  return everywhere ? ways : `${ways}, ${buffers} buffers`;
}

/** `52 of 52`, `46 of 46`: what passed on the twins and, where there are shaders, on the GPU. */
function goldensCell({ goldens }: FamilyMember, { counts }: GoldenCounts): string {
  if (goldens === undefined) return "as above";
  const own = counts.filter(({ group, kind }) => goldens(group, kind));
  if (own.length === 0) return "none";
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const twins = `${sum(own.map(({ twin }) => twin))} of ${sum(own.map(({ cases }) => cases))}`;
  const onGpu = own.filter(({ shader }) => shader !== null);
  if (onGpu.length === 0) return twins;
  const passed = sum(onGpu.map(({ shader }) => shader!));
  return `${twins}; GPU ${passed} of ${sum(onGpu.map(({ cases }) => cases))}`;
}

function cellsOf({ member, found }: FamilyRow, goldens: GoldenCounts): string[] {
  const { ops, simd, simdBack } = found;
  return [
    member.name.replaceAll("_", " "),
    yes(found.parallel),
    yes(found.recurrent),
    yes(found.carried),
    gradientCell(found.gradient),
    found.cpu.join(", "),
    simd.length === 0 ? "none" : `${simd.length} of ${ops.length} ops, ${simdBack.length} back`,
    webgpuCell(found.webgpu),
    goldensCell(member, goldens),
    String(found.stateBytes),
    String(Math.round(found.workPerSample)),
    member.papers.map(({ arxiv }) => `[${arxiv}](https://arxiv.org/abs/${arxiv})`).join(", "),
  ];
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** What is generated, without the marking lines. */
export function formatFamily(rows: readonly FamilyRow[], goldens: GoldenCounts): string {
  const head = [
    ...["member", "parallel", "recurrent", "carried state", "gradient", "CPU", "SIMD", "WebGPU"],
    ...["goldens passed", "state bytes", "operations a sample", "papers"],
  ];
  const made = rows.map(({ member, found }) => [
    member.name.replaceAll("_", " "),
    Object.entries(member.config).map(([name, value]) => `${name} ${value}`).join(", "),
    found.ops.map((op) => found.simd.includes(op) ? `**${op}**` : op).join(", "),
  ]);
  const titles = new Map(
    rows.flatMap(({ member }) => member.papers).map(({ title, arxiv }) => [arxiv, title]),
  );
  return [
    tableOf(head, rows.map((row) => cellsOf(row, goldens))),
    "",
    "## What each row ran",
    "",
    "Ops in bold computed as SIMD kernels.",
    "",
    tableOf(["member", "configuration", "ops of the parallel form"], made),
    "",
    "## Golden cases",
    "",
    formatCounts(goldens),
    "",
    "## Papers",
    "",
    ...[...titles].sort().map(([arxiv, title]) => `- arXiv ${arxiv}: ${title}`),
  ].join("\n");
}

/** The generated part of a page. @throws {SyntaxError} the page lacks a marking line */
export function generatedPart(page: string): string {
  const [from, to] = boundsOf(page);
  return page.slice(from, to).trim();
}

/** The page with another generated part. @throws {SyntaxError} the page lacks a marking line */
export function withGenerated(page: string, part: string): string {
  const [from, to] = boundsOf(page);
  return `${page.slice(0, from)}\n\n${part}\n\n${page.slice(to)}`;
}

function boundsOf(page: string): [from: number, to: number] {
  const from = page.indexOf(BEGIN);
  const to = page.indexOf(END);
  if (from < 0 || to < from) throw new SyntaxError(`The page lacks "${BEGIN}" or "${END}"`);
  return [from + BEGIN.length, to];
}
