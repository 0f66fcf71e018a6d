import assert from "node:assert/strict";
import {
  bankRates,
  decayRate,
  initialBank,
  SCORE_FEATURES,
  stepBank,
  UNIT_RATES,
  writeScoreFeatures,
} from "../../../src/detectors/_helpers/bank.ts";

Deno.test("decayRate() is 1/tau at one period, and two half steps make a whole one", () => {
  for (const tau of [2, 16, 256]) {
    assert.equal(decayRate(tau, 1), 1 / tau);
    const half = 1 - decayRate(tau, 0.5);
    // Two roundings of a power: a few units in the last place.
    assert.ok(Math.abs(half * half - (1 - 1 / tau)) < 1e-15);
    assert.equal(decayRate(tau, 100_000), 1);
  }
});

Deno.test("stepBank() under a held input does not care how the time is cut", () => {
  const whole = initialBank();
  const halves = initialBank();
  for (const bank of [whole, halves]) stepBank(bank, 0, UNIT_RATES);
  stepBank(whole, 3, bankRates(2));
  stepBank(halves, 3, UNIT_RATES);
  stepBank(halves, 3, UNIT_RATES);
  for (let i = 0; i < whole.averages.length; i++) {
    // Rounding of the two ways only.
    assert.ok(Math.abs(whole.averages[i]! - halves.averages[i]!) < 1e-14);
  }
});

Deno.test("writeScoreFeatures() gives bands that sum to the value, and scale-free energies", () => {
  const features = [1, 1024].map((unit) => {
    const bank = initialBank();
    const out = new Float64Array(SCORE_FEATURES);
    for (let i = 0; i < 50; i++) stepBank(bank, unit * Math.sin(i), UNIT_RATES);
    writeScoreFeatures(bank, out);
    return { out, value: unit * Math.sin(49) };
  });
  for (const { out, value } of features) {
    const sum = out.subarray(0, 9).reduce((total, band) => total + band, 0);
    assert.ok(Math.abs(sum - value) < 1e-12 * Math.max(1, Math.abs(value)));
  }
  assert.deepEqual(features[0]!.out.subarray(9), features[1]!.out.subarray(9));
});
