import assert from "node:assert/strict";
import { nextNormal, nextUniform, type RandomState, seedRandom } from "../../../src/base/random.ts";
import {
  initialSpreadChange,
  isSpreadOdd,
  stepSpreadChange,
  tellSpreadChange,
} from "../../../src/detectors/_helpers/spread_change.ts";

const CHANGE = 3_000;

/** Where changes are told in a series, and their sides. */
function told(values: Float64Array, { dt = 1 } = {}): { tick: number; side: number }[] {
  const state = initialSpreadChange();
  let unit = 0;
  return [...values].flatMap((x, tick) => {
    const move = tick === 0 ? 0 : Math.abs(x - values[tick - 1]!);
    unit += (move - unit) / Math.max(1, tick);
    const surprise = stepSpreadChange(state, x, { dt, unit });
    if (Math.abs(surprise) < 4) return [];
    const side = Math.sign(surprise);
    tellSpreadChange(state, side);
    return [{ tick, side }];
  });
}

function series(length: number, seed: number, at: (i: number, random: RandomState) => number) {
  const random = seedRandom(seed);
  return Float64Array.from({ length }, (_, i) => at(i, random));
}

const SEEDS = [1, 2, 3, 4, 5, 6];

for (const [times, side] of [[3, 1], [0.3, -1]] as const) {
  Deno.test(`stepSpreadChange() tells noise ${times} times as large once, and of which side`, () => {
    for (const seed of SEEDS) {
      const values = series(
        CHANGE + 1_500,
        seed,
        (i, random) => (i < CHANGE ? 1 : times) * nextNormal(random),
      );
      const [first, ...rest] = told(values).filter(({ tick }) => tick >= CHANGE);
      assert.equal(first?.side, side, `${seed}`);
      assert.ok(first.tick < CHANGE + 132, `${seed}: ${first.tick - CHANGE}`);
      assert.deepEqual(rest.filter((other) => other.side === side), [], `${seed}`);
    }
  });
}

const clean: Record<string, (i: number, random: RandomState) => number> = {
  "white noise": (_, random) => nextNormal(random),
  "spikes": (i, random) => nextNormal(random) + (i % 100 === 0 ? 50 : 0),
  "shifts of the level": (i, random) => nextNormal(random) + (i % 500 < 250 ? 0 : 30),
  "noise that follows the hour": (i, random) =>
    (1 + 0.8 * Math.sin(2 * Math.PI * i / 288)) * nextNormal(random),
  "rare demand": (_, random) => nextUniform(random) < 0.05 ? 3 : 0,
  "a value that stands still": () => 7,
};
for (const [name, at] of Object.entries(clean)) {
  Deno.test(`stepSpreadChange() tells next to nothing of ${name}`, () => {
    const alarms = SEEDS.flatMap((seed) => told(series(10_000, seed, at)));
    // A tenth of the wanted rate of 1e-4 over 60,000 samples.
    assert.ok(alarms.length <= 1, `${alarms.length}`);
  });
}

Deno.test("stepSpreadChange() leaves out moves over a gap, and says for how long a change lasts", () => {
  const larger = (i: number, random: RandomState) => (i < CHANGE ? 1 : 9) * nextNormal(random);
  assert.deepEqual(told(series(2 * CHANGE, 1, larger), { dt: 3 }), []);
  const state = initialSpreadChange();
  assert.equal(isSpreadOdd(state), false);
  tellSpreadChange(state, 1);
  assert.equal(isSpreadOdd(state), true);
  const random = seedRandom(1);
  // The past that it is held against never comes to be known.
  for (let i = 0; i < 9 * 32 + 1; i++) {
    stepSpreadChange(state, nextNormal(random), { dt: 1, unit: 1 });
  }
  assert.equal(isSpreadOdd(state), false);
});
