import assert from "node:assert/strict";
import { workgroupNeeds } from "../../../src/cli/family/workgroup.ts";

const TEXT = `
alias Number = vec2f;
const LARGE = 1e3;
const MASK = 0xffu;
const WIDE = 4u * TILE;
var<workgroup> rows: array<array<Number, WIDE>, TILE>;
var<workgroup> sums: array<f32, TILE + 1>;
var<workgroup> others: array<vec4f, 1000>;
fn add(i: u32) {
  sums[i] = 0.0;
}
@compute @workgroup_size(TILE, 2)
fn run() {
  rows[0][0] = Number();
  add(1u);
}
@compute @workgroup_size(64)
fn rest() {
  others[0] = vec4f();
}`;

Deno.test("workgroupNeeds() counts what an entry point reaches, aliases and constants known", () => {
  const constants = { TILE: 8, SCALE: 0.5, NAME: "x" };
  assert.deepEqual(workgroupNeeds("run", TEXT, constants), {
    bytes: 4 * (2 * 32 * 8 + 9),
    invocations: 16,
  });
  assert.deepEqual(workgroupNeeds("rest", TEXT, constants), { bytes: 16_000, invocations: 64 });
});

Deno.test("workgroupNeeds() refuses an entry point that the shader does not have", () => {
  assert.throws(() => workgroupNeeds("add", TEXT, { TILE: 8 }), /no entry point "add"/);
});
