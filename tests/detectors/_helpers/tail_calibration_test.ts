import assert from "node:assert/strict";
import { nextNormal, nextUniform, seedRandom } from "../../../src/base/random.ts";
import {
  CALIBRATION_COUNT_MAX,
  CALIBRATION_TOTAL_MAX,
  initialTail,
  stepTail,
  type TailRule,
  tailShape,
  tailShapeBefore,
} from "../../../src/detectors/_helpers/tail_calibration.ts";

const RULES: Record<string, TailRule> = {
  score: { tailShare: 0.1, cap: 30, decluster: true },
  flag: { tailShare: 0.03, cap: 4, decluster: false },
};

const SOURCES: Record<string, (random: Uint32Array) => number> = {
  "half-normal": (random) => Math.abs(nextNormal(random)),
  exponential: (random) => -Math.log(1 - nextUniform(random)),
};

for (const [rule, settings] of Object.entries(RULES)) {
  for (const [source, draw] of Object.entries(SOURCES)) {
    Deno.test(`stepTail() keeps 1 % above u = 2 within a factor 2: ${rule}, ${source}`, () => {
      const random = seedRandom(5);
      const state = initialTail(settings);
      const count = 40_000;
      let above = 0;
      for (let i = 0; i < count; i++) {
        const u = stepTail(state, draw(random), settings);
        if (i >= 1000 && u > 2) above++;
      }
      const share = 100 * above / (count - 1000);
      assert.ok(share > 0.5 && share < 2, `${share} % above u = 2`);
    });
  }
}

Deno.test("stepTail() never falls as the raw score rises", () => {
  const random = seedRandom(6);
  const past = Array.from({ length: 3000 }, () => -Math.log(1 - nextUniform(random)));
  let last = 0;
  for (let raw = 0.01; raw < 1000; raw *= 1.3) {
    const state = initialTail(RULES.score!);
    for (const value of past) stepTail(state, value, RULES.score!);
    const u = stepTail(state, raw, RULES.score!);
    // Inside one bin the tail is constant; the join at the quantile is within a bin's share.
    assert.ok(u > last - 0.05, `${raw}: ${u} after ${last}`);
    last = u;
  }
  assert.ok(last > 4);
});

Deno.test("stepTail() counts a long event once: its score stays high", () => {
  const after = [true, false].map((decluster) => {
    const random = seedRandom(7);
    const rule = { ...RULES.score!, decluster };
    const state = initialTail(rule);
    for (let i = 0; i < 2000; i++) {
      stepTail(state, Math.abs(nextNormal(random)), rule);
    }
    let u = 0;
    for (let i = 0; i < 200; i++) u = stepTail(state, 20, rule);
    return u;
  });
  assert.ok(after[0]! > 2, `declustered ${after[0]}`);
  assert.ok(after[1]! < 1.5, `plain ${after[1]}`);
});

Deno.test("stepTail() halves its counts before 32-bit floats stop counting", () => {
  const state = initialTail(RULES.score!);
  state.total = CALIBRATION_TOTAL_MAX;
  state.counts[90] = CALIBRATION_TOTAL_MAX;
  stepTail(state, 1, RULES.score!);
  assert.equal([...state.counts].reduce((sum, count) => sum + count, 0), state.total);
  assert.ok(Math.abs(state.total - CALIBRATION_TOTAL_MAX / 2) <= 1);
});

Deno.test("stepTail() halves whole counts before 16 bits are full, and keeps single ones", () => {
  const state = initialTail(RULES.flag!);
  stepTail(state, 1e5, RULES.flag!);
  for (let i = 1; i < CALIBRATION_COUNT_MAX; i++) stepTail(state, 1, RULES.flag!);
  assert.equal(state.total, CALIBRATION_COUNT_MAX);
  stepTail(state, 1, RULES.flag!);
  assert.deepEqual([...state.counts.filter((count) => count > 0)], [32_768, 1]);
  assert.equal(state.total, 32_769);
});

Deno.test("tailShape() is small for light tails and near 1/3 for Student's with 3 degrees", () => {
  const random = seedRandom(8);
  const normal = () => nextNormal(random);
  const student = () => normal() / Math.sqrt((normal() ** 2 + normal() ** 2 + normal() ** 2) / 3);
  const [light, heavy] = [normal, student].map((draw) => {
    const state = initialTail(RULES.flag!);
    for (let i = 0; i < 20_000; i++) stepTail(state, Math.abs(draw()), RULES.flag!);
    return tailShape(state, RULES.flag!);
  });
  assert.ok(light! < 0.2 && heavy! > 0.28 && heavy! < 0.45, `${light} and ${heavy}`);
});

Deno.test("tailShape() is hardly changed by a few anomalies far out", () => {
  const shapeOf = (odd: readonly number[]) => {
    const random = seedRandom(9);
    const state = initialTail(RULES.flag!);
    for (let i = 0; i < 3_000; i++) {
      const usual = Math.abs(nextNormal(random));
      stepTail(state, odd.includes(i) ? 200 : usual, RULES.flag!);
    }
    return tailShape(state, RULES.flag!);
  };
  const [usual, odd] = [shapeOf([]), shapeOf([900, 1_500])];
  assert.ok(odd < usual + 0.02, `${odd} against ${usual}`);
});

Deno.test("tailShapeBefore() is the shape before the newest sample, and changes nothing", () => {
  const random = seedRandom(10);
  const state = initialTail(RULES.flag!);
  for (let i = 0; i < 200; i++) stepTail(state, Math.abs(nextNormal(random)), RULES.flag!);
  const before = tailShape(state, RULES.flag!);
  assert.equal(tailShapeBefore(state, 0, RULES.flag!), before);
  stepTail(state, 30, RULES.flag!);
  const [counts, total] = [state.counts.slice(), state.total];
  assert.ok(tailShape(state, RULES.flag!) > before + 0.03);
  assert.equal(tailShapeBefore(state, 30, RULES.flag!), before);
  assert.deepEqual([state.counts, state.total], [counts, total]);
});
