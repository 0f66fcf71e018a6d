import assert from "node:assert/strict";
import { irregular, planted, randomWalk, seasonal } from "../../datasets/synthetic.ts";

Deno.test("seasonal() draws the stated noise round the stated season", () => {
  const options = { seed: 7, length: 4_800, level: 10, amplitude: 4, rise: 0 };
  const clean = seasonal({ ...options, noise: 0 }).values[0]!;
  const noisy = seasonal({ ...options, noise: 0.5 }).values[0]!;
  assert.equal(clean[24]!.toFixed(9), clean[0]!.toFixed(9));
  let squares = 0;
  for (let i = 0; i < clean.length; i++) squares += (noisy[i]! - clean[i]!) ** 2;
  // The standard deviation of 4,800 draws lies within 5 of its standard errors, 0.5/sqrt(9600).
  assert.ok(Math.abs(Math.sqrt(squares / clean.length) - 0.5) < 0.026);
});

Deno.test("seasonal() depends on its seed and on nothing else", () => {
  const draw = (seed: number) => seasonal({ seed, length: 50 });
  assert.deepEqual(draw(3), draw(3));
  assert.notDeepEqual(draw(3).values, draw(4).values);
});

Deno.test("randomWalk() moves by steps of the stated scale", () => {
  const column = randomWalk({ seed: 2, length: 5_000, scale: 3 }).values[0]!;
  let squares = 0;
  for (let i = 1; i < column.length; i++) squares += (column[i]! - column[i - 1]!) ** 2;
  // As above: 5 standard errors of a standard deviation of 3 over 5,000 draws.
  assert.ok(Math.abs(Math.sqrt(squares / (column.length - 1)) - 3) < 0.15);
});

Deno.test("irregular() drops the stated share and keeps the order", () => {
  const whole = seasonal({ seed: 5, length: 5_000 });
  const segment = irregular(whole, { seed: 6, dropShare: 0.2, jitterShare: 0.5 });
  const share = 1 - segment.timestampsNs.length / 5_000;
  // 5 standard errors of a share of 0.2 over 5,000 draws.
  assert.ok(Math.abs(share - 0.2) < 0.029, `${share} dropped`);
  for (let i = 1; i < segment.timestampsNs.length; i++) {
    assert.ok(segment.timestampsNs[i]! > segment.timestampsNs[i - 1]!);
  }
});

Deno.test("planted() changes the samples that it names and no others", () => {
  const options = { seed: 9, length: 1_000 };
  const clean = seasonal(options).values[0]!;
  const { segment, anomalies } = planted(options);
  const touched = new Set<number>();
  for (const { index, length } of anomalies) {
    for (let i = 0; i < length; i++) touched.add(index + i);
  }
  assert.equal(anomalies.length, 4);
  segment.values[0]!.forEach((value, i) => {
    if (!touched.has(i)) assert.equal(value, clean[i], `sample ${i} was changed`);
  });
  assert.ok(Math.abs(segment.values[0]![anomalies[0]!.index]! - clean[anomalies[0]!.index]!) > 8);
});
