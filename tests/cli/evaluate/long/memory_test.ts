import assert from "node:assert/strict";
import {
  MEMORY_FEATURES,
  memoryFeaturesInto,
  memoryLevel,
  memoryObserve,
  memoryStart,
  memoryWeight,
} from "../../../../src/cli/evaluate/long/memory.ts";
import { uniforms } from "./_series.ts";

function featuresOf(values: readonly number[], samplesADay = 24) {
  const memory = memoryStart(samplesADay, values[0]!);
  for (const value of values) memoryObserve(memory, value);
  const out = new Float64Array(MEMORY_FEATURES);
  memoryFeaturesInto(memory, out, 0);
  return { memory, out };
}

Deno.test("memoryObserve of a constant leaves means at it and no differences", () => {
  const { memory, out } = featuresOf(new Array(2000).fill(4));
  assert.equal(memoryLevel(memory), 4);
  assert.deepEqual([...out.subarray(0, 6)], [0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...out.subarray(-13)], new Array(13).fill(0));
});

Deno.test("memoryFeaturesInto writes what the modes' sums say", () => {
  const next = uniforms(3);
  const values = Array.from({ length: 400 }, () => next());
  const { out } = featuresOf(values);
  const last = values.at(-1)!;
  const decay = Math.exp(-1 / 36);
  const omega = 2 * Math.PI * 3 / 24;
  let re = 0;
  let im = 0;
  values.forEach((value, t) => {
    const age = values.length - 1 - t;
    re += 2 * (1 - decay) * decay ** age * Math.cos(omega * age) * value;
    im += 2 * (1 - decay) * decay ** age * Math.sin(omega * age) * value;
  });
  assert.ok(Math.abs(out[6 + 4]! - re) < 1e-12);
  assert.ok(Math.abs(out[6 + 5]! - im) < 1e-12);
  let mean = values[0]! * Math.exp(-400 / 2);
  values.forEach((value, t) => mean += (1 - Math.exp(-1 / 2)) * Math.exp(-(399 - t) / 2) * value);
  assert.ok(Math.abs(out[0]! - (mean - last)) < 1e-12);
  assert.equal(out[6 + 48], values.at(-2)! - last);
  assert.equal(out[6 + 48 + 11], values.at(-13)! - last);
});

Deno.test("memoryWeight is smaller in loud times", () => {
  const loud = featuresOf(Array.from({ length: 600 }, (_, t) => t % 2 === 0 ? 3 : -3));
  const quiet = featuresOf(Array.from({ length: 600 }, (_, t) => t % 2 === 0 ? 0.1 : -0.1));
  assert.ok(memoryWeight(loud.memory) < memoryWeight(quiet.memory) / 10);
});
