/**
 * No line of a shader is out of the laws' reach: every side of every `#if`, and every entry point,
 * is launched by a case of some op, on a device with what this machine's GPU may have (subgroups,
 * f16, room) or on one with WebGPU's default limits. The laws run those cases on those devices.
 */
import assert from "node:assert/strict";
import { DESKTOP_LIMITS, openPlanner, WEBGPU_LIMITS } from "../../src/cli/family/planner.ts";
import type { GpuDevice, GpuLimits, Launch } from "../../src/device/device.ts";
import { shaderFile } from "../../src/device/pipelines.ts";
import { expandShader } from "../../src/device/wgsl.ts";
import { gradientsOn } from "../../src/ops/difference_check.ts";
import { packHalf, unpackHalf } from "../../src/ops/_helpers/half_storage.ts";
import { OPS, runOp } from "../../src/ops/mod.ts";
import { caseInputs } from "../../src/ops/self_check.ts";
import { list } from "../_source.ts";

/** Devices that the laws run on: software Vulkan as it is, and held to WebGPU's limits. */
const DEVICES: readonly GpuLimits[] = [
  { ...DESKTOP_LIMITS, subgroupSize: 8, f16: true },
  WEBGPU_LIMITS,
];

/** Shaders of no op: the device's own probe, and what the bench times. */
const APART = /^(bench\/|shared\/subgroup_probe)/;

/** A shader's text with a mark in each side of its conditions; `seen` gets the names of all. */
function marked(name: string, seen: Set<string>): string {
  const sides: string[] = [];
  // Of a loop there is one side only.
  const open: { at: string; isElse: boolean }[] = [];
  const mark = (side: string) => {
    seen.add(side);
    sides.push(`//@ ${side}`);
  };
  shaderFile(name).split("\n").forEach((line, i) => {
    const directive = line.trim();
    const block = open.at(-1);
    if (directive === "#end" && block?.isElse === false) {
      sides.push("#else");
      mark(`${block.at} not kept`);
    }
    sides.push(line);
    if (directive.startsWith("#if ")) {
      open.push({ at: `${name}.wgsl:${i + 1} ${directive}`, isElse: false });
      mark(`${open.at(-1)!.at} kept`);
    } else if (/^#(for|loop) /.test(directive)) open.push({ at: "", isElse: true });
    else if (directive === "#else") {
      block!.isElse = true;
      mark(`${block!.at} not kept`);
    } else if (directive === "#end") open.pop();
  });
  return sides.join("\n");
}

/** Launches of all cases of all ops, gradients too, one of each program. */
async function programs(): Promise<Launch[]> {
  const known = new Map<string, Launch>();
  for (const limits of DEVICES) {
    const { device } = openPlanner(limits);
    const listening: GpuDevice = {
      ...device,
      dispatch(launches) {
        for (const launch of launches) {
          const { shader, entry, constants } = launch;
          known.set(JSON.stringify([shader, entry, constants]), launch);
        }
      },
    };
    for (const op of OPS) {
      for (const testCase of op.cases) {
        if (op.backward) await gradientsOn(listening, op, testCase, "f32");
        else runOp(listening, op, caseInputs(testCase, "f32"), testCase.params);
      }
    }
    // The two ways of a tape's storage; the op `half` only rounds.
    unpackHalf(listening, packHalf(listening, listening.alloc([64], "f32")), [64]);
  }
  return [...known.values()];
}

const launched = await programs();
const names = list("shaders/**/*.wgsl")
  .map((path) => path.slice("shaders/".length, -".wgsl".length))
  .filter((name) => !APART.test(name));

Deno.test("every entry point of a shader is launched by a case", () => {
  const entries = new Set(launched.map(({ shader, entry }) => `${shader} ${entry}`));
  const missing: string[] = [];
  for (const name of names) {
    // An entry of a shared file is one of every shader that imports it.
    if (name.startsWith("shared/") && !launched.some(({ shader }) => shader === name)) continue;
    const text = shaderFile(name);
    for (const [, entry] of text.matchAll(/@compute[^{]*?\bfn (\w+)\(/g)) {
      if (!entries.has(`${name} ${entry}`)) missing.push(`${name} ${entry}`);
    }
  }
  assert.deepEqual(missing, []);
});

Deno.test("every side of every condition of a shader is launched by a case", () => {
  const sides = new Set<string>();
  const reached = new Set<string>();
  const texts = new Map(names.map((name) => [name, marked(name, sides)]));
  const source = (name: string) => texts.get(name) ?? shaderFile(name);
  for (const { shader, constants } of launched) {
    for (const [, side] of expandShader(shader, constants, source).matchAll(/^\/\/@ (.*)$/gm)) {
      reached.add(side!);
    }
  }
  assert.ok(sides.size > 100, `${sides.size} sides`);
  assert.deepEqual([...sides].filter((side) => !reached.has(side)), []);
});
