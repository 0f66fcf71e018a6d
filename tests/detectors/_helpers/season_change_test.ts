import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import {
  initialSeasonChange,
  stepSeasonChange,
} from "../../../src/detectors/_helpers/season_change.ts";

const LENGTH = 48;
const CHANGE = 40 * LENGTH;

function wave(tick: number, length = LENGTH): number {
  return Math.sin((2 * Math.PI * tick) / length);
}

/** Where changes are told in a series of 80 cycles; a length may be found later. */
function told(
  value: (tick: number, noise: number) => number,
  { seed = 1, lengthOf = () => LENGTH }: {
    readonly seed?: number;
    readonly lengthOf?: (tick: number) => number;
  } = {},
) {
  const random = seedRandom(seed);
  const state = initialSeasonChange();
  return Array.from({ length: 2 * CHANGE }, (_, tick) => {
    const season = { tick, length: lengthOf(tick) };
    return { tick, surprise: stepSeasonChange(state, value(tick, nextNormal(random)), season) };
  }).filter(({ surprise }) => surprise >= 4);
}

const changes: Record<string, (tick: number) => number> = {
  "its amplitude": (tick) => 8 * wave(tick),
  "its shape": (tick) => 5 * Math.sign(wave(tick, LENGTH / 2)),
  "its end": () => 0,
};
for (const [name, after] of Object.entries(changes)) {
  Deno.test(`stepSeasonChange() tells a change of a season once, three cycles later: ${name}`, () => {
    for (const seed of [1, 2, 3]) {
      const value = (tick: number, noise: number) =>
        noise + (tick < CHANGE ? 5 * wave(tick) : after(tick));
      const found = told(value, { seed });
      assert.equal(found.length, 1, `seed ${seed}`);
      const { tick } = found[0]!;
      assert.ok(tick >= CHANGE + 3 * LENGTH && tick <= CHANGE + 5 * LENGTH, `at ${tick}`);
    }
  });
}

const others: Record<string, (tick: number, noise: number) => number> = {
  "nothing": (tick, noise) => 5 * wave(tick) + noise,
  "a shift of level inside a cycle": (tick, noise) =>
    5 * wave(tick) + noise + (tick < CHANGE + 20 ? 0 : 8),
  "a trend": (tick, noise) => 5 * wave(tick) + noise + 0.05 * Math.max(0, tick - CHANGE),
  "three times the noise": (tick, noise) => 5 * wave(tick) + (tick < CHANGE ? 1 : 3) * noise,
  "one odd cycle": (tick, noise) =>
    noise + (Math.floor(tick / LENGTH) === 40 ? 15 : 5) * wave(tick),
  "weekends of two cycles": (tick, noise) =>
    noise + (Math.floor(tick / LENGTH) % 7 < 5 ? 5 : 2) * wave(tick),
};
for (const [name, value] of Object.entries(others)) {
  Deno.test(`stepSeasonChange() tells no change of a season in ${name}`, () => {
    for (const seed of [1, 2, 3, 4]) assert.deepEqual(told(value, { seed }), []);
  });
}

Deno.test("stepSeasonChange() tells another length where cycles of the old one had been odd", () => {
  const at = CHANGE + 900;
  const value = (tick: number, noise: number) => noise + 5 * wave(tick, tick < CHANGE ? 48 : 31);
  const found = told(value, { lengthOf: (tick) => tick < at ? 48 : 31 });
  assert.deepEqual(found.map(({ tick }) => tick), [at]);
  const clean = (tick: number, noise: number) => noise + 5 * wave(tick);
  for (const length of [31, 47, 96, 0]) {
    assert.deepEqual(told(clean, { lengthOf: (tick) => tick < at ? 48 : length }), []);
  }
});
