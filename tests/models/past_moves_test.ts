import assert from "node:assert/strict";
import { pastMoves } from "../../src/models/past_moves.ts";
import { noise } from "./_series.ts";

const LENGTH = 960;
const ASKED = { seasons: [24], horizon: 48, wanted: 400 };
const LEADS = [49, 60, 72, 100, 200, 336, 400];

const day = (i: number) => 5 * Math.sin(2 * Math.PI * i / 24);
const made = (at: (i: number) => number) => Float64Array.from({ length: LENGTH }, (_, i) => at(i));

Deno.test("pastMoves() of a trend is the square of what it rises beyond the horizon", () => {
  const { moveOf, farthest } = pastMoves(made((i) => 0.5 * i + day(i)), LENGTH, ASKED);
  assert.equal(farthest, 408);
  for (const lead of LEADS) {
    const rise = 0.25 * (lead ** 2 - 48 ** 2);
    assert.ok(Math.abs(moveOf(lead) / rise - 1) < 1e-9, `${moveOf(lead)} for ${rise}`);
  }
  // A horizon within the first season: the line goes on below the first lag.
  const short = pastMoves(made((i) => 0.5 * i + day(i)), LENGTH, { ...ASKED, horizon: 8 });
  assert.ok(Math.abs(short.moveOf(12) / (0.25 * (12 ** 2 - 8 ** 2)) - 1) < 1e-9);
});

Deno.test("pastMoves() of a season is nothing, whether noise is on it or not", () => {
  const still = pastMoves(made(day), LENGTH, ASKED);
  assert.ok(LEADS.every((lead) => still.moveOf(lead) < 1e-20));
  const errors = noise(LENGTH, 3);
  const noisy = pastMoves(made((i) => day(i) + errors[i]!), LENGTH, ASKED);
  // Means of 500 pairs or more whose square is 4/π: a tenth of it is some three of their errors.
  assert.ok(LEADS.every((lead) => noisy.moveOf(lead) < 0.13));
});

Deno.test("pastMoves() of a walk is the variance of the steps beyond the horizon", () => {
  let mean = 0;
  for (let seed = 0; seed < 60; seed++) {
    let level = 0;
    const walk = noise(LENGTH, seed).map((step) => level += step);
    mean += pastMoves(walk, LENGTH, { ...ASKED, seasons: [] }).moveOf(200) / 60;
  }
  // mean |·| of a normal is √(2/π) of its deviation. Walks of 960 steps have lags of 200 five times
  // over, so 60 of them tell the mean to a sixth.
  const expected = (200 - 48) * 2 / Math.PI;
  assert.ok(mean > 0.6 * expected && mean < 1.3 * expected, `${mean} for ${expected}`);
});

Deno.test("pastMoves() says no more than the past can tell", () => {
  const rising = made((i) => i);
  const { moveOf, farthest } = pastMoves(rising, 200, ASKED);
  assert.equal(farthest, 96, "half of the past, in whole seasons");
  assert.equal(moveOf(300), moveOf(96));
  const young = pastMoves(rising, 80, ASKED);
  assert.deepEqual([young.farthest, young.moveOf(300)], [48, 0]);
  // A season that the past does not hold twice within its half is passed over.
  const weekly = pastMoves(rising, 400, { ...ASKED, seasons: [24, 168] });
  assert.equal(weekly.farthest, pastMoves(rising, 400, ASKED).farthest);
  assert.equal(pastMoves(rising, LENGTH, { ...ASKED, seasons: [24, 168] }).farthest, 336);
});
