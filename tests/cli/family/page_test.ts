import assert from "node:assert/strict";
import type { FamilyMember } from "../../../src/cli/family/member.ts";
import { formatFamily, generatedPart, withGenerated } from "../../../src/cli/family/page.ts";
import type { Found } from "../../../src/cli/family/probe.ts";

const member = {
  name: "a_member",
  config: { feature: 2 },
  papers: [{ title: "A Paper", arxiv: "1234.56789" }],
  goldens: (group: string) => group === "a_member",
} as unknown as FamilyMember;

const found: Found = {
  parallel: true,
  recurrent: true,
  carried: true,
  gradient: { reached: ["u", "A"], missed: [] },
  cpu: ["f64", "f32"],
  ops: ["matmul", "slice"],
  simd: ["matmul"],
  simdBack: [],
  webgpu: { forward: true, gradient: true, everywhere: true, buffers: 8 },
  stateBytes: 16,
  workPerSample: 3.4,
  faults: [],
};

const goldens = {
  folder: "some/folder",
  counts: [
    { group: "a_member", kind: "scan", cases: 3, twin: 2, shader: 3 },
    { group: "a_member", kind: "matrix", cases: 1, twin: 1, shader: null },
    { group: "other", kind: "scan", cases: 9, twin: 9, shader: null },
  ],
};

const rowOf = (part: Partial<Found>, of = member) =>
  formatFamily([{ member: of, found: { ...found, ...part } }], goldens).split("\n")[2];

Deno.test("formatFamily() writes what was found, with its counts", () => {
  assert.equal(
    rowOf({}),
    "| a member | yes | yes | yes | all 2 | f64, f32 | 1 of 2 ops, 0 back | yes | " +
      "3 of 4; GPU 3 of 3 | 16 | 3 | [1234.56789](https://arxiv.org/abs/1234.56789) |",
  );
});

Deno.test("formatFamily() writes what is absent", () => {
  const webgpu = { forward: true, gradient: false, everywhere: false, buffers: 12 };
  const gradient = { reached: ["u"], missed: ["A", "B"] };
  const row = rowOf({ carried: false, gradient, simd: [], webgpu }, {
    ...member,
    goldens: () => false,
  });
  assert.match(row!, /\| \*\*no\*\* \| 1, not A, B \| f64, f32 \| none \| forward only, 12 buf/);
  assert.match(row!, /\| none \| 16 \|/);
  assert.match(rowOf({ gradient: { reached: [], missed: ["u"] } })!, /yes \| \*\*no\*\* \| f64/);
});

Deno.test("withGenerated() replaces what generatedPart() reads, and nothing else", () => {
  const page = "# A\n\n<!-- generated: begin -->\n\nold\n\n<!-- generated: end -->\n\nb\n";
  assert.equal(generatedPart(page), "old");
  const fresh = withGenerated(page, "new $& text");
  assert.equal(generatedPart(fresh), "new $& text");
  assert.equal(withGenerated(fresh, "old"), page);
  assert.throws(() => generatedPart("# A\n"), SyntaxError);
});
