/**
 * Random graphs of ops on a tape: any of them forks, joins, feeds one tensor into two inputs of an
 * op, leaves outputs unused, frees early, and has segments that are run again. Gradients are
 * central differences in f64, on the GPU they are those in f32, and all memory goes back.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { openTape, type Tape } from "../../src/autodiff/tape.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import type { Device, DeviceTensor } from "../../src/device/device.ts";
import { openCpu, openScope } from "../../src/device/mod.ts";
import {
  activation,
  add,
  gate,
  layerNorm,
  matmul,
  rmsNorm,
  runOp,
  slice,
  softmax,
} from "../../src/ops/mod.ts";
import { asDtype, type Dtype, reshape, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";

const cpu = openCpu({ poison: true });

/** All tensors of a graph are [3, 3], so that any may be any input. */
const SIZE = 3;
/** Watched tensors that a graph begins with. */
const LEAVES = 3;

/** Each makes one tensor from two; they are taken by number. */
const MAKERS: readonly ((on: Device, a: DeviceTensor, b: DeviceTensor) => DeviceTensor)[] = [
  (on, a, b) => runOp(on, add, { a, b }, {}).out,
  (on, y, z) => runOp(on, gate, { y, z }, { activation: "tanh" }).out,
  (on, y, z) => runOp(on, gate, { y, z }, { activation: "identity" }).out,
  (on, a, b) => runOp(on, matmul, { a, b }, {}).c,
  (on, a, b) => runOp(on, matmul, { a, b }, { transposeB: true }).c,
  (on, x) => runOp(on, activation, { x }, { kind: "silu" }).y,
  (on, x, b) => runOp(on, rmsNorm, { x, weight: row(on, b) }, { eps: 0.5 }).out,
  (on, x, b) => runOp(on, layerNorm, { x, weight: row(on, b), bias: row(on, x) }, { eps: 0.5 }).out,
  (on, x) => runOp(on, softmax, { x }, {}).y,
  (on, a, b) => runOp(on, add, { a, b: row(on, b) }, {}).out,
];

/** The second row, by way of a flat view. */
function row(on: Device, x: DeviceTensor): DeviceTensor {
  return runOp(on, slice, { x: reshape(x, [SIZE * SIZE]) }, { start: SIZE, count: SIZE }).out;
}

/** One tensor of a graph: how it is made, and of which earlier ones. */
interface Made {
  readonly maker: number;
  readonly a: number;
  readonly b: number;
  /** 1: a segment that runs again on the way back; 2: one of two ops, and an unused output. */
  readonly segment: number;
  /** Given back by its owner as soon as the graph stands. */
  readonly isFreedEarly: boolean;
}

const graphs = fc.array(
  fc.record({
    maker: fc.nat(MAKERS.length - 1),
    a: fc.nat(1000),
    b: fc.nat(1000),
    segment: fc.constantFrom(0, 0, 0, 1, 2),
    isFreedEarly: fc.boolean(),
  }),
  { minLength: 1, maxLength: 10 },
);

function leaves(dtype: Dtype): Tensor[] {
  const random = seedRandom(17);
  return Array.from({ length: LEAVES }, () => {
    const data = Float64Array.from({ length: SIZE * SIZE }, () => 0.5 * nextNormal(random));
    return asDtype(tensorOf([SIZE, SIZE], data.map(Math.fround)), dtype);
  });
}

/** Runs one maker, in a segment where it says. */
function make(
  tape: Pick<Tape, "device" | "checkpoint">,
  { maker, segment }: Made,
  [a, b]: readonly [DeviceTensor, DeviceTensor],
): DeviceTensor {
  if (segment === 0) return MAKERS[maker]!(tape.device, a, b);
  if (segment === 1) {
    return tape.checkpoint([a, b], (on) => ({ out: MAKERS[maker]!(on, a, b) })).out;
  }
  const { out, unused } = tape.checkpoint([a, b], (on) => {
    const half = MAKERS[maker]!(on, a, b);
    return { out: MAKERS[maker]!(on, half, b), unused: runOp(on, add, { a: b, b: half }, {}).out };
  });
  tape.device.free(unused);
  return out;
}

/** All tensors of a graph; the last is the output. */
function build(
  tape: Pick<Tape, "device" | "checkpoint">,
  graph: readonly Made[],
  first: readonly DeviceTensor[],
): DeviceTensor[] {
  const made = [...first];
  for (const each of graph) {
    made.push(make(tape, each, [made[each.a % made.length]!, made[each.b % made.length]!]));
  }
  return made;
}

/** Runs without a tape; gives the sum of the output. */
function valueOf(graph: readonly Made[], inputs: readonly Tensor[]): number {
  const plain = {
    device: cpu,
    checkpoint: ((_, segment) => segment(cpu)) as Tape["checkpoint"],
  };
  const made = build(plain, graph, inputs.map((tensor) => cpu.upload(tensor)));
  return [...cpu.dataOf(made.at(-1)!)].reduce((sum, value) => sum + value, 0);
}

/** The gradients of the sum of the output; undefined where it does not depend on a leaf. */
async function gradientsOf(
  base: Device,
  graph: readonly Made[],
  dtype: Dtype,
): Promise<(Tensor | undefined)[]> {
  const scope = openScope(base);
  const tape = openTape(base);
  const first = leaves(dtype).map((tensor) => tape.watch(scope.upload(tensor)));
  const recording = openScope(tape.device);
  const made = build({ ...tape, device: recording }, graph, first);
  const output = recording.keep(made.at(-1)!);
  const outside = graph.flatMap(({ segment }, i) => segment > 0 ? [made[LEAVES + i]!] : []);
  graph.forEach(({ isFreedEarly }, i) => {
    const tensor = made[LEAVES + i]!;
    if (isFreedEarly && tensor !== output) recording.free(tensor);
  });
  const ones = tensorOf([SIZE, SIZE], new Float64Array(SIZE * SIZE).fill(1));
  tape.backward([[output, asDtype(ones, dtype)]]);
  const gradients = await Promise.all(first.map(async (tensor) => {
    const gradient = tape.gradient(tensor);
    return gradient && await base.read(gradient);
  }));
  recording.release();
  // What a segment gives is its caller's: it came through no scope.
  for (const tensor of outside) tape.device.free(tensor);
  tape.device.free(output);
  tape.release();
  scope.release();
  return gradients;
}

/** Step of the differences, and what their second order and the rounding of sums leave. */
const STEP = 1e-5;
const CLOSE = 1e-6;

Deno.test("gradients of random graphs are central differences", async () => {
  await fc.assert(
    fc.asyncProperty(graphs, async (graph) => {
      const gradients = await gradientsOf(cpu, graph, "f64");
      for (let leaf = 0; leaf < LEAVES; leaf++) {
        for (let i = 0; i < SIZE * SIZE; i += 4) {
          const [high, low] = [STEP, -STEP].map((step) => {
            const moved = leaves("f64");
            moved[leaf]!.data[i]! += step;
            return valueOf(graph, moved);
          });
          const measured = (high! - low!) / (2 * STEP);
          const actual = gradients[leaf]?.data[i] ?? 0;
          const scale = 1 + Math.abs(measured) + Math.abs(high!);
          assert.ok(Math.abs(actual - measured) < CLOSE * scale, `${actual}, not ${measured}`);
        }
      }
    }),
    { numRuns: 150 },
  );
});

gpuTest(
  "random graphs on the GPU have the CPU's gradients and give all memory back",
  async (gpu) => {
    await fc.assert(
      fc.asyncProperty(graphs, async (graph) => {
        const used = gpu.memory.used;
        const expected = await gradientsOf(cpu, graph, "f64");
        const actual = await gradientsOf(gpu, graph, "f32");
        assert.equal(gpu.memory.used, used);
        expected.forEach((gradient, leaf) => {
          assert.equal(actual[leaf] === undefined, gradient === undefined);
          const values = [...gradient?.data ?? []];
          const scale = 1 + Math.max(0, ...values.map(Math.abs));
          values.forEach((value, i) => {
            // Ten ops in f32; products of sums may be far below the largest.
            assert.ok(Math.abs(actual[leaf]!.data[i]! - value) < 1e-3 * scale);
          });
        });
      }),
      { numRuns: 60 },
    );
  },
);
