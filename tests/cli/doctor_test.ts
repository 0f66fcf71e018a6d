import assert from "node:assert/strict";
import { doctorCommand, examine, formatReport } from "../../src/cli/doctor.ts";
import { OPS } from "../../src/ops/mod.ts";
import { gpuTest } from "../_gpu.ts";
import { run } from "./_run.ts";

// One examination for the file: it runs every op and times most of them.
const report = await examine();

Deno.test("formatReport() shows runtime, devices and every op", () => {
  const text = formatReport(report);
  assert.match(text, new RegExp(`^Runtime +Deno ${Deno.version.deno.replaceAll(".", "\\.")}`));
  assert.match(text, /^GPU {7}\S/m);
  assert.match(text, /^SIMD {6}WebAssembly kernels, \d+ threads$/m);
  for (const op of OPS) assert.match(text, new RegExp(`^${op.name} `, "m"));
  assert.match(text, /All checks passed\.$/);
});

Deno.test("doctor --json prints the report as data", async () => {
  const { code, out } = await run(doctorCommand, "--json");
  assert.equal(code, 0);
  const printed = JSON.parse(out);
  assert.equal(printed.passed, true);
  assert.equal(printed.runtime.deno, Deno.version.deno);
});

gpuTest("examine() measures the crossover of every op", () => {
  assert.equal(report.gpu.unavailable, null);
  assert.deepEqual(Object.keys(report.crossoverWork), OPS.map((op) => op.name));
  assert.ok(report.gpu.readbackMs! > 0);
  const shaders = /^Shaders {3}(subgroups of \d+|no subgroups), (no )?f16, \d+ KiB a workgroup$/m;
  assert.match(formatReport(report), shaders);
  assert.ok(report.gpuChecks.length >= OPS.length);
  assert.ok(report.backlog!.cpu.perWorkMs > 0);
  assert.match(formatReport(report), /^Backlog {3}a sample: CPU [\d.e-]+ µs, GPU [\d.e-]+ µs and/m);
  assert.ok(report.serving!.cpu.perWorkMs > 0);
  assert.match(formatReport(report), /^Serving {3}a stream: CPU [\d.e-]+ µs, GPU [\d.e-]+ µs and/m);
  // JSON has no infinity: an op for which the GPU never wins says null.
  assert.deepEqual(JSON.parse(JSON.stringify(report.crossoverWork)), report.crossoverWork);
});

Deno.test("formatReport() names the check that failed and why there is no GPU", () => {
  const failed = {
    op: "add",
    case: "same shape",
    output: "out",
    error: 1,
    tolerance: 1e-7,
    passed: false,
  };
  const text = formatReport({
    ...report,
    gpu: {
      adapter: null,
      unavailable: "No WebGPU adapter",
      serves: false,
      readbackMs: null,
      limits: null,
    },
    simd: { threads: 0, unavailable: "No SIMD on this processor" },
    gpuChecks: [failed],
    backlog: null,
    backlogSamples: null,
    serving: null,
    servingStreams: null,
    passed: false,
  });
  assert.doesNotMatch(text, /Backlog|Serving/);
  assert.match(text, /GPU +none: No WebGPU adapter/);
  assert.match(text, /SIMD +none: No SIMD on this processor/);
  assert.match(text, /FAILED add, case "same shape": out is off by 1/);
  assert.match(text, /Some checks failed\.$/);
});
