import assert from "node:assert/strict";
import { InvalidValueError, ShapeError } from "../../src/base/errors.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { fromLanesInto, toLanesInto } from "../../src/ops/_helpers/lanes.ts";
import { selectiveScan } from "../../src/ops/selective_scan.ts";
import { selectiveStateUpdate } from "../../src/ops/selective_state_update.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { distance, filled, run } from "./_run.ts";

const FEATURE = 5;
const STATE = 8;

function draws(seed: number, shape: readonly number[]): Tensor {
  const random = seedRandom(seed);
  return filled(shape, () => nextNormal(random));
}

function lanesOf(states: Tensor): Tensor {
  const lanes = new Float64Array(states.data.length);
  toLanesInto(lanes, states.data, FEATURE, STATE);
  return tensorOf([...states.shape.slice(0, -2), STATE / 4, FEATURE, 4], lanes);
}

Deno.test("selectiveStateUpdate() is selectiveScan() over a length of one", async () => {
  const rows = [3, FEATURE];
  const shared = {
    D: draws(1, [FEATURE]),
    deltaBias: draws(2, [FEATURE]),
  };
  const [u, delta, z] = [3, 4, 5].map((seed) => draws(seed, rows));
  const [B, C] = [6, 7].map((seed) => draws(seed, [3, 1, STATE]));
  const A = filled([FEATURE, STATE], (i) => -1 - (i % STATE));
  const state = draws(8, [3, FEATURE, STATE]);
  const long = (x: Tensor) => ({ ...x, shape: [3, 1, ...x.shape.slice(1)] });
  const scanned = await run(selectiveScan, {
    ...{ ...shared, A, x0: state },
    ...{ u: long(u!), delta: long(delta!), z: long(z!), B: long(B!), C: long(C!) },
  }, { softplus: true });
  const updated = await run(selectiveStateUpdate, {
    ...{ ...shared, u: u!, delta: delta!, z: z!, B: B!, C: C! },
    ...{ A: lanesOf(A), state: lanesOf(state) },
  }, { softplus: true });
  assert.ok(distance(updated["y"]!.data, scanned["y"]!.data) < 1e-12);
  const next = new Float64Array(state.data.length);
  fromLanesInto(next, updated["next"]!.data, FEATURE, STATE);
  assert.ok(distance(next, scanned["state"]!.data) < 1e-12);
});

Deno.test("selectiveStateUpdate() refuses states that fill no vector, and too few of them", async () => {
  const call = (state: number, rows: number) => ({
    u: filled([3, 2], () => 0),
    delta: filled([3, 2], () => 0),
    A: filled([state / 4, 2, 4].map(Math.ceil), () => 0),
    B: filled([3, 1, state], () => 0),
    C: filled([3, 1, state], () => 0),
    state: filled([rows, Math.ceil(state / 4), 2, 4], () => 0),
  });
  const params = { softplus: false };
  await assert.rejects(
    () => run(selectiveStateUpdate, call(6, 3), params),
    new InvalidValueError("B.state", 6, "a multiple of 4"),
  );
  await assert.rejects(
    () => run(selectiveStateUpdate, call(8, 2), params),
    new ShapeError("state.row", 3, 2),
  );
});
