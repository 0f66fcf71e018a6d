import assert from "node:assert/strict";
import { countGoldens, formatCounts, readCounts } from "../../../src/cli/family/golden_counts.ts";
import type { GoldensReport, GoldensRow } from "../../../src/cli/goldens.ts";

const row = (group: string, device: GoldensRow["device"], cases: Record<string, boolean>) =>
  ({
    group,
    device,
    skipped: null,
    results: Object.entries(cases).map(([name, passed]) => ({
      name,
      status: passed ? "passed" : "failed",
    })),
  }) as unknown as GoldensRow;

const report: GoldensReport = {
  folder: "some/folder",
  rows: [
    row("s4", "f64 twin", { kernel_a: true, kernel_b: true, layer_a: true }),
    row("hippo", "f64 twin", { legs_a: true }),
    row("s4", "WGSL f32", { kernel_a: true, kernel_b: false, layer_a: true }),
  ],
  faults: [],
  passed: false,
};

Deno.test("countGoldens() counts by group and kind, on both devices", () => {
  assert.deepEqual(countGoldens(report).counts, [
    { group: "s4", kind: "kernel", cases: 2, twin: 2, shader: 1 },
    { group: "s4", kind: "layer", cases: 1, twin: 1, shader: 1 },
    { group: "hippo", kind: "legs", cases: 1, twin: 1, shader: null },
  ]);
});

Deno.test("countGoldens() counts a group that was skipped on the GPU as not run there", () => {
  const skipped = report.rows.map((each) =>
    each.device === "WGSL f32" ? { ...each, skipped: "no GPU", results: [] } : each
  );
  const { counts } = countGoldens({ ...report, rows: skipped });
  assert.deepEqual(counts.map(({ shader }) => shader), [null, null, null]);
});

Deno.test("readCounts() reads what formatCounts() writes", () => {
  const counts = countGoldens(report);
  assert.deepEqual(readCounts(`# A\n\n${formatCounts(counts)}\n`), counts);
  assert.throws(() => readCounts("# A\n"), /keeps no counts/);
});
