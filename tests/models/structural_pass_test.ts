import assert from "node:assert/strict";
import { layOutPass, type PassArrays, passUnit } from "../../src/device/mod.ts";
import { setTransition, structuralModel } from "../../src/models/structural.ts";
import { seasonRows } from "../../src/models/structural_fit.ts";
import { structuralLayout, THETA } from "../../src/models/structural_layout.ts";
import {
  passArrays,
  passWidth,
  plainPass,
  runPass,
  setPassTransition,
  startPass,
} from "../../src/models/structural_pass.ts";
import { KINDS, STEADY } from "./_kinds.ts";
import { seasonalWalk } from "./_series.ts";

const LENGTH = 260;
const DAY = { length: 24, slots: 24 };
const WEEK = { length: 168, slots: 168 };

function apart(length: number, width: number): PassArrays {
  const f64 = (count: number) => new Float64Array(count);
  const f32 = (count: number) => new Float32Array(count);
  return layOutPass({ f64, f32 }, length, width);
}

const CASES = [
  ["steady", []],
  ["trend", []],
  ["log_far", [{ length: 5, slots: 5 }]],
  ["trend", [DAY]],
  ["log_far", [DAY, WEEK]],
] as const;

for (const [name, seasons] of CASES) {
  Deno.test(`runPass() of ${name} over ${seasons.length} seasons is plainPass() bit for bit`, () => {
    const layout = structuralLayout(KINDS[name], seasons);
    const us = Float64Array.from({ length: LENGTH }, (_, i) => i);
    const theta = new Float64Array(THETA.size);
    theta.set([-1, -2, 0.9, -0.5, -0.5, -3, -5]);
    const model = structuralModel(layout, theta);
    const width = passWidth(layout);
    const values = seasonalWalk(LENGTH, 4).map((value, i) => i === 99 ? 1e3 : value / 8);
    const fast = passArrays(LENGTH, width);
    assert.ok(passUnit()!.has(fast));
    const plain = apart(LENGTH, width);
    for (const arrays of [fast, plain]) {
      arrays.seasons.set(seasonRows(layout, us));
      arrays.values.set(values);
      startPass(arrays, model, 6);
      setTransition(model, 1);
      setPassTransition(arrays, model);
    }
    assert.equal(runPass(fast, 0, 200), 200);
    assert.equal(plainPass(plain, 0, 200), 200);
    for (const arrays of [fast, plain]) {
      setTransition(model, 2.5);
      setPassTransition(arrays, model);
    }
    assert.equal(runPass(fast, 200, LENGTH), LENGTH);
    assert.equal(plainPass(plain, 200, LENGTH), LENGTH);
    for (const key of ["variances", "mean", "cov", "column", "model"] as const) {
      assert.ok(fast[key].every((value, i) => value === plain[key][i]), key);
    }
  });
}

Deno.test("runPass() stops where an innovation is no number", () => {
  const layout = structuralLayout(STEADY, []);
  const theta = new Float64Array(THETA.size);
  for (const arrays of [passArrays(5, 0), apart(5, 0)]) {
    const model = structuralModel(layout, theta);
    arrays.values.set([1, 2, Infinity, 3, 4]);
    startPass(arrays, model, 0);
    setTransition(model, 1);
    setPassTransition(arrays, model);
    assert.equal(runPass(arrays, 0, 5), 2);
  }
});
