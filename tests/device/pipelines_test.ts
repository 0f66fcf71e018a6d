import assert from "node:assert/strict";
import { list } from "../_source.ts";
import { PIPELINES_MAX, shaderFile } from "../../src/device/pipelines.ts";
import { expandShader } from "../../src/device/wgsl.ts";
import { OPS } from "../../src/ops/mod.ts";
import { caseInputs } from "../../src/ops/self_check.ts";

const LIMITS = {
  workgroupBytesMax: 16384,
  invocationsMax: 256,
  storageBuffersMax: 16,
  bindingBytesMax: 1 << 27,
  workgroupsPerAxisMax: 65535,
};

/** The text of an entry point and of all functions that it calls, directly or not. */
function reachedFrom(entry: string, text: string): string {
  const bodies = new Map(
    [...text.matchAll(/^fn (\w+)\([^]*?^}/gm)].map(([body, name]) => [name!, body]),
  );
  const reached = new Set([entry]);
  for (const name of reached) {
    for (const [word] of bodies.get(name)!.matchAll(/\w+/g)) {
      if (bodies.has(word)) reached.add(word);
    }
  }
  return [...reached].map((name) => bodies.get(name)).join("\n");
}

/** Bytes of the `var<workgroup>` arrays of f32, vec2f, vec4f and u32 that an entry point uses. */
function workgroupBytes(
  entry: string,
  text: string,
  constants: Record<string, number>,
): number {
  const reached = reachedFrom(entry, text);
  const words: Record<string, number> = { f32: 1, u32: 1, vec2f: 2, vec4f: 4 };
  const alias = /alias Number = (\w+);/.exec(text)?.[1];
  const named: Record<string, number> = { ...constants };
  // The template's own arithmetic knows what sizes are written in.
  const valueOf = (expression: string) => {
    const known = Object.fromEntries(Object.entries(named).filter(([, x]) => Number.isInteger(x)));
    const text = `value \${${expression.replaceAll(/(\d)u/g, "$1")}}`;
    return Number(expandShader("expression", known, () => text).split("value ")[1]);
  };
  for (const [, name, value] of text.matchAll(/const (\w+) = ([\w *+()]+);/g)) {
    if (/^[A-Z_]+$/.test(name!)) named[name!] = valueOf(value!);
  }
  let bytes = 0;
  for (const [, variable, type] of text.matchAll(/var<workgroup> (\w+): ([^;]+);/g)) {
    if (!new RegExp(`\\b${variable}\\b`).test(reached)) continue;
    const element = type!.match(/array<(?:array<)*(\w+)/)![1]!;
    const sizes = [...type!.matchAll(/, ([\w *+()]+)>/g)].map(([, size]) => valueOf(size!));
    const width = words[element === "Number" ? alias! : element];
    assert.ok(width && sizes.length > 0 && sizes.every((n) => n > 0), type);
    bytes += 4 * width * sizes.reduce((a, b) => a * b, 1);
  }
  return bytes;
}

Deno.test("every launch stays within 16 KiB of workgroup memory and WebGPU's default limits", () => {
  for (const op of OPS) {
    for (const testCase of op.cases) {
      const shapes = Object.fromEntries(
        Object.entries(caseInputs(testCase, "f32")).map(([name, x]) => [name, x.shape]),
      );
      const plans = [op, op.backward].map((way) => way?.launch(shapes, testCase.params, LIMITS));
      for (const pass of plans.flatMap((plan) => plan?.passes ?? [])) {
        const text = expandShader(pass.shader ?? op.name, pass.constants, shaderFile);
        const bytes = workgroupBytes(pass.entry, text, pass.constants as Record<string, number>);
        assert.ok(bytes <= LIMITS.workgroupBytesMax, `${op.name} ${testCase.name}: ${bytes} bytes`);
        assert.ok(pass.workgroups.every((n) => n <= LIMITS.workgroupsPerAxisMax));
      }
    }
  }
});

Deno.test("shaderFile() reads every shader, and a missing one is an error", () => {
  for (const path of list("shaders/**/*.wgsl")) {
    assert.ok(shaderFile(path.slice("shaders/".length, -".wgsl".length)).length > 0);
  }
  assert.throws(() => shaderFile("none"), Deno.errors.NotFound);
  assert.ok(PIPELINES_MAX >= 256);
});
