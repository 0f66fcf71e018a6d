import assert from "node:assert/strict";
import { DELAY_MAX, delayOf, LAG_MAX, lagsOf, NEAR_LAGS } from "../../src/models/delays.ts";
import { noise } from "./_series.ts";

const LENGTH = 600;

/** Noise of 1 and a share of another noise some samples earlier. */
function pair(delay: number, weight: number, seed: number) {
  const [own, covariate] = [noise(LENGTH, seed), noise(LENGTH, seed + 1_000)];
  const rest = own.map((value, t) => value + weight * (t >= delay ? covariate[t - delay]! : 0));
  return { rest, covariate };
}

Deno.test("lagsOf() are the newest and those about a delay, each once", () => {
  assert.deepEqual(lagsOf(0), [0, 1, 2]);
  assert.deepEqual(lagsOf(NEAR_LAGS + 1), [0, 1, 2, 3, 4]);
  assert.deepEqual(lagsOf(24), [0, 1, 2, 23, 24, 25]);
  assert.equal(Math.max(...lagsOf(DELAY_MAX)), LAG_MAX);
});

Deno.test("delayOf() finds a delay within its reach, of either sign", () => {
  for (const delay of [3, 7, 24, DELAY_MAX]) {
    for (const weight of [0.5, -0.5]) {
      const { rest, covariate } = pair(delay, weight, delay);
      assert.equal(delayOf(rest, covariate), delay);
    }
  }
});

Deno.test("delayOf() finds none in what is chance, near or beyond its reach", () => {
  let found = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const { rest, covariate } = pair(0, 0, seed);
    if (delayOf(rest, covariate) !== 0) found++;
  }
  assert.ok(found <= 1, `${found} of 60`);
  for (const delay of [0, NEAR_LAGS, DELAY_MAX + 5]) {
    const { rest, covariate } = pair(delay, 2, 5);
    assert.equal(delayOf(rest, covariate), 0);
  }
});

Deno.test("delayOf() is not led by outliers, and takes what never changes", () => {
  const { rest, covariate } = pair(0, 0, 3);
  covariate[100] = 1e6;
  rest[130] = -1e6;
  assert.equal(delayOf(rest, covariate), 0);
  assert.equal(delayOf(rest, new Float64Array(LENGTH)), 0);
  assert.equal(delayOf(new Float64Array(0), new Float64Array(0)), 0);
});
