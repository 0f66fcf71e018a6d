/** Series for the features' tests, and the comparisons that they share. */
import assert from "node:assert/strict";
import { nextUniform, seedRandom } from "../../../src/base/random.ts";
import { featureStart, takeLead, takeSample } from "../../../src/models/neural/features.ts";
import { leadRows, TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";
import type { Series } from "./_reference.ts";

/** A season, a wandering level and noise at whole slots, or at uneven times with gaps. */
export function drawn(
  seed: number,
  length: number,
  seasons: readonly [number, number],
  uneven = false,
): Series {
  const random = seedRandom(seed);
  const uniform = () => nextUniform(random);
  const times: number[] = [];
  let u = uneven ? 3.3 : 5;
  for (let i = 0; i < length; i++) {
    times.push(u);
    const gap = uniform() < 0.1 ? 1 + 30 * uniform() : 0.3 + 1.4 * uniform();
    u += uneven ? gap : 1;
  }
  let level = 50;
  const period = seasons[0] || 12;
  const values = times.map((time) => {
    level += uniform() - 0.5;
    return level + 5 * Math.sin(2 * Math.PI * time / period);
  });
  return { times, values, seasons };
}

/** All numbers that the network gets of a series: every token, and leads after every tenth. */
export function everything(series: Series, leads: readonly number[] = [1, 5, 12.5, 100]): {
  tokens: Float32Array;
  features: Float32Array;
  anchors: Float32Array;
  scale: Float32Array;
  unit: Float64Array;
} {
  const { times, values } = series;
  const state = featureStart(series.seasons);
  const tokens = new Float32Array(times.length * TOKEN_FEATURES);
  const rows = leadRows(Math.ceil(times.length / 10) * leads.length);
  let row = 0;
  times.forEach((time, i) => {
    takeSample(state, time, values[i]!, tokens, i * TOKEN_FEATURES);
    if (i % 10 !== 0) return;
    for (const lead of leads) takeLead(state, lead, rows, row++);
  });
  const { features, anchors, scale, unit } = rows;
  return { tokens, features, anchors, scale, unit };
}

/** Asserts that two arrays agree to `tolerance`, relative above 1. */
export function near(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / (1 + Math.abs(expected[i]!));
    assert.ok(error <= tolerance, `${what}[${i}]: ${actual[i]} beside ${expected[i]}`);
  }
}
