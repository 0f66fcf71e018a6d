/**
 * SIMD kernels beside the twins on the CPU, in f32: each op there and back, on tensors of the
 * device, and a training iteration of members of the family.
 *
 *   deno task bench:simd [--op NAME]... [--member NAME]... [--threads N] [--json]
 *
 * Times are the fastest of some runs, in which the devices take turns. An iteration is forward and
 * backward of two blocks x + member(rms_norm(x)) of width 64, batch 16, length 256.
 */
import { parseArgs } from "node:util";
import { cpus } from "node:os";
import { ARGS, oneOf, runBench, wholeNumber } from "./args.ts";
import { freeAll, placed } from "./scenario.ts";
import { fastestInTurns } from "./timing.ts";
import { openTape } from "../src/autodiff/tape.ts";
import { seedRandom } from "../src/base/random.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import {
  type CpuDevice,
  type DeviceTensor,
  openCpu,
  openScope,
  SIMD_THREADS_MAX,
} from "../src/device/mod.ts";
import { type AnyLayer, LAYERS } from "../src/layers/mod.ts";
import { add, OPS, rmsNorm, runOp } from "../src/ops/mod.ts";
import { type AnyOp, gradientName } from "../src/ops/op.ts";
import { runBackward } from "../src/ops/run.ts";
import { caseInputs } from "../src/ops/self_check.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import { asDtype, type Tensor, tensorOf } from "../src/tensor/tensor.ts";

/** Units of work of an op. */
const WORK = 1 << 18;
const TURNS = { turns: 15, ms: 500 };
const ITERATIONS = { turns: 4, ms: 0 };
const WIDTH = 64;
const BATCH = 16;
const LENGTH = 256;
const BLOCKS = 2;

/** Settings of the members that are timed; the rest is each member's own. */
const STEPS = { dtMin: 0.001, dtMax: 0.1 };
const CONFIGS: Readonly<Record<string, Record<string, unknown>>> = {
  mamba: { feature: WIDTH, state: 16, width: 4, expand: 2, dtRank: 4, bias: false, ...STEPS },
  mamba2: { ...exampleOf("mamba2"), feature: WIDTH, state: 32, headSize: 32 },
  s4d: {
    ...{ feature: WIDTH, state: 64, start: "lin", discretization: "zoh", ...STEPS },
    ...{ activation: "gelu", mix: true },
  },
  s5: { ...exampleOf("s5"), feature: WIDTH, state: 64, blocks: 4 },
};

function exampleOf(name: string): Record<string, unknown> {
  const member = LAYERS.find((layer) => layer.name === name)!;
  return member.examples[0] as Record<string, unknown>;
}

/** Devices to compare. */
interface Devices {
  readonly twin: CpuDevice;
  readonly single: CpuDevice;
  readonly threaded: CpuDevice;
}

type Times = Readonly<Record<keyof Devices, number>>;

/** The fastest of some runs on each device, which take turns. */
function timesOn(
  devices: Devices,
  turns: typeof TURNS,
  prepare: (device: CpuDevice) => () => void,
): Times {
  const runs = [devices.twin, devices.single, devices.threaded].map(prepare);
  const [twin, single, threaded] = fastestInTurns(runs, turns) as [number, number, number];
  return { twin, single, threaded };
}

function sizedInputs(op: AnyOp) {
  const { params, ...sized } = op.sized(WORK);
  return { params, inputs: caseInputs({ params, ...sized }, "f32") };
}

function timeOp(devices: Devices, op: AnyOp): Times {
  const { params, inputs } = sizedInputs(op);
  return timesOn(devices, TURNS, (device) => {
    const given = placed(device, inputs);
    return () => freeAll(device, runOp(device, op, given, params));
  });
}

function timeBackward(devices: Devices, op: AnyOp): Times {
  const { params, inputs } = sizedInputs(op);
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, x.shape]));
  return timesOn(devices, TURNS, (device) => {
    const known = placed(device, inputs);
    const outputs: Record<string, DeviceTensor> = runOp(device, op, known, params);
    const values: Record<string, DeviceTensor> = { ...known, ...outputs };
    const given: Record<string, DeviceTensor> = {};
    for (const name of op.backward!.needs) {
      if (values[name] !== undefined) given[name] = values[name];
    }
    for (const name of op.outputs) given[gradientName(name)] = outputs[name]!;
    return () => freeAll(device, runBackward(device, op, given, shapes, params));
  });
}

function noise(shape: readonly number[], seed: number): Tensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(12.9898 * ((i + seed) % 4093) ** 2);
  return tensorOf(shape, data);
}

/** Forward and backward of blocks of a member. */
function timeIteration(devices: Devices, member: AnyLayer): Times {
  const config = CONFIGS[member.name];
  const random = seedRandom(1);
  const layers = Array.from({ length: BLOCKS }, () => {
    const { tensors } = member.init(config, random);
    return Object.entries(tensors).map(([name, tensor]) => [name, asDtype(tensor, "f32")] as const);
  });
  const [input, seed] = [noise([BATCH, LENGTH, WIDTH], 1), noise([BATCH, LENGTH, WIDTH], 2)];
  return timesOn(devices, ITERATIONS, (device) => () => {
    const tape = openTape(device);
    const scope = openScope(tape.device);
    const weight = tape.watch(device.upload(tensorOf([WIDTH], new Float32Array(WIDTH).fill(1))));
    let x = device.upload(input);
    for (const layer of layers) {
      const tensors = Object.fromEntries(
        layer.map(([name, tensor]) => [name, tape.watch(device.upload(tensor))]),
      );
      const { out } = runOp(scope, rmsNorm, { x, weight }, { eps: 1e-5 });
      const { y } = member.forward(scope, { config, tensors }, out);
      x = runOp(scope, add, { a: x, b: y }, {}).out;
    }
    tape.backward([[x, seed]]);
    scope.release();
    tape.release();
  });
}

/** Threads start at the first run that is long enough for them. */
async function startThreads(device: CpuDevice): Promise<void> {
  const matmul = OPS.find((op) => op.name === "matmul")!;
  const { params, ...sized } = matmul.sized(1 << 27);
  runOp(device, matmul, caseInputs({ params, ...sized }, "f32"), params);
  for (let i = 0; i < 1000 && device.simd!.threadsReady < device.simd!.threads; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      op: { type: "string", multiple: true },
      member: { type: "string", multiple: true },
      threads: { type: "string" },
      json: { type: "boolean" },
    },
  });
  const threads = values.threads === undefined
    ? Math.min(cpus().length, SIMD_THREADS_MAX)
    : wholeNumber("threads", values.threads, SIMD_THREADS_MAX);
  const withSimd = OPS.filter(({ simd }) => simd).map(({ name }) => name);
  for (const name of values.op ?? []) oneOf("op", name, withSimd);
  for (const name of values.member ?? []) oneOf("member", name, Object.keys(CONFIGS));
  const devices: Devices = {
    twin: openCpu({ simd: false }),
    single: openCpu(),
    threaded: openCpu({ simd: { threads } }),
  };
  await startThreads(devices.threaded);
  const isAll = values.op === undefined && values.member === undefined;
  const rows: (Times & { readonly name: string })[] = [];
  for (const op of OPS.filter(({ simd, name }) => simd && (isAll || values.op?.includes(name)))) {
    rows.push({ name: op.name, ...timeOp(devices, op) });
    if (op.backward?.simd === undefined) continue;
    rows.push({ name: `${op.name}, gradients`, ...timeBackward(devices, op) });
  }
  for (const name of Object.keys(CONFIGS)) {
    if (!isAll && !values.member?.includes(name)) continue;
    const member = LAYERS.find((layer) => layer.name === name)!;
    rows.push({ name: `iteration of ${name}`, ...timeIteration(devices, member) });
  }
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`;
  if (values.json) {
    console.log(JSON.stringify({ machine, threads, work: WORK, rows }, null, 2));
  } else {
    console.log(`${machine}; ops of ${WORK} units of work`);
    console.log(formatTable(
      ["op", "twin ms", "SIMD ms", "x twin", `${threads} threads ms`, "x twin"],
      rows.map(({ name, twin, single, threaded }) => [
        ...[name, formatNumber(twin), formatNumber(single), formatNumber(twin / single)],
        ...[formatNumber(threaded), formatNumber(twin / threaded)],
      ]),
    ));
  }
  await devices.threaded.close();
}

if (import.meta.main) await runBench(main);
