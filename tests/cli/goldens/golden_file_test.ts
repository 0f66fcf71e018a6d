import assert from "node:assert/strict";
import { numberOf, parseGoldenGroup, tensorOfCase } from "../../../src/cli/goldens/golden_file.ts";
import { textOf, valuesOf } from "../../../src/cli/goldens/golden_file.ts";
import { fileOf, manifestOf } from "./_files.ts";

Deno.test("parseGoldenGroup() reads cases, scalars and tensors", () => {
  const { group, cases } = parseGoldenGroup(manifestOf(), fileOf());
  assert.equal(group, "made");
  const [golden] = cases;
  assert.equal(golden!.name, "one");
  assert.deepEqual(valuesOf(golden!, "x"), Float64Array.of(1, 2));
  assert.equal(numberOf(golden!, "N"), 2);
  assert.equal(numberOf(golden!, "absent", 7), 7);
  assert.equal(textOf(golden!, "kind"), "double");
  assert.deepEqual(golden!.atol, { f64: 1e-13, f32: 1e-7 });
});

Deno.test("parseGoldenGroup() interleaves complex tensors", () => {
  const y = { role: "output", shape: [2], complex: true, rtol: { f64: 1e-9, f32: 1e-5 } };
  const file = fileOf({ "one/x": [1, 2], "one/y.re": [3, 4], "one/y.im": [5, 6] });
  const { cases } = parseGoldenGroup(manifestOf({ y }), file);
  assert.deepEqual(tensorOfCase(cases[0]!, "y").values, Float64Array.of(3, 5, 4, 6));
});

Deno.test("parseGoldenGroup() names what is wrong", () => {
  const file = fileOf();
  const y = { role: "output", shape: [2], complex: false, rtol: { f64: 1e-9, f32: 1e-5 } };
  const empty = JSON.stringify({ format: "goldens/1", group: "made", cases: {} });
  assert.throws(() => parseGoldenGroup("{", file), /manifest: not JSON/);
  assert.throws(() => parseGoldenGroup('{"format":"goldens/9"}', file), /format is "goldens\/9"/);
  assert.throws(() => parseGoldenGroup(empty, file), /made: no cases/);
  assert.throws(() => parseGoldenGroup(manifestOf(), file.subarray(0, 40)), /Header|not JSON/);
  const broken: [string, Uint8Array, RegExp][] = [
    [manifestOf({ z: y }), file, /"one\/z" is missing from the file/],
    [manifestOf({ y: { ...y, shape: [3] } }), file, /shape is \[3\], the file has \[2\]/],
    [manifestOf({ y: { ...y, role: "hope" } }), file, /role is "hope"/],
    [manifestOf({ y: { ...y, rtol: null } }), file, /no rtol/],
    [manifestOf({ y: { ...y, rtol: { f64: -1, f32: 1 } } }), file, /rtol is/],
    [manifestOf(), fileOf({ "one/x": [1, 2], "one/y": [NaN, 4] }), /not finite/],
  ];
  for (const [manifest, bytes, message] of broken) {
    const { cases, faultyCases } = parseGoldenGroup(manifest, bytes);
    assert.equal(cases.length, 0);
    assert.equal(faultyCases[0]!.name, "one");
    assert.match(faultyCases[0]!.fault, message);
  }
  const extra = fileOf({ "one/x": [1, 2], "one/y": [2, 4], "b/q": [1] });
  const { cases, faults } = parseGoldenGroup(manifestOf(), extra);
  assert.equal(cases.length, 1);
  assert.match(faults.join(), /"b\/q" is in the file/);
});

Deno.test("parseGoldenGroup() keeps the cases beside a damaged one", () => {
  const manifest = JSON.parse(manifestOf());
  manifest.cases.two = { ...manifest.cases.one, atol: undefined };
  const file = fileOf({ "one/x": [1, 2], "one/y": [2, 4], "two/x": [1, 2], "two/y": [2, 4] });
  const { cases, faultyCases, faults } = parseGoldenGroup(JSON.stringify(manifest), file);
  assert.deepEqual(cases.map(({ name }) => name), ["one"]);
  assert.deepEqual(faultyCases, [{ name: "two", fault: "two: no atol" }]);
  assert.deepEqual(faults, []);
});

Deno.test("a NaN is allowed only in an input whose note says so", () => {
  const x = { role: "input", shape: [2], complex: false };
  const file = fileOf({ "one/x": [NaN, 2], "one/y": [2, 4] });
  assert.match(parseGoldenGroup(manifestOf({ x }), file).faultyCases[0]!.fault, /not finite/);
  const noted = { ...x, note: "may contain NaN (missing)" };
  assert.equal(parseGoldenGroup(manifestOf({ x: noted }), file).cases.length, 1);
  // The masks of a softmax are infinite.
  const masked = fileOf({ "one/x": [-Infinity, 2], "one/y": [2, 4] });
  assert.equal(parseGoldenGroup(manifestOf({ x }), masked).cases.length, 1);
});

Deno.test("valuesOf(), numberOf() and textOf() say what a case lacks", () => {
  const [golden] = parseGoldenGroup(manifestOf(), fileOf()).cases;
  assert.throws(() => valuesOf(golden!, "w"), /one: needs tensor "w"/);
  assert.throws(() => numberOf(golden!, "kind"), /scalar "kind" is "double"/);
  assert.throws(() => textOf(golden!, "N"), /scalar "N" is 2/);
});
