import assert from "node:assert/strict";
import fc from "fast-check";
import { nextNormal, nextUniform, seedRandom } from "../../src/base/random.ts";
import { type Device, openCpu } from "../../src/device/mod.ts";
import type { LayerState } from "../../src/layers/mod.ts";
import { type Backbone, backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import {
  absorbBacklogs,
  type Backlog,
  BACKLOG_CHUNK,
  type BacklogOptions,
  planRuns,
} from "../../src/models/backlog.ts";
import { asDtype, type Dtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";

const cpu = openCpu({ poison: true });

/** Another order of the same f64 sums through the layers. */
const F64_CLOSE = 1e-11;
/** f32 through the layers, as the backbone's own tests have it. */
const F32_CLOSE = 1e-4;

const model = backboneOf(parseBackbone({
  input: { kind: "signal", feature: 2 },
  width: 8,
  layers: [
    { name: "mamba", config: { state: 4 } },
    { name: "s4d", config: { state: 4 } },
    "damped_ema",
  ],
  output: { size: 3 },
}));
const tensors = model.init(seedRandom(1));

/** Backlogs of some lengths; every other stream has irregular times. */
function backlogsOf(lengths: readonly number[], dtype: Dtype = "f64"): Backlog[] {
  const random = seedRandom(7);
  return lengths.map((length, i) => {
    const data = Float64Array.from({ length: 2 * length }, () => Math.fround(nextNormal(random)));
    const input = asDtype(tensorOf([length, 2], data), dtype);
    const gaps = () => Math.fround(0.2 + 3 * nextUniform(random));
    return { input, ...(i % 2 === 1 && { dtScale: Float64Array.from({ length }, gaps) }) };
  });
}

/** Row `i` of a tensor. */
function rowOf({ shape, data }: Tensor, i: number): Float64Array {
  const width = data.length / shape[0]!;
  return Float64Array.from(data.subarray(i * width, (i + 1) * width));
}

/** The states of one stream after its own steps, and its last output. */
function stepped(backbone: Backbone, { input, dtScale }: Backlog) {
  const state = backbone.initialState(1);
  let y = new Float64Array(backbone.config.output.size).fill(NaN);
  for (let k = 0; k < input.shape[0]!; k++) {
    const sample = Float64Array.from(input.data.subarray(2 * k, 2 * k + 2));
    y = Float64Array.from(backbone.step(tensors, sample, state, dtScale?.[k] ?? 1));
  }
  return { state, y };
}

async function absorbed(device: Device, backlogs: readonly Backlog[], options?: BacklogOptions) {
  const { y, state } = absorbBacklogs(device, model, tensors, backlogs, options);
  const read = async (tensor: typeof y) => {
    const host = await device.read(tensor);
    device.free(tensor);
    return host;
  };
  const names = Object.keys(state);
  const states = await Promise.all(names.map((name) => read(state[name]!)));
  const named: LayerState = Object.fromEntries(names.map((name, i) => [name, states[i]!]));
  return { y: await read(y), state: named };
}

function assertClose(actual: Float64Array, expected: Float64Array, allowed: number, what: string) {
  const scale = Math.max(1e-300, ...expected.map(Math.abs));
  expected.forEach((value, i) => {
    const isSame = Object.is(actual[i], value);
    const error = Math.abs(actual[i]! - value) / scale;
    assert.ok(isSame || error <= allowed, `${what}[${i}]: ${actual[i]}, not ${value}`);
  });
}

/** Every stream has the state and the output of its own steps. */
function assertStepped(
  backlogs: readonly Backlog[],
  { y, state }: Awaited<ReturnType<typeof absorbed>>,
  allowed: number,
): void {
  backlogs.forEach((backlog, i) => {
    const alone = stepped(model, backlog);
    assertClose(rowOf(y, i), alone.y, allowed, `output of stream ${i}`);
    for (const [name, tensor] of Object.entries(alone.state)) {
      assertClose(rowOf(state[name]!, i), rowOf(tensor, 0), allowed, `${name} of stream ${i}`);
    }
  });
}

Deno.test("planRuns() takes each stream's samples once, in order, within the bound", () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 3 * BACKLOG_CHUNK }), { maxLength: 20 });
  fc.assert(fc.property(lengths, fc.integer({ min: 1, max: 100_000 }), (counts, samplesMax) => {
    const done = counts.map(() => 0);
    const runs = planRuns(counts, samplesMax);
    for (const { length, streams, starts } of runs) {
      assert.ok(streams.length * length <= Math.max(samplesMax, length));
      assert.ok(length <= Math.min(BACKLOG_CHUNK, samplesMax));
      streams.forEach((stream, i) => {
        assert.equal(starts[i], done[stream]);
        done[stream]! += length;
      });
    }
    assert.deepEqual(done, counts);
  }));
});

Deno.test("planRuns() runs streams of one length together", () => {
  assert.deepEqual(planRuns([5, 0, 4, 5], 1000), [
    { length: 4, streams: [0, 2, 3], starts: [0, 0, 0] },
    { length: 1, streams: [0, 3], starts: [4, 4] },
  ]);
  // As many runs as a length has ones, however many streams.
  assert.equal(planRuns(Array(1000).fill(8760), 1 << 24).length, 2 + 4);
});

Deno.test("absorbBacklogs() is stepping each stream alone, on the CPU", async () => {
  const backlogs = backlogsOf([13, 0, 1, 40, 13]);
  assertStepped(backlogs, await absorbed(cpu, backlogs), F64_CLOSE);
  assertStepped(backlogs, await absorbed(cpu, backlogs, { samplesMax: 10 }), F64_CLOSE);
});

Deno.test("absorbBacklogs() goes on from carried states", async () => {
  const backlogs = backlogsOf([13, 7, 30]);
  const cut = (from: number, to: number) =>
    backlogs.map(({ input, dtScale }) => {
      const end = Math.min(to, input.shape[0]!);
      const start = Math.min(from, end);
      return {
        input: tensorOf([end - start, 2], input.data.slice(2 * start, 2 * end)),
        dtScale: dtScale?.slice(start, end),
      };
    });
  const first = await absorbed(cpu, cut(0, 9));
  const rest = await absorbed(cpu, cut(9, 30), { state: first.state });
  // The second stream has no sample in the rest, so that its output came with the first part.
  const y = tensorOf([3, 3], Float64Array.from(rest.y.data));
  y.data.set(first.y.data.subarray(3, 6), 3);
  assert.ok(rest.y.data.subarray(3, 6).every(Number.isNaN));
  assertStepped(backlogs, { y, state: rest.state }, F64_CLOSE);
});

Deno.test("absorbBacklogs() keeps the outputs at rolling origins", async () => {
  const lengths = [13, 2, 29];
  const backlogs = backlogsOf(lengths);
  for (const samplesMax of [undefined, 8]) {
    const { y, state, origins, outputs } = absorbBacklogs(cpu, model, tensors, backlogs, {
      every: 5,
      samplesMax,
    });
    for (const tensor of [y, ...Object.values(state)]) cpu.free(tensor);
    const read = await cpu.read(outputs!);
    const expected = lengths.flatMap((length, stream) =>
      Array.from({ length: Math.floor(length / 5) }, (_, i) => ({ stream, sample: 5 * (i + 1) }))
    );
    const order = (a: typeof origins[number], b: typeof origins[number]) =>
      a.stream - b.stream || a.sample - b.sample;
    assert.deepEqual([...origins].sort(order), expected);
    origins.forEach(({ stream, sample }, i) => {
      const { input, dtScale } = backlogs[stream]!;
      const until = tensorOf([sample, 2], input.data.slice(0, 2 * sample));
      const { y } = stepped(model, { input: until, dtScale });
      assertClose(rowOf(read, i), y, F64_CLOSE, `after ${sample} of ${stream}`);
    });
  }
  const none = absorbBacklogs(cpu, model, tensors, backlogsOf([3]), { every: 5 });
  assert.equal(none.outputs, undefined);
  assert.deepEqual(none.origins, []);
});

Deno.test("absorbBacklogs() leaves tensors of the caller on the device as they are", async () => {
  const backlogs = backlogsOf([5, 3]);
  const carried = Object.fromEntries(
    Object.entries(model.initialState(2)).map(([name, tensor]) => [name, cpu.upload(tensor)]),
  );
  assertStepped(backlogs, await absorbed(cpu, backlogs, { state: carried }), F64_CLOSE);
  for (const tensor of Object.values(carried)) {
    assert.ok(cpu.dataOf(tensor).every((value) => value === 0));
  }
});

gpuTest(
  "absorbBacklogs() is stepping each stream alone, on a GPU, and frees all else",
  async (gpu) => {
    const before = gpu.memory.used;
    const lengths = [50, 0, 33, 50, 2, 120];
    const exact = backlogsOf(lengths);
    const result = await absorbed(gpu, backlogsOf(lengths, "f32"), { samplesMax: 128 });
    assertStepped(exact, result, F32_CLOSE);
    assert.equal(gpu.memory.used, before);
  },
);

Deno.test("absorbBacklogs() refuses what does not fit, by its name", () => {
  const refuse = (backlogs: readonly Backlog[], expected: object, options?: BacklogOptions) =>
    assert.throws(() => absorbBacklogs(cpu, model, tensors, backlogs, options), expected);
  const [good] = backlogsOf([4]) as [Backlog];
  refuse([], { field: "backlogs.length" });
  refuse([good, { input: tensorOf([2, 3], new Float64Array(6)) }], {
    axis: "backlogs[1].input.feature",
  });
  refuse([{ input: tensorOf([4], new Float64Array(4)) }], { axis: "rank of backlogs[0].input" });
  refuse([good, ...backlogsOf([3], "f32")], { field: "backlogs[1].input.dtype" });
  refuse([{ ...good, dtScale: new Float64Array(3) }], { axis: "backlogs[0].dtScale" });
  refuse([{ ...good, dtScale: Float64Array.of(1, 1, -1, 1) }], {
    field: "backlogs[0].dtScale[2]",
  });
  refuse([good], { field: "every" }, { every: 0 });
  const [name, { shape }] = Object.entries(model.initialState(2))[0]!;
  const state = { [name]: tensorOf(shape, new Float64Array(shape.reduce((a, b) => a * b, 1))) };
  refuse([good], { axis: `${name}.stream` }, { state });
  const pooled = backboneOf(parseBackbone({
    input: { kind: "signal", feature: 2 },
    width: 8,
    layers: ["s4d"],
    output: { size: 3, pool: "mean" },
  }));
  const weights = pooled.init(seedRandom(1));
  assert.throws(() => absorbBacklogs(cpu, pooled, weights, [good]), { field: "output.pool" });
});
