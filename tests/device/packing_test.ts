import assert from "node:assert/strict";
import { offsetName, packShader } from "../../src/device/packing.ts";
import { interfaceOf } from "../../src/device/wgsl.ts";

const TEXT = `
struct Dims { length: u32, scale: f32 }
struct Modes { a: array<f32, 2> }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> a: array<f32>; // a[0, 1)
@group(0) @binding(2) var<storage, read> z: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> total: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;
fn f(modes: Modes, i: u32) {
  y[i] = a[u32(a[i + 1u])] * modes.a[0] * x[i >> 1u] + aa[i];
  total[
    i] += y[i];
}`;

Deno.test("packShader() moves accesses behind an offset, nested and over lines", () => {
  const text = packShader(TEXT, { a: "x", total: "y" });
  assert.ok(text.includes("x[dims.aOffset + (u32(x[dims.aOffset + (i + 1u)]))]"), text);
  assert.ok(text.includes("modes.a[0] * x[i >> 1u] + aa[i]"), text);
  assert.match(text, /y\[dims\.totalOffset \+ \(\s+i\)\] \+= y\[i\]/);
  const { storage, dims } = interfaceOf(text);
  assert.deepEqual([...storage.keys()], ["x", "z", "y"]);
  assert.deepEqual(dims.map(({ name }) => name), ["aOffset", "totalOffset", "length", "scale"]);
  assert.equal(offsetName("total"), "totalOffset");
});

Deno.test("packShader() leaves a text without packed variables as it is", () => {
  assert.equal(packShader(TEXT, {}), TEXT);
});

Deno.test("packShader() refuses variables that are missing or of different kinds", () => {
  for (const packed of [{ z: "x" }, { y: "x" }, { none: "x" }, { x: "none" }]) {
    assert.throws(() => packShader(TEXT, packed), {
      name: "SyntaxError",
      message: /cannot share a buffer/,
    });
  }
  const open = TEXT.replace("aa[i]", "a[i");
  assert.throws(() => packShader(open, { a: "x" }), { message: /leaves a bracket open/ });
});
