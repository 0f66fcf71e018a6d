import assert from "node:assert/strict";
import { leadScale } from "../../src/models/calibration.ts";
import { calibrate } from "../../src/models/calibrate.ts";
import type { PastForecast } from "../../src/models/past_forecast.ts";
import {
  RATIO_MAX,
  SHARE_MAX,
  spreadFactor,
  spreadShares,
  usualSpreads,
} from "../../src/models/disagreement.ts";
import { noise } from "./_series.ts";

const HORIZON = 12;

/** Forecasts whose members lie `spreadOf(origin)` apart, and their errors. */
function pastOf(
  count: number,
  spreadOf: (origin: number) => number,
  errorOf: (origin: number, draw: number) => number,
): PastForecast[] {
  const draws = noise(count * HORIZON, 21);
  return Array.from({ length: count }, (_, o) => ({
    slot: o * 4,
    point: new Float32Array(HORIZON),
    spread: new Float32Array(HORIZON).fill(spreadOf(o)),
    size: new Float32Array(HORIZON).fill(10),
    errors: Float64Array.from({ length: HORIZON }, (_, l) => errorOf(o, draws[o * HORIZON + l]!)),
  }));
}

Deno.test("usualSpreads() is the median of past disagreement", () => {
  const past = pastOf(5, (origin) => [1, 2, 3, 4, 1000][origin]!, () => 0);
  assert.deepEqual([...usualSpreads(past, HORIZON)], new Array(HORIZON).fill(3));
  assert.deepEqual([...usualSpreads([], 3)], [0, 0, 0]);
});

Deno.test("spreadFactor() is 1 at the usual disagreement, and hardly moves on noise", () => {
  const [noisy, half, whole] = spreadShares(
    Float64Array.of(0.1, 1, 1),
    Float64Array.of(1, 1.75, 0),
  );
  assert.ok(Math.abs(half! - 0.5) < 1e-12);
  for (const share of [noisy!, half!, whole!]) {
    assert.ok(Math.abs(spreadFactor(share, 7, 7) - 1) < 1e-12);
  }
  // Twice the usual disagreement of a tenth of the errors is no news, twice that of two thirds is.
  assert.ok(spreadFactor(noisy!, 0.1, 0.2) < 1.05);
  assert.ok(Math.abs(spreadFactor(half!, 1, 2) - Math.sqrt(2.5)) < 1e-12);
  assert.equal(spreadFactor(half!, 0, 5), 1);
});

Deno.test("spreadFactor() stays finite and above 0 beyond its limits", () => {
  const [share] = spreadShares(Float64Array.of(1), Float64Array.of(0));
  assert.equal(share, SHARE_MAX);
  assert.ok(Math.abs(spreadFactor(share!, 1, 0) - Math.sqrt(1 - SHARE_MAX)) < 1e-12);
  assert.equal(spreadFactor(share!, 1, 1e9), spreadFactor(share!, 1, RATIO_MAX));
});

Deno.test("calibrate() finds one size of errors where part of them is the members' distance", () => {
  const COUNT = 400;
  const wander = noise(COUNT, 5);
  const spreadOf = (origin: number) => Math.exp(0.7 * wander[origin]!);
  const deviation = (origin: number) => Math.sqrt(4 + (1.5 * spreadOf(origin)) ** 2);
  const past = pastOf(COUNT, spreadOf, (origin, draw) => deviation(origin) * draw);
  const { usualSpread, spreadShare } = calibrate(past, HORIZON, 2, 0, 1, 4 * COUNT);
  const sizes = [0, 0];
  const undivided = [0, 0];
  past.forEach(({ errors }, o) => {
    const half = wander[o]! > 0 ? 1 : 0;
    const factor = spreadFactor(spreadShare[3]!, usualSpread[3]!, spreadOf(o));
    const count = wander.filter((value) => (value > 0 ? 1 : 0) === half).length * HORIZON;
    for (const error of errors) {
      sizes[half] = sizes[half]! + Math.abs(error) / factor / count;
      undivided[half] = undivided[half]! + Math.abs(error) / count;
    }
  });
  // Beyond four usual distances an error grows on and the factor does not.
  assert.ok(undivided[1]! / undivided[0]! > 1.6);
  assert.ok(Math.abs(sizes[1]! / sizes[0]! - 1) < 0.08, `${sizes}`);
  // Where the distance says nothing of the errors and is small beside them, sizes stay theirs.
  const plain = pastOf(COUNT, (origin) => 0.1 * spreadOf(origin), (_, draw) => 3 * draw);
  const without = plain.map((one) => ({ ...one, spread: new Float32Array(HORIZON) }));
  const [told, untold] = [plain, without].map((one) =>
    leadScale(calibrate(one, HORIZON, 3, 0, 1, 4 * COUNT), 5)
  );
  assert.ok(Math.abs(told! / untold! - 1) < 0.01, `${told} beside ${untold}`);
});
