/**
 * From which size on is a GPU worth its trip? Ops of growing size, from host memory to host memory:
 * upload, run and readback on the GPU, the SIMD kernels with all threads on the CPU.
 *
 *   deno run -A bench/crossover_bench.ts [--op NAME]... [--json]
 *
 * Times are the least of some runs after one that compiles, since noise only adds. A device that
 * took longer than a second at one size is not asked for the larger ones, and inputs end at 32 MB.
 */
import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { ARGS, oneOf, runBench } from "./args.ts";
import { systemClock } from "../src/base/clock.ts";
import { openProgress } from "../src/cli/progress.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import {
  type Device,
  openCpu,
  openScope,
  openWebGpu,
  SIMD_THREADS_MAX,
} from "../src/device/mod.ts";
import { OPS, runOp } from "../src/ops/mod.ts";
import type { AnyOp } from "../src/ops/op.ts";
import { caseInputs } from "../src/ops/self_check.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { tensorBytes } from "./costs.ts";
import { opNamed } from "./scenario.ts";

/** One that computes much a byte, one that scans, one that only moves. */
const DEFAULT_OPS = ["matmul", "selective_scan", "rms_norm"];
const WORK_POWERS = [10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];
/** Inputs of this size end an op's curve: larger ones take longer to draw than to run. */
const INPUT_BYTES_MAX = 1 << 25;
const REPEATS = 5;
const PATIENCE_MS = 1000;

interface Point {
  readonly op: string;
  /** In the op's own unit. */
  readonly work: number;
  readonly cpuMs: number | null;
  readonly gpuMs: number | null;
}

async function leastMs(device: Device, op: AnyOp, inputs: Record<string, Tensor>, params: unknown) {
  let least = Infinity;
  for (let i = 0; i <= REPEATS; i++) {
    const start = systemClock.monotonicMs();
    const scope = openScope(device);
    const outputs = runOp(scope, op, inputs, params);
    await Promise.all(op.outputs.map((name) => scope.read(outputs[name]!)));
    scope.release();
    const ms = systemClock.monotonicMs() - start;
    if (i > 0 || ms > PATIENCE_MS) least = Math.min(least, ms);
    if (ms > PATIENCE_MS) break;
  }
  return least;
}

/** Where two curves cross, by straight lines between points of their logarithms. */
export function crossingOf(points: readonly Point[]): number | null {
  const both = points.filter(({ cpuMs, gpuMs }) => cpuMs !== null && gpuMs !== null);
  const lead = both.map(({ cpuMs, gpuMs }) => Math.log(cpuMs! / gpuMs!));
  if (lead.length > 0 && lead[0]! >= 0) return both[0]!.work;
  for (let i = 1; i < both.length; i++) {
    if (lead[i]! < 0) continue;
    const share = lead[i - 1]! / (lead[i - 1]! - lead[i]!);
    const [from, to] = [Math.log(both[i - 1]!.work), Math.log(both[i]!.work)];
    return Math.exp(from + share * (to - from));
  }
  return null;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: { op: { type: "string", multiple: true }, json: { type: "boolean" } },
  });
  const names = OPS.map(({ name }) => name);
  const ops = (values.op ?? DEFAULT_OPS).map((name) => opNamed(oneOf("op", name, names)));
  const threads = Math.min(cpus().length, SIMD_THREADS_MAX);
  const cpu = openCpu({ simd: { threads } });
  const opened = await openWebGpu({ budgetBytes: 8 * 2 ** 30 });
  const gpu = "device" in opened ? opened.device : undefined;
  const progress = await openProgress("crossover", !values.json);
  const points: Point[] = [];
  for (const op of ops) {
    const alive = { cpu: true, gpu: gpu !== undefined };
    for (const power of WORK_POWERS) {
      progress.update(points.length, ops.length * WORK_POWERS.length);
      const sized = op.sized(2 ** power);
      const inputs = caseInputs(sized, "f32");
      const timeOn = async (device: Device | undefined, key: "cpu" | "gpu") => {
        if (device === undefined || !alive[key]) return null;
        const ms = await leastMs(device, op, inputs, sized.params);
        alive[key] = ms < PATIENCE_MS;
        return ms;
      };
      const cpuMs = await timeOn(cpu, "cpu");
      const gpuMs = await timeOn(gpu, "gpu");
      points.push({ op: op.name, work: 2 ** power, cpuMs, gpuMs });
      const bytes = tensorBytes(Object.values(inputs).map(({ shape }) => shape));
      if (bytes > INPUT_BYTES_MAX) break;
    }
  }
  progress.stop();
  const crossings = ops.map(({ name }) => ({
    op: name,
    work: crossingOf(points.filter(({ op }) => op === name)),
  }));
  const adapter = gpu?.info.description || gpu?.info.device || "none";
  if (values.json) console.log(JSON.stringify({ adapter, threads, points, crossings }));
  else {
    console.log(`${adapter}; CPU with ${threads} threads`);
    console.log(formatTable(
      ["op", "work", "CPU ms", "GPU ms"],
      points.map(({ op, work, cpuMs, gpuMs }) => [
        op,
        `${work}`,
        formatNumber(cpuMs ?? NaN),
        formatNumber(gpuMs ?? NaN),
      ]),
    ));
    for (const { op, work } of crossings) {
      console.log(
        `${op}: ${work === null ? "no crossing" : `from ${work.toExponential(1)} units on`}`,
      );
    }
  }
  await cpu.close();
  await gpu?.close();
}

if (import.meta.main) await runBench(main);
