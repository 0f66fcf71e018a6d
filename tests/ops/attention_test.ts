import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { normal } from "../../src/ops/_helpers/cases.ts";
import { attention } from "../../src/ops/attention.ts";
import { softmax } from "../../src/ops/softmax.ts";
import { asDtype, reshape, type Tensor } from "../../src/tensor/tensor.ts";
import { buffersOf, DEFAULT_LIMITS, distance, filled, run, scratchOf, steps, t } from "./_run.ts";

const random = seedRandom(17);
const f64 = (tensor: Tensor) => asDtype(tensor, "f64");
const LENGTH = 21;
const inputs = {
  q: f64(normal(random, [2, LENGTH, 4, 6])),
  k: f64(normal(random, [2, LENGTH, 2, 6])),
  v: f64(normal(random, [2, LENGTH, 2, 6])),
};

/** Some roundings on values near 1. */
const CLOSE = 1e-14;

Deno.test("attention() goes on from carried keys and values", async () => {
  const cut = (from: number, to: number) =>
    Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, steps(x, from, to)]));
  for (const params of [{ window: 50 }, { window: 5, rotaryBase: 100 }]) {
    const whole = await run(attention, inputs, params);
    let state: Record<string, Tensor> = {};
    for (const [from, to] of [[0, 3], [3, 4], [4, LENGTH]] as const) {
      const part = await run(attention, { ...cut(from, to), ...state }, params);
      assert.ok(distance(part.y!.data, steps(whole.y!, from, to).data) < CLOSE);
      state = { keys0: part.keys!, values0: part.values!, seen0: part.seen! };
    }
    assert.deepEqual(state["keys0"]!.data, whole.keys!.data);
    assert.deepEqual(state["seen0"]!.data, whole.seen!.data);
  }
});

Deno.test("attention() over one head is the causal softmax of the scores", async () => {
  const one = (x: Tensor) => filled([1, 7, 1, 4], (i) => x.data[i]!);
  const [q, k, v] = [one(inputs.q), one(inputs.k), one(inputs.v)];
  const { y } = await run(attention, { q, k, v }, { window: 7 });
  const scores = filled([7, 7], (i) => {
    const [row, column] = [Math.floor(i / 7), i % 7];
    let sum = 0;
    for (let s = 0; s < 4; s++) sum += q.data[row * 4 + s]! * k.data[column * 4 + s]!;
    return sum;
  });
  const weights = (await run(softmax, { x: scores }, { scale: 0.5, causal: true })).y!;
  const expected = filled([7, 4], (i) => {
    let sum = 0;
    for (let j = 0; j < 7; j++) {
      sum += weights.data[Math.floor(i / 4) * 7 + j]! * v.data[j * 4 + i % 4]!;
    }
    return sum;
  });
  assert.ok(distance(reshape(y!, [7, 4]).data, expected.data) < CLOSE);
});

Deno.test("attention() with a window forgets what left it", async () => {
  const params = { window: 4 };
  const before = await run(attention, inputs, params);
  const k = t(inputs.k.shape, inputs.k.data);
  k.data.fill(9, 0, 12);
  const after = await run(attention, { ...inputs, k }, params);
  const rest = (y: Tensor) => steps(y, 4, LENGTH).data;
  assert.deepEqual(rest(after.y!), rest(before.y!));
  assert.notDeepEqual(after.y!.data.slice(24, 48), before.y!.data.slice(24, 48));
});

Deno.test("attention() names the axis or the parameter at fault", async () => {
  const fails = (change: Record<string, Tensor>, params: object, error: object) =>
    assert.rejects(() => run(attention, { ...inputs, ...change }, params), error);
  await fails({}, { window: 0 }, { field: "window" });
  await fails({}, { window: 5, scale: 0 }, { field: "scale" });
  await fails({}, { window: 5, rotaryBase: 1 }, { field: "rotaryBase" });
  await fails({ v: filled([2, LENGTH, 2, 5], () => 0) }, { window: 5 }, { axis: "v.size" });
  const three = filled([2, LENGTH, 3, 6], () => 0);
  await fails({ k: three, v: three }, { window: 5 }, { field: "k.group" });
  await fails({ seen0: filled([2], () => 0) }, { window: 5 }, { field: "keys0" });
});

Deno.test("attention() goes back in memory that grows with the length, binding eight buffers", () => {
  const planOf = (length: number, isCarried: boolean) =>
    attention.backward!.launch(
      {
        q: [2, length, 8, 64],
        k: [2, length, 4, 64],
        v: [2, length, 4, 64],
        ...(isCarried && { keys0: [2, 511, 4, 64], values0: [2, 511, 4, 64], seen0: [2] }),
      },
      { window: isCarried ? 512 : length, rotaryBase: 10_000 },
      DEFAULT_LIMITS,
    );
  const [short, long] = [scratchOf(planOf(1024, false)), scratchOf(planOf(4096, false))];
  assert.ok(long <= 4 * short, `${short}, then ${long}`);
  for (const isCarried of [false, true]) assert.ok(buffersOf(planOf(1024, isCarried)) <= 8);
});
