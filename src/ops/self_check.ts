/**
 * What start-up and `doctor` run on the device at hand: every op's short cases on the GPU and as
 * SIMD kernels against the twin in f64, and the measurement from which on the GPU is worth its
 * trip.
 */
import type { Clock } from "../base/clock.ts";
import { seedRandom } from "../base/random.ts";
import type { CpuDevice, GpuDevice } from "../device/device.ts";
import {
  type Crossover,
  type CrossoverTable,
  measureCrossover,
  type TimedRun,
} from "../device/crossover.ts";
import { openCpu } from "../device/cpu.ts";
import type { Hardware } from "../device/hardware.ts";
import { openScope } from "../device/scope.ts";
import { asDtype, type FloatArray, type Tensor } from "../tensor/tensor.ts";
import { OPS } from "./mod.ts";
import type { AnyOp, OpCase } from "./op.ts";
import { runOp } from "./run.ts";

/** One op's claim on one case, held against its twin. */
export interface OpCheck {
  readonly op: string;
  readonly case: string;
  readonly output: string;
  /** max|x − ref| / max|ref| over the output. */
  readonly error: number;
  readonly tolerance: number;
  readonly passed: boolean;
  /** Why it could not be run, where it could not. */
  readonly problem?: string;
}

/** Differences below this pass whatever the tolerance: GPUs may flush denormals to zero. */
export const DENORMAL_FLOOR = 1.2e-38;

/**
 * Largest difference over the largest reference value. NaN in one and not in the other counts as
 * infinite.
 */
export function relativeError(actual: FloatArray, expected: FloatArray): number {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const step = Math.abs(actual[i]! - expected[i]!);
    if (Number.isNaN(step)) return Infinity;
    difference = Math.max(difference, step);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  if (difference <= DENORMAL_FLOOR) return 0;
  return difference / largest;
}

/** The inputs of a case in one element type. */
export function caseInputs(
  testCase: OpCase<any, any, any>,
  dtype: "f32" | "f64",
): Record<string, Tensor> {
  const made = testCase.inputs(seedRandom(CASE_SEED)) as Record<string, Tensor | undefined>;
  const inputs: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(made)) {
    if (tensor !== undefined) inputs[name] = asDtype(tensor, dtype);
  }
  return inputs;
}

const CASE_SEED = 20220624;

/** Compares an op on two devices on one case: `device` in f32, the twin on `reference` in f64. */
export async function checkCase(
  device: CpuDevice | GpuDevice,
  reference: CpuDevice,
  op: AnyOp,
  testCase: OpCase<any, any, any>,
): Promise<OpCheck[]> {
  const scope = openScope(device);
  const common = { op: op.name, case: testCase.name, tolerance: op.tolerance };
  try {
    const expected = runOp(reference, op, caseInputs(testCase, "f64"), testCase.params);
    const actual = runOp(scope, op, caseInputs(testCase, "f32"), testCase.params);
    const checks: OpCheck[] = [];
    for (const output of op.outputs) {
      const [x, ref] = await Promise.all([
        scope.read(actual[output]!),
        reference.read(expected[output]!),
      ]);
      const error = relativeError(x.data, ref.data);
      checks.push({ ...common, output, error, passed: error <= op.tolerance });
    }
    return checks;
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return [{ ...common, output: "", error: Infinity, passed: false, problem }];
  } finally {
    scope.release();
  }
}

/** Checks every op's short cases (or all of them) on a device against the f64 twin. */
export function selfCheck(
  device: CpuDevice | GpuDevice,
  reference: CpuDevice,
  all = false,
): Promise<OpCheck[]> {
  return checkOps(OPS, device, reference, all);
}

/**
 * The same for the ops that have SIMD kernels, whatever the size of the case.
 *
 * @returns the checks, and why there are none where the kernels cannot run on this machine
 */
export async function simdCheck(
  reference: CpuDevice,
  all = false,
): Promise<{ checks: OpCheck[]; unavailable: string | undefined }> {
  const device = openCpu({ simd: { workMin: 0 } });
  const unavailable = device.simd?.unavailable;
  if (unavailable !== undefined) return { checks: [], unavailable };
  const ops = OPS.filter((op) => op.simd !== undefined);
  return { checks: await checkOps(ops, device, reference, all), unavailable };
}

async function checkOps(
  ops: readonly AnyOp[],
  device: CpuDevice | GpuDevice,
  reference: CpuDevice,
  all: boolean,
): Promise<OpCheck[]> {
  const checks: OpCheck[] = [];
  for (const op of ops) {
    for (const testCase of op.cases) {
      if (all || testCase.quick) checks.push(...await checkCase(device, reference, op, testCase));
    }
  }
  return checks;
}

/** Two sizes that bracket where devices differ, in units of each op's own work. */
const CROSSOVER_WORK_SMALL = 1 << 14;
const CROSSOVER_WORK_LARGE = 1 << 19;

function timedRun(cpu: CpuDevice, gpu: GpuDevice, op: AnyOp, work: number): TimedRun {
  const sized = op.sized(work);
  const inputs = caseInputs(sized, "f32");
  const shapes = Object.fromEntries(Object.entries(inputs).map(([k, v]) => [k, v.shape]));
  const runOn = async (device: CpuDevice | GpuDevice) => {
    const scope = openScope(device);
    const outputs = runOp(scope, op, inputs, sized.params);
    // To the host and back: what a caller on the host pays.
    await Promise.all(op.outputs.map((name) => scope.read(outputs[name]!)));
    scope.release();
  };
  return {
    work: op.work(shapes, sized.params),
    cpu: () => runOn(cpu),
    gpu: () => runOn(gpu),
  };
}

/**
 * Measures from which amount of work on the GPU is faster than the twin, upload and readback
 * included. Ops that failed their check are left out and so stay on the CPU.
 */
export async function measureCrossovers(
  cpu: CpuDevice,
  gpu: GpuDevice,
  clock: Clock,
  checks: readonly OpCheck[],
): Promise<CrossoverTable> {
  const broken = new Set(checks.filter((check) => !check.passed).map((check) => check.op));
  const table: Record<string, Crossover> = {};
  for (const op of OPS) {
    if (broken.has(op.name)) continue;
    const small = timedRun(cpu, gpu, op, CROSSOVER_WORK_SMALL);
    const large = timedRun(cpu, gpu, op, CROSSOVER_WORK_LARGE);
    table[op.name] = await measureCrossover(clock, small, large);
  }
  return table;
}

/**
 * Start-up: lets the GPU serve only what it does right here. Checks every op's short list; where
 * all is well measures the crossovers and hands them to the hardware. A software adapter never
 * serves, so it is neither checked nor measured.
 *
 * @param log  told what failed and what serves
 * @returns    the checks, empty without a serving GPU
 */
export async function admitGpu(
  hardware: Hardware,
  clock: Clock,
  log: (message: string) => void,
): Promise<readonly OpCheck[]> {
  const { cpu, gpu } = hardware;
  if (gpu === undefined || gpu.info.software) {
    log(`Ops run on the CPU: ${hardware.gpuUnavailable ?? "the adapter is software"}`);
    return [];
  }
  const checks = await selfCheck(gpu, cpu);
  for (const check of checks) {
    if (check.passed) continue;
    const why = check.problem ?? `${check.output} is off by ${check.error}`;
    log(`Op ${check.op} stays on the CPU: case "${check.case}", ${why}`);
  }
  hardware.setCrossovers(await measureCrossovers(cpu, gpu, clock, checks));
  log(`Ops may run on ${gpu.info.description || gpu.info.device}`);
  return checks;
}
