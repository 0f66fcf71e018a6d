/** How many golden cases pass, by group and kind, as the page of the family keeps it. */
import type { GoldensReport } from "../goldens.ts";

/** The cases of one kind in a group. */
export interface GoldenCount {
  readonly group: string;
  /** First word of the cases' names. */
  readonly kind: string;
  readonly cases: number;
  /** Passed by the twins in f64. */
  readonly twin: number;
  /** Passed by the shaders in f32; null where the group has none or no GPU was there. */
  readonly shader: number | null;
}

/** Counts and where they were taken. */
export interface GoldenCounts {
  readonly folder: string;
  readonly counts: readonly GoldenCount[];
}

const kindOf = (name: string) => name.split("_")[0]!;

/** Counts a report's cases by group and kind. */
export function countGoldens(report: GoldensReport): GoldenCounts {
  const counts = report.rows.filter(({ device }) => device === "f64 twin").flatMap((row) => {
    const other = report.rows.find(({ group, device }) =>
      group === row.group && device === "WGSL f32"
    );
    const onGpu = other === undefined || other.skipped !== null ? undefined : other;
    const kinds = [...new Set(row.results.map(({ name }) => kindOf(name)))];
    return kinds.map((kind): GoldenCount => {
      const own = row.results.filter(({ name }) => kindOf(name) === kind);
      const passed = (results: typeof row.results) =>
        results.filter(({ name, status }) => kindOf(name) === kind && status === "passed").length;
      return {
        group: row.group,
        kind,
        cases: own.length,
        twin: passed(row.results),
        shader: onGpu === undefined ? null : passed(onGpu.results),
      };
    });
  });
  return { folder: report.folder, counts };
}

const FOLDER = /^Counted in `([^`]+)`/m;
const ROW = /^\| (\w+) \| (\w+) \| (\d+) \| (\d+) \| (\d+|-) \|$/gm;

/** The counts as a part of the page; {@linkcode readCounts} reads it. */
export function formatCounts({ folder, counts }: GoldenCounts): string {
  const rows = counts.map(({ group, kind, cases, twin, shader }) =>
    `| ${group} | ${kind} | ${cases} | ${twin} | ${shader ?? "-"} |`
  );
  return [
    `Counted in \`${folder}\` by \`deno task family -- --goldens FOLDER\`.`,
    "",
    "| group | kind | cases | passed, f64 twin | passed, WGSL f32 |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/** The counts that a page keeps. @throws {SyntaxError} it keeps none */
export function readCounts(page: string): GoldenCounts {
  const folder = FOLDER.exec(page)?.[1];
  if (folder === undefined) throw new SyntaxError("The page keeps no counts of golden cases");
  const counts = [...page.matchAll(ROW)].map(([, group, kind, cases, twin, shader]) => ({
    group: group!,
    kind: kind!,
    cases: Number(cases),
    twin: Number(twin),
    shader: shader === "-" ? null : Number(shader),
  }));
  return { folder, counts };
}
