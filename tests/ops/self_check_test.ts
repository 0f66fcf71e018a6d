import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { openCpu } from "../../src/device/cpu.ts";
import { Hardware } from "../../src/device/hardware.ts";
import { add } from "../../src/ops/add.ts";
import { OPS } from "../../src/ops/mod.ts";
import type { AnyOp } from "../../src/ops/op.ts";
import {
  admitGpu,
  caseInputs,
  checkCase,
  measureCrossovers,
  relativeError,
  selfCheck,
  simdCheck,
} from "../../src/ops/self_check.ts";
import { gpuTest } from "../_gpu.ts";

const cpu = openCpu();

Deno.test("selfCheck() runs the short list of every op", async () => {
  const checks = await selfCheck(cpu, cpu);
  assert.deepEqual([...new Set(checks.map((check) => check.op))], OPS.map((op) => op.name));
  assert.deepEqual(checks.filter((check) => !check.passed), []);
});

Deno.test("simdCheck() runs every op that has kernels", async () => {
  const { checks, unavailable } = await simdCheck(openCpu({ simd: false }));
  assert.equal(unavailable, undefined);
  const withKernels = OPS.filter((op) => op.simd !== undefined).map((op) => op.name);
  assert.deepEqual([...new Set(checks.map((check) => check.op))], withKernels);
  assert.deepEqual(checks.filter((check) => !check.passed), []);
});

Deno.test("checkCase() fails an op that is wrong, and one that throws", async () => {
  const wrong: AnyOp = {
    ...add,
    cpu: (inputs, outputs) =>
      outputs.out!.set(inputs.a!.map((v) => inputs.a instanceof Float32Array ? v + 1e-3 : v)),
  };
  const [check] = await checkCase(cpu, cpu, wrong, add.cases[0]!);
  assert.equal(check!.passed, false);
  const broken: AnyOp = {
    ...add,
    cpu: () => {
      throw new Error("no such device");
    },
  };
  const [failed] = await checkCase(cpu, cpu, broken, add.cases[0]!);
  assert.equal(failed!.passed, false);
  assert.equal(failed!.problem, "no such device");
});

Deno.test("relativeError() is infinite where one side is NaN, and 0 below denormals", () => {
  assert.equal(relativeError(new Float64Array([NaN]), new Float64Array([1])), Infinity);
  assert.equal(relativeError(new Float64Array([0]), new Float64Array([1e-40])), 0);
  assert.equal(relativeError(new Float64Array([1, 3]), new Float64Array([1, 4])), 0.25);
});

Deno.test("caseInputs() gives the same f32 values in both dtypes", () => {
  const single = caseInputs(add.cases[0]!, "f32");
  const double = caseInputs(add.cases[0]!, "f64");
  assert.deepEqual([...single.a!.data], [...double.a!.data]);
});

gpuTest("measureCrossovers() leaves out ops that failed their check", async (gpu) => {
  const checks = OPS.filter((op) => op.name !== "add").map((op) => ({
    op: op.name,
    case: "",
    output: "",
    error: 1,
    tolerance: 0,
    passed: false,
  }));
  const table = await measureCrossovers(cpu, gpu, new ManualClock(), checks);
  assert.deepEqual(Object.keys(table), ["add"]);
});

Deno.test("admitGpu() leaves the ops on the CPU without a GPU or with a software one", async () => {
  const log: string[] = [];
  const say = (message: string) => void log.push(message);
  const none = new Hardware(cpu, undefined, "No WebGPU adapter", {});
  assert.deepEqual(await admitGpu(none, new ManualClock(), say), []);
  assert.match(log[0]!, /run on the CPU: No WebGPU adapter/);
});

gpuTest("admitGpu() measures what passed and says what failed", async (gpu) => {
  // The adapter at hand, called a real one.
  const real = new Proxy(gpu, {
    get(target, key) {
      if (key === "info") return { ...target.info, software: false };
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const log: string[] = [];
  const hardware = new Hardware(cpu, real, undefined, {});
  const checks = await admitGpu(hardware, new ManualClock(), (message) => log.push(message));
  assert.ok(checks.every((check) => check.passed));
  assert.deepEqual(Object.keys(hardware.crossovers), OPS.map((op) => op.name));
  assert.match(log.at(-1)!, /^Ops may run on /);
  // No time passes on a clock that stands still, so no device is ahead.
  assert.ok(Object.values(hardware.crossovers).every(({ work }) => work === 0));
});
