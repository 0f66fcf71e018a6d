/** The golden vectors of the repository, on every device that is there. */
import assert from "node:assert/strict";
import { GOLDEN_GROUPS, GOLDENS_FOLDER_DEFAULT, runGoldens } from "../src/cli/goldens.ts";
import { gpuTest } from "./_gpu.ts";

const report = await runGoldens({ folder: GOLDENS_FOLDER_DEFAULT });

function checkRow(group: string, device: string): void {
  const row = report.rows.find((row) => row.group === group && row.device === device);
  assert.ok(row, `${group} has no row for ${device}`);
  const failures = row.results.filter(({ status }) => status === "failed");
  assert.deepEqual(failures.flatMap(({ messages }) => messages), []);
  // The repository's copy holds nothing that this build cannot do.
  assert.equal(row.passed, row.cases);
  assert.equal(row.skipped, null);
  assert.equal(row.gradientsUnsupported, 0);
}

for (const { group, onGpu } of GOLDEN_GROUPS) {
  Deno.test(`goldens: ${group}, f64 twin`, () => checkRow(group, "f64 twin"));
  if (onGpu) Deno.test(`goldens: ${group}, SIMD f32`, () => checkRow(group, "SIMD f32"));
  if (onGpu) gpuTest(`goldens: ${group}, WGSL f32`, () => checkRow(group, "WGSL f32"));
}

Deno.test("goldens: no file of the folder is damaged", () => assert.deepEqual(report.faults, []));
