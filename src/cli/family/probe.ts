/** What a member can do, found out by doing it on an example in f64, f32, SIMD and as plans. */
import { openTape, type Seed } from "../../autodiff/tape.ts";
import { nextNormal, type RandomState, seedRandom } from "../../base/random.ts";
import type { CpuDevice, Device, DeviceTensor, GpuLimits } from "../../device/device.ts";
import { openCpu } from "../../device/mod.ts";
import type { ForwardParams, LayerState } from "../../layers/mod.ts";
import type { AnyOp } from "../../ops/op.ts";
import type { OpRun } from "../../ops/run.ts";
import type { Shape } from "../../tensor/shape.ts";
import { asDtype, type Dtype, type Tensor, tensorOf, zeros } from "../../tensor/tensor.ts";
import type { FamilyMember } from "./member.ts";
import { DESKTOP_LIMITS, openPlanner, WEBGPU_LIMITS } from "./planner.ts";

/** Samples of the example, and how many of them lie before the cut where a state is carried. */
const LENGTH = 12;
const CUT = 5;
/** Samples before it, so that no carried state is the initial one. */
const WARM = 3;

/** The work is that of the samples from here to twice as many: past every window and chunk. */
const WORK_LENGTH = 4096;

/** f64 sums of {@link FAMILY_WIDTH} features in other orders, on values near 1; laws hold 1e-12. */
export const F64_CLOSE = 1e-10;

/** f32 through a whole layer of that width: five times what the laws allow narrow layers. */
export const F32_CLOSE = 1e-4;

/** f32 gradients sum over length and width what forward and its adjoint leave. */
export const F32_GRADIENT_CLOSE = 1e-3;

/** How far a member's launches go. */
export interface PlannedWays {
  readonly forward: boolean;
  readonly gradient: boolean;
  /** Within what every WebGPU device has; else within {@linkcode DESKTOP_LIMITS}. */
  readonly everywhere: boolean;
  /** Most storage buffers of one launch. */
  readonly buffers: number;
}

/** What was found. */
export interface Found {
  /** The parallel form runs, and its values are finite. */
  readonly parallel: boolean;
  /**
   * The recurrent form, sample by sample, gives the parallel form's outputs and state; null where
   * outputs depend on later samples.
   */
  readonly recurrent: boolean | null;
  /**
   * Two parts, the second from the state of the first, give the outputs and state of the whole;
   * null as above.
   */
  readonly carried: boolean | null;
  /** Of u, the parameters and the carried state: what a gradient reaches, and what none does. */
  readonly gradient: { readonly reached: readonly string[]; readonly missed: readonly string[] };
  /** Dtypes in which the twins run; f32 where it is the f64 within {@linkcode F32_CLOSE}. */
  readonly cpu: readonly Dtype[];
  /** Ops of the parallel form, in order, each once. */
  readonly ops: readonly string[];
  /** Those of them that ran as SIMD kernels; empty where their results were off. */
  readonly simd: readonly string[];
  /** Those of them whose backward has SIMD kernels. */
  readonly simdBack: readonly string[];
  /** Plans for a GPU, held to the shaders. */
  readonly webgpu: PlannedWays;
  /** Of one stream in f32, whatever the length seen. */
  readonly stateBytes: number;
  /** Elementary operations a sample, of all ops of the parallel form. */
  readonly workPerSample: number;
  /** What was thrown on the way: empty. */
  readonly faults: readonly string[];
}

/** A member with its weights and inputs. */
export interface Example {
  readonly member: FamilyMember;
  readonly params: ReturnType<FamilyMember["forms"]["init"]>;
  readonly u: Tensor;
  /** After {@link WARM} samples. */
  readonly state: LayerState;
}

/** Outputs and states by name. */
export type Outcome = Readonly<Record<string, Tensor>>;

function drawn(shape: Shape, random: RandomState): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  // Values that f32 holds, so that both precisions start from the same.
  const data = Float64Array.from({ length: count }, () => Math.fround(nextNormal(random)));
  return tensorOf(shape, data);
}

function part(u: Tensor, from: number, to: number): Tensor {
  const width = u.shape[2]!;
  return tensorOf([1, to - from, width], u.data.slice(from * width, to * width));
}

function copyOf(state: LayerState): LayerState {
  return Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => [
      name,
      { ...tensor, data: tensor.data.slice() },
    ]),
  );
}

/** Weights, inputs and a state of a member: the same at every call. */
export function exampleOf(member: FamilyMember): Example {
  const { forms, config } = member;
  const params = forms.init(config, seedRandom(1));
  const u = drawn([1, LENGTH, config.feature], seedRandom(2));
  const before = drawn([1, WARM, config.feature], seedRandom(3));
  const state = forms.initialState(config, 1, "f64");
  for (let k = 0; k < WARM; k++) forms.step(params, part(before, k, k + 1).data, state);
  return { member, params, u, state };
}

/** Runs the parallel form over u and reads everything. */
export async function runForward(
  device: Device,
  { member, params }: { member: FamilyMember; params: ForwardParams<any> },
  u: Tensor,
  state: LayerState,
  dtype: Dtype,
): Promise<Outcome> {
  const carried = Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => [name, asDtype(tensor, dtype)]),
  );
  const result = member.forms.forward(device, params, asDtype(u, dtype), { state: carried });
  const found: Record<string, Tensor> = { y: await device.read(result.y) };
  device.free(result.y);
  for (const [name, tensor] of Object.entries(result.state)) {
    found[`state ${name}`] = await device.read(tensor);
    device.free(tensor);
  }
  return found;
}

function runSteps({ member, params, u, state }: Example): Outcome {
  const width = u.shape[2]!;
  const carried = copyOf(state);
  const y = new Float64Array(u.data.length);
  for (let k = 0; k < LENGTH; k++) {
    y.set(member.forms.step(params, part(u, k, k + 1).data, carried), k * width);
  }
  const states = Object.entries(carried).map(([name, tensor]) => [`state ${name}`, tensor]);
  return { y: tensorOf(u.shape, y), ...Object.fromEntries(states) };
}

/**
 * Largest difference of each tensor divided by its largest reference value; the worst of them.
 * Infinite where a number is none, and where there is nothing to compare.
 */
export function apart(actual: Outcome, expected: Outcome): number {
  let worst = Object.keys(expected).length === 0 ? Infinity : 0;
  for (const [name, { data }] of Object.entries(expected)) {
    const other = actual[name]?.data;
    if (other?.length !== data.length) return Infinity;
    let error = 0;
    let scale = 1e-300;
    data.forEach((value, i) => {
      const difference = Math.abs(other[i]! - value);
      // A comparison with NaN is false, so that NaN is kept as an infinite error.
      error = difference <= error ? error : Number.isNaN(difference) ? Infinity : difference;
      scale = Math.max(scale, Math.abs(value));
    });
    // Both numbers infinite are as bad as one that is none.
    worst = Math.max(worst, Number.isFinite(scale) ? error / scale : Infinity);
  }
  return worst;
}

async function isCarried(cpu: CpuDevice, example: Example, whole: Outcome): Promise<boolean> {
  const { u, state } = example;
  const first = await runForward(cpu, example, part(u, 0, CUT), state, "f64");
  const between = Object.fromEntries(
    Object.keys(state).map((name) => [name, first[`state ${name}`]!]),
  );
  const second = await runForward(cpu, example, part(u, CUT, LENGTH), between, "f64");
  const y = Float64Array.from([...first["y"]!.data, ...second["y"]!.data]);
  return apart({ ...second, y: tensorOf(u.shape, y) }, whole) <= F64_CLOSE;
}

/** State tensors that gradients pass through: one number a stream counts samples, no more. */
function smooth<T extends { readonly shape: Shape }>(state: Readonly<Record<string, T>>) {
  return Object.entries(state).filter(([, { shape }]) => shape.length > 1);
}

/** The gradient of every variable through a tape: `u`, parameters, the carried state as `x0.…`. */
export async function gradientsOf(
  device: Device,
  { member, params, u, state }: Example,
  dtype: Dtype,
): Promise<Readonly<Record<string, Tensor | undefined>>> {
  const tape = openTape(device);
  const variables: Record<string, DeviceTensor> = {};
  const watch = (name: string, tensor: Tensor) =>
    variables[name] = tape.watch(device.upload(asDtype(tensor, dtype)));
  const input = watch("u", u);
  const tensors = Object.fromEntries(
    Object.entries(params.tensors).map(([name, tensor]) => [name, watch(name, tensor)]),
  );
  const counters = Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => [name, asDtype(tensor, dtype)]),
  );
  const carried = Object.fromEntries(
    smooth(state).map(([name, tensor]) => [name, watch(`x0.${name}`, tensor)]),
  );
  const trained = { config: params.config, tensors };
  const result = member.forms.forward(tape.device, trained, input, {
    state: { ...counters, ...carried },
  });
  const outputs = [result.y, ...smooth(result.state).map(([, tensor]) => tensor)];
  const random = seedRandom(4);
  tape.backward(
    outputs.map((output): Seed => [output, asDtype(drawn(output.shape, random), dtype)]),
  );
  const gradients: Record<string, Tensor | undefined> = {};
  for (const [name, tensor] of Object.entries(variables)) {
    const gradient = tape.gradient(tensor);
    gradients[name] = gradient && await device.read(gradient);
  }
  for (const output of [result.y, ...Object.values(result.state)]) tape.device.free(output);
  tape.release();
  for (const tensor of Object.values(variables)) device.free(tensor);
  return gradients;
}

function isReached(gradient: Tensor | undefined): boolean {
  if (gradient === undefined) return false;
  return gradient.data.every(Number.isFinite) && gradient.data.some((value) => value !== 0);
}

/** Runs the parallel form in f32 and tells which ops' SIMD kernels computed. */
async function runSimd(example: Example): Promise<{ outcome: Outcome; ops: string[] }> {
  // Every op that has kernels runs them here, however small it is.
  const cpu = openCpu({ simd: { workMin: 0 } });
  const unit = cpu.simd!;
  const ops = new Set<string>();
  let hasRun = false;
  const run: typeof unit.run = (...args) => hasRun = unit.run(...args);
  const record = ({ op }: OpRun) => {
    if (hasRun) ops.add(op.name);
    hasRun = false;
  };
  const spy = { ...cpu, simd: { ...unit, run }, record };
  const trained = { ...example, params: onDevice(spy, example) };
  const outcome = await runForward(spy, trained, example.u, example.state, "f32");
  await cpu.close();
  return { outcome, ops: [...ops] };
}

/** The runs of ops over so many samples, followed without computing. */
function plannedRuns(example: Example, length: number): readonly OpRun[] {
  const planner = openPlanner(DESKTOP_LIMITS);
  const longer = zeros([1, length, example.u.shape[2]!], "f32");
  const { member, state } = example;
  member.forms.forward(planner.device, onDevice(planner.device, example), longer, { state });
  return planner.runs;
}

/** The parameters on a device, as a tape has them: what is made of them is made by ops. */
function onDevice(device: Device, { params }: Example) {
  const tensors = Object.fromEntries(
    Object.entries(params.tensors).map(([name, tensor]) => [
      name,
      device.upload(asDtype(tensor, "f32")),
    ]),
  );
  return { config: params.config, tensors };
}

/** Follows both ways under limits. */
async function followWays(example: Example, limits: GpuLimits, fault: (text: string) => void) {
  const planner = openPlanner(limits);
  const done = { forward: false, gradient: false };
  try {
    const { member, u, state } = example;
    member.forms.forward(planner.device, example.params, asDtype(u, "f32"), { state });
    done.forward = true;
    await gradientsOf(planner.device, example, "f32");
    done.gradient = true;
  } catch (error) {
    fault(error instanceof Error ? error.message : String(error));
  }
  return { ...done, buffers: planner.buffers };
}

async function plannedWays(example: Example, fault: (text: string) => void): Promise<PlannedWays> {
  const few = await followWays(example, WEBGPU_LIMITS, () => {});
  if (few.gradient) return { ...few, everywhere: true };
  return { ...await followWays(example, DESKTOP_LIMITS, fault), everywhere: false };
}

function shapesOf({ inputs }: OpRun): Record<string, Shape> {
  const given = Object.entries(inputs).flatMap(([name, input]) =>
    input === undefined ? [] : [[name, input.shape] as const]
  );
  return Object.fromEntries(given);
}

function workOf(runs: readonly OpRun[]): number {
  return runs.reduce((sum, run) => sum + run.op.work(shapesOf(run), run.params), 0);
}

/** Finds out all of a row. A form that throws counts as absent, and what it threw is a fault. */
export async function findOut(member: FamilyMember): Promise<Found> {
  const faults: string[] = [];
  async function attempt<T>(what: string, otherwise: T, body: () => T | Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      faults.push(`${member.name}, ${what}: ${error instanceof Error ? error.message : error}`);
      return otherwise;
    }
  }
  const example = exampleOf(member);
  const { u, state } = example;
  const cpu = openCpu({ simd: false });
  const whole = await attempt("parallel form", {}, () => runForward(cpu, example, u, state, "f64"));
  const isOf = async (what: string, allowed: number, body: () => Outcome | Promise<Outcome>) =>
    apart(await attempt(what, {}, body), whole) <= allowed;
  const single = await isOf("f32", F32_CLOSE, () => runForward(cpu, example, u, state, "f32"));
  const gradients = await attempt("gradient", {}, () => gradientsOf(cpu, example, "f64"));
  const [reached, missed] = [true, false].map((wanted) =>
    Object.entries(gradients).filter(([, tensor]) => isReached(tensor) === wanted)
      .map(([name]) => name)
  );
  const nothing = { outcome: {}, ops: [] };
  const simd = await attempt("SIMD", nothing, () => runSimd(example));
  const runs = await attempt("plan", [], () => plannedRuns(example, WORK_LENGTH));
  const twice = await attempt("plan", [], () => plannedRuns(example, 2 * WORK_LENGTH));
  const ops = new Map<string, AnyOp>(runs.map(({ op }) => [op.name, op]));
  const hasSimdBack = (run: OpRun) => run.op.backward?.simd?.(shapesOf(run), run.params);
  return {
    parallel: apart(whole, whole) === 0,
    recurrent: member.needsAll === true
      ? null
      : await isOf("recurrent form", F64_CLOSE, () => runSteps(example)),
    carried: member.needsAll === true
      ? null
      : await attempt("carried state", false, () => isCarried(cpu, example, whole)),
    gradient: { reached: reached!, missed: missed! },
    cpu: single ? ["f64", "f32"] : ["f64"],
    ops: [...ops.keys()],
    simd: apart(simd.outcome, whole) <= F32_CLOSE ? simd.ops : [],
    simdBack: [...new Set(runs.filter(hasSimdBack).map(({ op }) => op.name))],
    webgpu: await plannedWays(example, (text) => void faults.push(`${member.name}, plan: ${text}`)),
    stateBytes: member.forms.stateBytes(member.config, 1, "f32"),
    workPerSample: (workOf(twice) - workOf(runs)) / WORK_LENGTH,
    faults,
  };
}
