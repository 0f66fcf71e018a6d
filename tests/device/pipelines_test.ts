import assert from "node:assert/strict";
import { list } from "../_source.ts";
import { openPlanner, WEBGPU_LIMITS } from "../../src/cli/family/planner.ts";
import type { GpuDevice, Launch } from "../../src/device/device.ts";
import { PIPELINES_MAX, shaderFile, storageOf } from "../../src/device/pipelines.ts";
import { expandShader } from "../../src/device/wgsl.ts";
import { gradientsOn } from "../../src/ops/difference_check.ts";
import { OPS, runOp } from "../../src/ops/mod.ts";
import type { AnyOp } from "../../src/ops/op.ts";
import { caseInputs } from "../../src/ops/self_check.ts";

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

/** All launches of an op on a case, those of its backward too, as a device of few buffers has them. */
async function launchesOf(op: AnyOp, testCase: AnyOp["cases"][number]): Promise<Launch[]> {
  const issued: Launch[] = [];
  const { device } = openPlanner(WEBGPU_LIMITS);
  const listening: GpuDevice = {
    ...device,
    dispatch(launches) {
      issued.push(...launches);
      device.dispatch(launches);
    },
  };
  if (op.backward) await gradientsOn(listening, op, testCase, "f32");
  else runOp(listening, op, caseInputs(testCase, "f32"), testCase.params);
  return issued;
}

Deno.test("every launch of every op stays within WebGPU's default limits", async () => {
  for (const op of OPS) {
    for (const testCase of op.cases) {
      for (const launch of await launchesOf(op, testCase)) {
        const { shader, entry, constants, bindings } = launch;
        const place = `${op.name} ${testCase.name}, ${shader} ${entry}`;
        const text = expandShader(shader, constants, shaderFile);
        const bytes = workgroupBytes(entry, text, constants as Record<string, number>);
        assert.ok(bytes <= WEBGPU_LIMITS.workgroupBytesMax, `${place}: ${bytes} bytes`);
        const buffers = Object.keys(bindings).length;
        assert.ok(buffers <= WEBGPU_LIMITS.storageBuffersMax, `${place}: ${buffers} buffers`);
        assert.ok(launch.workgroups.every((n) => n <= WEBGPU_LIMITS.workgroupsPerAxisMax), place);
      }
    }
  }
});

Deno.test("storageOf() reads the variables of a shader with its constants", () => {
  const variables = storageOf("add", { GROUP: 64 });
  assert.deepEqual([...variables.keys()], ["a", "b", "out"]);
  assert.equal(storageOf("add", { GROUP: 64 }), variables);
});

Deno.test("shaderFile() reads every shader, and a missing one is an error", () => {
  for (const path of list("shaders/**/*.wgsl")) {
    assert.ok(shaderFile(path.slice("shaders/".length, -".wgsl".length)).length > 0);
  }
  assert.throws(() => shaderFile("none"), Deno.errors.NotFound);
  assert.ok(PIPELINES_MAX >= 256);
});
