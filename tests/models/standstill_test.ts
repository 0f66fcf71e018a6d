import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { modelNamed } from "../../src/models/mod.ts";
import { emptyBuffer, newestSamples, pushSample } from "../../src/models/sample_buffer.ts";
import { dropStandstill, isWaking, STILL_SAMPLES_KEPT } from "../../src/models/standstill.ts";
import { channel, hours, QUANTILES } from "./_series.ts";

function bufferOf(values: readonly number[]) {
  const buffer = emptyBuffer();
  values.forEach((value, i) => pushSample(buffer, i * 60, value));
  return buffer;
}

Deno.test("dropStandstill() keeps a few of the constant values before those that move", () => {
  const buffer = bufferOf([...Array(40).fill(5), 7, 5, 8]);
  assert.equal(dropStandstill(buffer), true);
  const { times, values } = newestSamples(buffer);
  assert.deepEqual([...values], [...Array(STILL_SAMPLES_KEPT).fill(5), 7, 5, 8]);
  assert.deepEqual(times, values.map((_, i) => (40 - STILL_SAMPLES_KEPT + i) * 60));
  assert.equal(dropStandstill(buffer), false);
});

Deno.test("dropStandstill() lets be what never moved, or moves for as long", () => {
  for (
    const values of [
      Array(40).fill(5),
      Array.from({ length: 40 }, (_, i) => i),
      [...Array(20).fill(0), ...Array.from({ length: 20 }, (_, i) => 1 + i % 3)],
      [0, 0, 0, 0, 0, 3],
    ]
  ) {
    const buffer = bufferOf(values);
    assert.equal(dropStandstill(buffer), false);
    assert.equal(buffer.length, values.length);
  }
});

Deno.test("dropStandstill() keeps the times of samples that are not even", () => {
  const buffer = emptyBuffer();
  const times = Array.from({ length: 30 }, (_, i) => i * 60 + (i % 4));
  times.forEach((time, i) => pushSample(buffer, time, i < 25 ? 1 : i));
  assert.equal(dropStandstill(buffer), true);
  assert.deepEqual([...newestSamples(buffer).times], times.slice(25 - STILL_SAMPLES_KEPT));
});

for (const constant of [0, 5, -273.15, 1 / 3, 1e6 + 0.3]) {
  Deno.test(`a stream that stays at ${constant} is forecast to stay there exactly`, () => {
    for (const name of ["committee", "structural", "mean"]) {
      const model = modelNamed(name);
      const state = model.initialState(channel());
      for (const length of [20, 100]) {
        model.absorb(state, hours(length, state.count), new Float64Array(length).fill(constant));
        const rows = model.forecast(state, hours(30, state.count), QUANTILES);
        assert.ok(rows.every((value) => value === constant), `${name} ${rows}`);
        assert.equal(isWaking(state.ensemble!, constant), false);
        assert.equal(isWaking(state.ensemble!, constant + 1), true);
      }
    }
  });
}

Deno.test("a stream that moves after 450 constant values has intervals that hold at once", () => {
  const model = modelNamed("committee");
  const [inside, seen] = [new Float64Array(4), new Float64Array(4)];
  for (let seed = 1; seed <= 6; seed++) {
    const random = seedRandom(seed);
    const state = model.initialState(channel());
    model.absorb(state, hours(450), new Float64Array(450).fill(5));
    const noise = Float64Array.from({ length: 160 }, () => 5 + nextNormal(random));
    for (let t = 0; t < 148; t++) {
      model.absorb(state, hours(1, 450 + t), noise.subarray(t, t + 1));
      const stage = t < 5 ? 0 : t < 20 ? 1 : t < 60 ? 2 : 3;
      const rows = model.forecast(state, hours(12, 451 + t), Float64Array.of(0.1, 0.9));
      for (let l = 0; l < 12; l++) {
        const value = noise[t + 1 + l]!;
        if (rows[2 * l]! <= value && value <= rows[2 * l + 1]!) inside[stage] = inside[stage]! + 1;
        seen[stage] = seen[stage]! + 1;
      }
    }
  }
  const shares = [...inside].map((count, stage) => count / seen[stage]!);
  // Fitted when the count of values has doubled, they are 0, 0, 0.14 and 0.40.
  assert.ok(shares[0]! > 0.45 && shares[1]! > 0.75, `${shares}`);
  assert.ok(shares[2]! > 0.75 && shares[3]! > 0.75, `${shares}`);
});
