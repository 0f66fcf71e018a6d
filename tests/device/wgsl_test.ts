import assert from "node:assert/strict";
import {
  EXPANDED_CHARS_MAX,
  expandShader,
  interfaceOf,
  TEMPLATE_DEPTH_MAX,
} from "../../src/device/wgsl.ts";

function expand(text: string, constants: Record<string, number | string> = {}): string {
  return expandShader("main", constants, (name) => name === "main" ? text : `// ${name}`);
}

Deno.test("expandShader() makes constants of numbers and nothing of text", () => {
  assert.equal(expand("body", { A: 3, KIND: "x" }), "const A = 3u;\nbody");
});

Deno.test("expandShader() unrolls, nested, with values inside names", () => {
  const text = "#for i in 0..2\n#for j in i..N\nx${i}_${j * 10};\n#end\n#end";
  assert.equal(expand(text, { N: 2 }), "const N = 2u;\nx0_0;\nx0_10;\nx1_10;");
});

Deno.test("expandShader() leaves #loop to the shader where ROLLED says so", () => {
  const text = "#loop i in 1..N\n#for j in 0..2\nx[${i * N + j}] = ${N + j};\n#end\n#end";
  assert.equal(
    expand(text, { N: 3, ROLLED: 1 }),
    [
      "const N = 3u;",
      "const ROLLED = 1u;",
      "for (var i = u32(1); i < u32(3); i++) {",
      "x[(i * 3 + 0)] = 3;",
      "x[(i * 3 + 1)] = 4;",
      "}",
    ].join("\n"),
  );
  const unrolled = ["x[3] = 3;", "x[4] = 4;", "x[6] = 3;", "x[7] = 4;"].join("\n");
  assert.equal(expand(text, { N: 3 }), `const N = 3u;\n${unrolled}`);
  assert.equal(expand(text, { N: 3, ROLLED: 0 }), `const N = 3u;\nconst ROLLED = 0u;\n${unrolled}`);
  const nested = "#loop i in 0..2\n#loop j in i + 1..4\n${j}\n#end\n#end";
  assert.match(
    expand(nested, { ROLLED: 1 }),
    /for \(var j = u32\(\(i \+ 1\)\); j < u32\(4\); j\+\+\)/,
  );
  // What decides about the text must be known with it.
  for (const body of ["#for j in 0..i\n#end", "#if i > 1\n#end"]) {
    assert.throws(
      () => expand(`#loop i in 0..2\n${body}\n#end`, { ROLLED: 1 }),
      /no value for "i"/,
    );
  }
});

Deno.test("expandShader() keeps the chosen side of #if", () => {
  const text = "#if A > 1 && !(B == 2)\nyes\n#else\nno\n#end";
  assert.match(expand(text, { A: 2, B: 1 }), /yes$/);
  assert.match(expand(text, { A: 2, B: 2 }), /no$/);
  assert.match(expand("#if A\nyes\n#end\nend", { A: 0 }), /u;\nend$/);
});

Deno.test("expandShader() computes with the usual precedence, division rounded down", () => {
  assert.equal(expand("${1 + 2 * 3 - 7 / 2 % 2}"), "6");
  assert.equal(expand("${(1 + 2) * 3} ${-4 + 1} ${2 < 1 || 3 >= 3}"), "9 -3 1");
});

Deno.test("expandShader() imports a file once", () => {
  assert.equal(
    expand("#import shared/a\n#import shared/b\n#import shared/a"),
    [
      "// shared/a",
      "// shared/b",
    ].join("\n"),
  );
});

Deno.test("expandShader() moves directives to the top, each once", () => {
  const text = "#if A\nenable f16;\n#end\nbody\nenable f16;";
  assert.equal(expand(text, { A: 1 }), "enable f16;\nconst A = 1u;\nbody");
});

Deno.test("expandShader() says which line or expression is wrong", () => {
  for (
    const [text, message] of [
      ["#if A", /"#if A" has no #end/],
      ["#for i in 0..2\nx", /has no #end/],
      ["#end", /stray #end/],
      ["#loop 3", /"#loop 3" is no directive/],
      ["${B}", /no value for "B"/],
      ["${1 +}", /is wrong at token/],
      ["${(1}", /is wrong at token/],
      ["${1 2}", /is wrong at token/],
    ] as const
  ) {
    assert.throws(() => expand(text), { name: "SyntaxError", message });
  }
});

Deno.test("expandShader() refuses templates that are too deep or too long", () => {
  const deep = TEMPLATE_DEPTH_MAX + 1;
  const nested = "#if 1\n".repeat(deep) + "#end\n".repeat(deep);
  assert.throws(() => expand(nested), /nests deeper/);
  const line = "x".repeat(1000);
  for (const count of [Math.ceil(EXPANDED_CHARS_MAX / 1000), 2_000_000_000]) {
    assert.throws(() => expand(`#for i in 0..${count}\n${line}\n#end`), { message: /grows past/ });
  }
});

Deno.test("interfaceOf() reads bindings and sizes", () => {
  const read = interfaceOf(`
    alias Number = vec2f;
    struct Dims { length: u32, scale: f32 }
    @group(0) @binding(0) var<storage, read> u: array<f32>;
    @group(0) @binding(7) var<storage, read_write> y: array<Number>;
  `);
  assert.deepEqual([...read.storage], [
    ["u", { binding: 0, writable: false, element: "f32" }],
    ["y", { binding: 7, writable: true, element: "vec2f" }],
  ]);
  assert.deepEqual(read.dims, [{ name: "length", float: false }, { name: "scale", float: true }]);
});
