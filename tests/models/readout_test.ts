import assert from "node:assert/strict";
import {
  leadGroups,
  readoutAdd,
  readoutGain,
  readoutLearn,
  readoutStart,
} from "../../src/models/readout.ts";
import { noise } from "./_series.ts";

const KIND = { ridge: 0.01, forgetting: 1 };
const HORIZON = 8;

Deno.test("leadGroups() covers every lead once", () => {
  for (let horizon = 1; horizon <= 100; horizon++) {
    const leads = leadGroups(horizon).flatMap(([from, to]) =>
      Array.from({ length: to - from }, (_, k) => from + k)
    );
    assert.deepEqual(leads, Array.from({ length: horizon }, (_, l) => l));
  }
});

Deno.test("a readout that has learned nothing adds nothing", () => {
  const forecast = Float64Array.from({ length: HORIZON }, (_, l) => l);
  readoutAdd(readoutStart(KIND, 3, HORIZON), Float64Array.of(1, 2, 3), forecast);
  assert.deepEqual([...forecast], [0, 1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("readoutLearn() finds a linear error of each lead, some targets missing", () => {
  const state = readoutStart(KIND, 2, HORIZON);
  const draws = noise(2 * 400, 6);
  const errors = new Float64Array(HORIZON);
  const gain = new Float64Array(2);
  for (let t = 0; t < 400; t++) {
    const x = draws.subarray(2 * t, 2 * t + 2);
    readoutGain(KIND, state, x, gain);
    leadGroups(HORIZON).forEach((group, g) => {
      for (let l = 0; l < HORIZON; l++) errors[l] = (l + 1) * x[0]! - 0.5 * x[1]!;
      if (t % 7 === 0) errors[group[0]] = NaN;
      readoutLearn(state, g, group, x, gain, errors);
    });
  }
  const forecast = new Float64Array(HORIZON);
  readoutAdd(state, Float64Array.of(1, 2), forecast);
  // Missing targets shrink the covariance without moving the weights, which slows learning a bit.
  forecast.forEach((value, l) => assert.ok(Math.abs(value - l) < 0.25 + 0.01 * l, `${value}`));
});

Deno.test("readoutLearn() is not thrown off by one wild target", () => {
  const learned = (wild: number) => {
    const state = readoutStart({ ridge: 1, forgetting: 1 }, 1, 1);
    const gain = new Float64Array(1);
    for (let t = 0; t < 60; t++) {
      const error = t === 50 ? wild : t % 2 === 0 ? 1 : -1;
      readoutGain(KIND, state, Float64Array.of(1), gain);
      readoutLearn(state, 0, [0, 1], Float64Array.of(1), gain, Float64Array.of(error));
    }
    return state.weights[0]!;
  };
  assert.equal(learned(1e6), learned(1e9));
  assert.ok(Math.abs(learned(1e9)) < 0.1);
});
