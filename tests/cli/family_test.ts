import assert from "node:assert/strict";
import { FAMILY_PAGE, familyCommand, familyRows } from "../../src/cli/family.ts";
import { readCounts } from "../../src/cli/family/golden_counts.ts";
import { familyMembers } from "../../src/cli/family/member.ts";
import { formatFamily, generatedPart } from "../../src/cli/family/page.ts";
import { GOLDEN_GROUPS } from "../../src/cli/goldens.ts";
import { run } from "./_run.ts";

const page = Deno.readTextFileSync(FAMILY_PAGE);
const rows = await familyRows(familyMembers());

Deno.test("docs/family.md says what the members do", () => {
  const found = formatFamily(rows, readCounts(page));
  assert.equal(generatedPart(page), found, "deno task family -- --write makes it anew");
});

Deno.test("no member of the family throws on its way", () => {
  assert.deepEqual(rows.flatMap(({ found }) => found.faults), []);
});

Deno.test("every member has both forms, carries its state and passes all gradients", () => {
  for (const { member, found } of rows) {
    const due = member.needsAll === true ? null : true;
    assert.deepEqual([found.parallel, found.recurrent, found.carried], [true, due, due]);
    assert.deepEqual(found.gradient.missed, [], member.name);
    assert.deepEqual(found.cpu, ["f64", "f32"], member.name);
    assert.ok(found.webgpu.forward && found.webgpu.gradient, member.name);
  }
});

Deno.test("the page counts the golden cases of every group", () => {
  const counted = new Set(readCounts(page).counts.map(({ group }) => group));
  assert.deepEqual([...counted].sort(), GOLDEN_GROUPS.map(({ group }) => group).sort());
});

Deno.test("driftline family refuses to write and to check at once", async () => {
  const { code, error } = await run(familyCommand, "--write", "--check");
  assert.equal(code, 2);
  assert.match(error, /--check and --write exclude each other/);
});

Deno.test("driftline family counts golden cases anew, and fails where their folder is none", async () => {
  const { code, out } = await run(familyCommand, "--json", "--goldens", "/nowhere/at/all");
  assert.equal(code, 1);
  const { rows: found, faults } = JSON.parse(out);
  assert.equal(found.length, rows.length);
  assert.match(faults.at(-1), /Folder "\/nowhere\/at\/all"/);
});
