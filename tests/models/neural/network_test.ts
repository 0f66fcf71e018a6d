import assert from "node:assert/strict";
import { seedRandom } from "../../../src/base/random.ts";
import { openCpu } from "../../../src/device/mod.ts";
import { networkOf, type NeuralConfig, parseNeural } from "../../../src/models/neural/network.ts";
import { leadRows, LEVELS, TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";
import { asDtype, type Dtype, type FloatArray, type Tensor } from "../../../src/tensor/tensor.ts";
import { gpuTest } from "../../_gpu.ts";
import { randomBatch, TINY } from "./_batch.ts";

const cpu = openCpu({ poison: true });
const SIZES = { batch: 2, length: 40, picks: 5, leads: 3 };
const KINDS = ["s5", "mamba"] as const;

/** Other orders of the same f64 sums through several layers. */
const F64_CLOSE = 1e-11;
/** f32 through several layers. */
const F32_CLOSE = 1e-4;

function made(kind: NeuralConfig["kind"], dtype: Dtype) {
  const network = networkOf(parseNeural({ ...TINY, kind }));
  const tensors = Object.entries(network.init(seedRandom(3)))
    .map(([name, tensor]): [string, Tensor] => [name, asDtype(tensor, dtype)]);
  return { network, tensors: Object.fromEntries(tensors) };
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let most = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    most = Math.max(most, Math.abs(a[i]! - b[i]!));
    size = Math.max(size, Math.abs(b[i]!));
  }
  return most / size;
}

/** Part of an array, of one row of the batch. */
function rowOf<T extends FloatArray>(data: T, row: number, rows: number): T {
  const size = data.length / rows;
  return data.subarray(row * size, (row + 1) * size) as T;
}

for (const kind of KINDS) {
  Deno.test(`networkOf() of ${kind}: forward is steps over irregular samples, then decode`, () => {
    for (const [dtype, close] of [["f64", F64_CLOSE], ["f32", F32_CLOSE]] as const) {
      const { network, tensors } = made(kind, dtype);
      const batch = randomBatch(SIZES, 5);
      const { picks, leads, length } = SIZES;
      const quantiles = cpu.dataOf(network.forward(cpu, tensors, batch));
      for (let row = 0; row < SIZES.batch; row++) {
        const state = network.initialState(1, dtype);
        const hidden: FloatArray[] = [];
        for (let k = 0; k < length; k++) {
          const token = batch.tokens.subarray((row * length + k) * TOKEN_FEATURES)
            .slice(0, TOKEN_FEATURES);
          const at = row * length + k;
          hidden.push(
            network.stepHidden(tensors, token, batch.elapsed[at]!, batch.seasonal[at]!, state),
          );
        }
        for (let pick = 0; pick < picks; pick++) {
          const at = row * picks + pick;
          const rows = {
            ...leadRows(leads),
            features: rowOf(batch.features, at, SIZES.batch * picks).slice(),
            anchors: rowOf(batch.anchors, at, SIZES.batch * picks).slice(),
            valid: rowOf(batch.valid, at, SIZES.batch * picks).slice(),
            scale: rowOf(batch.scale, at, SIZES.batch * picks).slice(),
          };
          const decoded = network.decode(tensors, hidden[batch.picks[at]!]!, rows, leads);
          const expected = rowOf(quantiles, at, SIZES.batch * picks);
          // The decoder is f32 on either way of the f64 network.
          const error = distance(decoded, expected);
          assert.ok(error < Math.max(close, 2e-6), `${dtype}: off by ${error}`);
        }
      }
    }
  });

  Deno.test(`networkOf() of ${kind}: absorb() is steps, from any state`, () => {
    for (const [dtype, close] of [["f64", F64_CLOSE], ["f32", F32_CLOSE]] as const) {
      const { network, tensors } = made(kind, dtype);
      const { tokens, elapsed, seasonal } = randomBatch({ ...SIZES, batch: 1 }, 6);
      let absorbed = {
        hidden: new Float64Array() as FloatArray,
        state: network.initialState(1, dtype),
      };
      for (const [from, to] of [[0, 13], [13, 14], [14, 40]] as const) {
        const before = structuredClone(absorbed.state);
        const next = network.absorb(
          cpu,
          tensors,
          tokens.subarray(from * TOKEN_FEATURES, to * TOKEN_FEATURES),
          elapsed.subarray(from, to),
          seasonal.subarray(from, to),
          absorbed.state,
        );
        assert.deepEqual(absorbed.state, before);
        absorbed = next;
      }
      const state = network.initialState(1, dtype);
      let hidden: FloatArray = new Float64Array();
      for (let k = 0; k < 40; k++) {
        const token = tokens.slice(k * TOKEN_FEATURES, (k + 1) * TOKEN_FEATURES);
        hidden = network.stepHidden(tensors, token, elapsed[k]!, seasonal[k]!, state);
      }
      assert.ok(distance(absorbed.hidden, hidden) < close);
      for (const [name, tensor] of Object.entries(state)) {
        assert.ok(distance(absorbed.state[name]!.data, tensor.data) < close, name);
        assert.equal(absorbed.state[name]!.dtype, dtype);
      }
    }
  });

  Deno.test(`networkOf() of ${kind}: quantiles do not cross`, () => {
    const { network, tensors } = made(kind, "f32");
    const quantiles = cpu.dataOf(network.forward(cpu, tensors, randomBatch(SIZES, 7)));
    for (let i = 0; i < quantiles.length; i++) {
      assert.ok(i % LEVELS.length === 0 || quantiles[i]! >= quantiles[i - 1]!);
    }
  });

  gpuTest(`networkOf() of ${kind}: a GPU gives the CPU's quantiles`, async (device) => {
    const { network, tensors } = made(kind, "f32");
    const batch = randomBatch(SIZES, 8);
    const onHost = cpu.dataOf(network.forward(cpu, made(kind, "f64").tensors, batch));
    const quantiles = network.forward(device, tensors, batch);
    const { data } = await device.read(quantiles);
    device.free(quantiles);
    assert.ok(distance(data, onHost) < F32_CLOSE);
  });
}

Deno.test("networkOf(): an S5 layer in two is on the season's clock, no Mamba layer is", () => {
  for (const kind of KINDS) {
    const { network, tensors } = made(kind, "f64");
    const batch = randomBatch(SIZES, 9);
    const other = { ...batch, seasonal: batch.seasonal.map((scale) => 2 * scale) };
    const [a, b] = [batch, other].map((each) => cpu.dataOf(network.forward(cpu, tensors, each)));
    assert.equal(distance(a!, b!) > 1e-6, kind === "s5");
    const late = { ...batch, elapsed: batch.elapsed.map((scale) => 2 * scale) };
    const c = cpu.dataOf(network.forward(cpu, tensors, late));
    assert.ok(distance(c, a!) > 1e-6);
  }
});

Deno.test("Network.shapes() are those of init(), whose bits a seed fixes", () => {
  for (const kind of KINDS) {
    const network = networkOf(parseNeural({ ...TINY, kind }));
    const one = network.init(seedRandom(1));
    assert.deepEqual(network.init(seedRandom(1)), one);
    const shapes = Object.entries(one).map(([name, { shape }]) => [name, shape]);
    assert.deepEqual([...network.shapes()], shapes);
  }
});

Deno.test("Network.stateBytes() is the size of the state and stays it", () => {
  const { network, tensors } = made("s5", "f32");
  const state = network.initialState();
  const bytes = Object.values(state).reduce((sum, { data }) => sum + data.byteLength, 0);
  assert.equal(network.stateBytes(), bytes);
  assert.equal(bytes, TINY.depth * TINY.state * 4);
  for (let k = 0; k < 50; k++) {
    network.stepHidden(tensors, new Float32Array(TOKEN_FEATURES), 1, 1, state);
  }
  assert.equal(Object.values(state).reduce((sum, { data }) => sum + data.byteLength, 0), bytes);
});

Deno.test("networkOf() names what is at fault", () => {
  const { network, tensors } = made("s5", "f32");
  assert.throws(
    () => network.stepHidden(tensors, new Float32Array(3), 1, 1, network.initialState()),
    {
      axis: "token",
    },
  );
  const { "decoder.out.bias": _, ...rest } = tensors;
  assert.throws(() => network.forward(cpu, rest, randomBatch(SIZES, 1)), {
    field: "decoder.out.bias",
  });
  assert.throws(() => parseNeural({ ...TINY, kind: "s5", state: 5 }), { field: "network.state" });
  assert.throws(() => parseNeural({ ...TINY, kind: "s4" }), { field: "network.kind" });
  assert.throws(() => parseNeural({ ...TINY, kind: "s5", width: 0 }), { field: "network.width" });
  assert.throws(() => parseNeural({ ...TINY, kind: "s5", version: 1 }), {
    field: "network.version",
  });
});
