import assert from "node:assert/strict";
import { findSeason, presumedSeason, seasonsOf } from "../../src/models/season.ts";
import { noise } from "./_series.ts";

const clock = (periodS: number) => ({ originS: 0, periodS, stampsJitter: false });

function wave(length: number, season: number, amplitude: number): Float64Array {
  return noise(length, 31).map((e, i) => amplitude * Math.sin(2 * Math.PI * i / season) + e);
}

Deno.test("findSeason() finds a season, of the calendar or not", () => {
  assert.equal(findSeason(wave(400, 24, 3), 3600), 24);
  assert.equal(findSeason(wave(400, 17, 3), 3600), 17);
  assert.equal(findSeason(wave(120, 12, 3), 2_629_800), 12);
});

Deno.test("findSeason() finds none in noise, trends and walks", () => {
  let level = 0;
  assert.equal(findSeason(noise(500, 8), 3600), 1);
  assert.equal(findSeason(noise(500, 9).map((step) => level += step), 3600), 1);
  assert.equal(findSeason(Float64Array.from({ length: 300 }, (_, i) => i), 3600), 1);
  assert.equal(findSeason(new Float64Array(100).fill(4), 3600), 1);
  assert.equal(findSeason(Float64Array.of(1, 2, 1, 2), 3600), 1);
});

Deno.test("findSeason() is not misled by a spike", () => {
  const values = wave(400, 24, 3);
  values[100] = 1e6;
  assert.equal(findSeason(values, 3600), 24);
});

Deno.test("findSeason() finds a weak week under a wandering level", () => {
  const [steps, errors] = [noise(730, 5), noise(730, 6)];
  let level = 0;
  const values = steps.map((step, i) => {
    level = 0.95 * level + 0.5 * step;
    return level + errors[i]! + (i % 7 < 2 ? 1 : 0);
  });
  const day = 86_400;
  assert.equal(findSeason(values, day), 7);
  // What is no length of the calendar needs more to be believed.
  assert.equal(findSeason(values, 1.3 * day), 1);
});

Deno.test("findSeason() asks less of half a calendar length than of any other", () => {
  // A sample every five minutes, of which a tenth of the variance and more is the wave's.
  const found = (season: number, amplitude: number) =>
    findSeason(wave(600, season, amplitude), 300);
  // Half a day is 144; the autocorrelation of noise moves its peak.
  for (const amplitude of [0.6, 0.65, 0.7]) {
    assert.ok(Math.abs(found(144, amplitude) - 144) <= 2);
    assert.equal(found(100, amplitude), 1);
    assert.equal(found(60, amplitude), 1);
  }
  assert.ok(Math.abs(found(60, 1.5) - 60) <= 2);
});

Deno.test("findSeason() takes few waves without a clock for seasons", () => {
  // y(n) = 1.5 y(n−1) − 0.8 y(n−2) + e: waves of about 11 samples that lose their phase.
  let found = 0;
  for (let seed = 1; seed <= 40; seed++) {
    let [last, before] = [0, 0];
    const values = noise(1000, seed).map((e) => {
      const value = 1.5 * last - 0.8 * before + e;
      [last, before] = [value, last];
      return value;
    });
    if (findSeason(values, 900) > 1) found++;
  }
  // Of these 2 are, with a least peak of 0.15 ten.
  assert.ok(found <= 4, `${found} of 40`);
});

Deno.test("presumedSeason() believes the calendar where values a season apart are alike", () => {
  const [hour, day, month] = [3600, 86_400, 2_629_800];
  // No search can show a season of which fewer than two and a half were seen.
  assert.equal(findSeason(wave(32, 24, 3), hour), 1);
  assert.equal(presumedSeason(wave(32, 24, 3), hour), 24);
  assert.equal(presumedSeason(wave(10, 7, 3), day), 7);
  assert.equal(presumedSeason(wave(17, 12, 3), month), 12);
  assert.equal(presumedSeason(wave(12, 4, 3), 3 * month), 4);
  // Waves that the calendar does not know.
  assert.equal(presumedSeason(wave(40, 17, 3), hour), 1);
  // Before 1.2 and after 4.5 seasons, and where the calendar has none.
  assert.equal(presumedSeason(wave(28, 24, 9), hour), 1);
  assert.equal(presumedSeason(wave(34, 24, 9), hour), 24);
  assert.equal(presumedSeason(wave(108, 24, 3), hour), 24);
  assert.equal(presumedSeason(wave(109, 24, 3), hour), 1);
  assert.equal(presumedSeason(wave(17, 12, 3), 12 * month), 1);
  // A day of five minutes is presumed, one of minutes is too long.
  assert.equal(presumedSeason(wave(500, 288, 3), 300), 288);
  assert.equal(presumedSeason(wave(1900, 1440, 3), 60), 1);
});

Deno.test("presumedSeason() presumes few seasons in noise and in trends", () => {
  const share = (length: number) => {
    let found = 0;
    for (let seed = 1; seed <= 100; seed++) {
      if (presumedSeason(noise(length, seed), 3600) > 1) found++;
    }
    return found / 100;
  };
  for (const length of [34, 48, 72, 100]) {
    assert.ok(share(length) <= 0.15, `${share(length)} at ${length}`);
  }
  assert.equal(presumedSeason(Float64Array.from({ length: 40 }, (_, i) => i), 3600), 1);
  assert.equal(presumedSeason(new Float64Array(40).fill(4), 3600), 1);
});

Deno.test("seasonsOf() presumes a season of a young series, and searches before it does", () => {
  const found = (values: Float64Array) =>
    seasonsOf(values, clock(3600), []).map((one) => one.slots);
  assert.deepEqual(found(wave(36, 24, 3)), [24]);
  assert.deepEqual(found(wave(60, 11, 6)), [11]);
  assert.deepEqual(found(wave(20, 24, 3)), []);
});

Deno.test("seasonsOf() adds the week to the day once 1.9 weeks have been seen", () => {
  const found = (length: number) =>
    seasonsOf(wave(length, 24, 5), clock(3600), []).map((season) => season.slots);
  assert.deepEqual(found(300), [24]);
  assert.deepEqual(found(330), [24, 168]);
});

Deno.test("seasonsOf() takes declared seasons, and a declared period as none", () => {
  const values = wave(400, 24, 5);
  const declared = (seasonsS: number[]) =>
    seasonsOf(values, clock(3600), seasonsS).map((season) => season.length);
  assert.deepEqual(declared([3600]), []);
  assert.deepEqual(declared([10 * 3600]), [10]);
  assert.deepEqual(declared([100 * 3600, 20 * 3600]), [20, 100]);
});

Deno.test("seasonsOf() keeps a fractional season where whole slots would drift", () => {
  const weekly = seasonsOf(wave(520, 365.25 / 7, 5), clock(7 * 86_400), []);
  assert.equal(weekly[0]!.slots, 52);
  assert.ok(Math.abs(weekly[0]!.length - 365.25 / 7) < 1e-9);
});
