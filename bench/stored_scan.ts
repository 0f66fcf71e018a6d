/**
 * The selective scan beside one that stores: the same recurrence written as ops whose results a
 * tape keeps (log decays, drives and states of every sample), for the memory of both.
 *
 * The stored states are pairs of numbers, since the scan that gives its states is complex: half of
 * what is kept is zeros, so a scan of its own for real states would keep half as much.
 */
import { openTape } from "../src/autodiff/tape.ts";
import { nextUniform, seedRandom } from "../src/base/random.ts";
import { type Device, type DeviceTensor, openScope, type WebGpuDevice } from "../src/device/mod.ts";
import { diagonalScan, gate, matmul, runOp, selectiveScan } from "../src/ops/mod.ts";
import { relativeError } from "../src/ops/self_check.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import { reshape, type Tensor, tensorOf } from "../src/tensor/tensor.ts";

const FEATURES = 128;
const STATES = 16;
const PAIRS = 2 * FEATURES * STATES;
/** Bytes of a sample in the widest tensor of the storing scan. */
export const STORED_BYTES_PER_SAMPLE = 4 * PAIRS;
/** Two orders of the same f32 sums. */
const CLOSE = 1e-4;

/** Peak memory of a forward and a backward of each, in bytes. */
export interface ScanMemory {
  readonly length: number;
  readonly recomputing: number;
  readonly storing: number;
  /** What the states of all samples take as f32. */
  readonly states: number;
}

type Names = "u" | "delta" | "A" | "B" | "C";
type Inputs = Readonly<Record<Names, DeviceTensor>>;

function drawn(shape: readonly number[], low: number, high: number, seed: number): Tensor {
  const random = seedRandom(seed);
  const draw = () => low + (high - low) * nextUniform(random);
  return tensorOf(shape, Float32Array.from({ length: sizeOf(shape) }, draw));
}

/** A matrix that is 1 where `isOne`: it repeats what it is multiplied with, or gathers it. */
function selecting(
  rows: number,
  columns: number,
  isOne: (row: number, column: number) => boolean,
): Tensor {
  const data = new Float32Array(rows * columns);
  for (let i = 0; i < data.length; i++) {
    data[i] = isOne(Math.floor(i / columns), i % columns) ? 1 : 0;
  }
  return tensorOf([rows, columns], data);
}

const stateOf = (column: number) => (column >> 1) % STATES;
const featureOf = (column: number) => Math.floor(column / (2 * STATES));
const isReal = (column: number) => column % 2 === 0;
const ofFeature = selecting(FEATURES, PAIRS, (d, c) => isReal(c) && featureOf(c) === d);
const ofState = selecting(STATES, PAIRS, (n, c) => isReal(c) && stateOf(c) === n);
const toFeature = selecting(PAIRS, FEATURES, (c, d) => isReal(c) && featureOf(c) === d);

function recomputing(device: Device, inputs: Inputs): DeviceTensor {
  const { y, state } = runOp(device, selectiveScan, {
    ...inputs,
    B: reshape(inputs.B, [1, inputs.u.shape[1]!, 1, STATES]),
    C: reshape(inputs.C, [1, inputs.u.shape[1]!, 1, STATES]),
  }, { softplus: false });
  device.free(state);
  return y;
}

function storing(device: Device, { u, delta, A, B, C }: Inputs): DeviceTensor {
  const scope = openScope(device);
  const length = u.shape[1]!;
  const times = (a: DeviceTensor, b: Tensor | DeviceTensor) => runOp(scope, matmul, { a, b }, {}).c;
  const product = (y: DeviceTensor, z: DeviceTensor) =>
    runOp(scope, gate, { y, z }, { activation: "identity" }).out;
  const pairs = [1, length, FEATURES * STATES, 2];
  const drive = product(times(product(delta, u), ofFeature), times(B, ofState));
  const rates = product(times(delta, ofFeature), repeated(scope, A, length));
  const { x } = runOp(scope, diagonalScan, {
    v: reshape(drive, pairs),
    A: reshape(rates, pairs),
  }, { variant: "logs" });
  const read = product(reshape(x, [1, length, PAIRS]), times(C, ofState));
  const y = scope.keep(times(read, toFeature));
  scope.release();
  return y;
}

/** A of every feature and state at every sample, [1, length, PAIRS]. */
function repeated(device: Device, A: DeviceTensor, length: number): DeviceTensor {
  const ones = tensorOf([1, length, 1], new Float32Array(length).fill(1));
  const spread = selecting(FEATURES * STATES, PAIRS, (i, c) => isReal(c) && c >> 1 === i);
  const row = runOp(device, matmul, { a: reshape(A, [1, FEATURES * STATES]), b: spread }, {}).c;
  return runOp(device, matmul, { a: ones, b: row }, {}).c;
}

/** Outputs and gradients of one way, and the most memory that it had in use beyond the inputs. */
async function measure(
  device: WebGpuDevice,
  scan: (device: Device, inputs: Inputs) => DeviceTensor,
  inputs: Inputs,
) {
  const before = device.memory.used;
  device.resetPeakMemory();
  const tape = openTape(device);
  for (const tensor of Object.values(inputs)) tape.watch(tensor);
  const y = scan(tape.device, inputs);
  tape.backward([[y, drawn(y.shape, -1, 1, 9)]]);
  const peak = device.memory.peak - before;
  const read = [(await device.read(y)).data];
  for (const tensor of Object.values(inputs)) {
    read.push((await device.read(tape.gradient(tensor)!)).data);
  }
  tape.device.free(y);
  tape.release();
  return { peak, read };
}

/**
 * Measures both at a length.
 *
 * @throws {Error} they do not compute the same
 */
export async function scanMemory(device: WebGpuDevice, length: number): Promise<ScanMemory> {
  const rows = [1, length, FEATURES];
  const inputs = {
    u: device.upload(drawn(rows, -1, 1, 1)),
    delta: device.upload(drawn(rows, 0.01, 0.1, 2)),
    A: device.upload(drawn([FEATURES, STATES], -4, -0.5, 3)),
    B: device.upload(drawn([1, length, STATES], -1, 1, 4)),
    C: device.upload(drawn([1, length, STATES], -1, 1, 5)),
  };
  const ours = await measure(device, recomputing, inputs);
  const stored = await measure(device, storing, inputs);
  for (const tensor of Object.values(inputs)) device.free(tensor);
  ours.read.forEach((values, i) => {
    const error = relativeError(values, stored.read[i]!);
    if (!(error <= CLOSE)) throw new Error(`The two scans differ by ${error} in result ${i}`);
  });
  return {
    length,
    recomputing: ours.peak,
    storing: stored.peak,
    states: 4 * length * FEATURES * STATES,
  };
}
