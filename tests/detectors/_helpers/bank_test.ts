import assert from "node:assert/strict";
import {
  bankRates,
  decayRate,
  FLAG_FEATURES,
  initialBank,
  SCORE_FEATURES,
  stepBank,
  stepFlagFeatures,
  UNIT_RATES,
  writeFlagFeatures,
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

Deno.test("stepFlagFeatures() tells a spike whole, forgets it soon, and follows a shift", () => {
  const run = (values: readonly number[]) => {
    const bank = initialBank();
    const out = new Float64Array(FLAG_FEATURES);
    for (const x of values) stepFlagFeatures(bank, x, { rates: UNIT_RATES, reach: 20 }, out);
    return { bank, out: out.slice() };
  };
  const quiet = Array.from({ length: 100 }, (_, i) => i % 2);
  const plain = initialBank();
  const whole = new Float64Array(FLAG_FEATURES);
  for (const x of [...quiet, 200]) stepBank(plain, x, UNIT_RATES);
  writeFlagFeatures(plain, whole);
  const spike = run([...quiet, 200]);
  assert.deepEqual(spike.out, whole);
  // e of tau 64 keeps 20 of the 200.
  assert.ok(spike.bank.averages[5]! < 1 && plain.averages[5]! > 3);
  const shifted = run([...quiet, ...Array(200).fill(200)]);
  assert.ok(shifted.bank.averages[3]! > 150, String(shifted.bank.averages[3]));
});
