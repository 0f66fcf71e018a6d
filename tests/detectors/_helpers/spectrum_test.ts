import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import {
  initialSpectrum,
  oddBandHz,
  SPECTRUM_BLOCK,
  stepSpectrum,
} from "../../../src/detectors/_helpers/spectrum.ts";

const RATE_HZ = 256;
const CHANGE = 200 * SPECTRUM_BLOCK;
const RING = 1_536;

function tone(tick: number, hz: number): number {
  return Math.sin((2 * Math.PI * hz * tick) / RATE_HZ);
}

function told(value: (tick: number, noise: number) => number, seed: number) {
  const random = seedRandom(seed);
  const ring = new Float32Array(RING);
  const state = initialSpectrum();
  const found: { tick: number; bandHz: readonly [number, number] }[] = [];
  for (let tick = 0; tick < 1.5 * CHANGE; tick++) {
    ring[tick % RING] = value(tick, nextNormal(random));
    const surprise = stepSpectrum(state, ring, tick);
    if (surprise >= 4) found.push({ tick, bandHz: oddBandHz(state, 1 / RATE_HZ) });
  }
  return found;
}

const changes: Record<string, readonly [number, (tick: number, noise: number) => number]> = {
  "a tone that appears": [40, (tick, e) => e + (tick < CHANGE ? 0 : 0.7 * tone(tick, 40))],
  "a rhythm that fades": [9, (tick, e) => e + (tick < CHANGE ? 1 : 0) * tone(tick, 9)],
  "a peak that moves": [27, (tick, e) => e + tone(tick, tick < CHANGE ? 19 : 27)],
};
for (const [name, [hz, value]] of Object.entries(changes)) {
  Deno.test(`stepSpectrum() finds ${name}, and says at which frequencies`, () => {
    for (const seed of [1, 2, 3]) {
      const found = told(value, seed);
      const [first] = found;
      assert.ok(first !== undefined, `seed ${seed}: nothing`);
      assert.ok(first.tick >= CHANGE && first.tick < CHANGE + 16 * SPECTRUM_BLOCK, `${first.tick}`);
      const isNamed = found.some(({ bandHz: [least, most] }) => least <= hz && hz <= most);
      assert.ok(isNamed, `seed ${seed}: ${first.bandHz}`);
    }
  });
}

Deno.test("stepSpectrum() says nothing of noise, white or of heavy tails, nor of a click", () => {
  for (const seed of [1, 2, 3]) {
    let level = 0;
    assert.deepEqual(told((_, noise) => noise, seed), []);
    assert.deepEqual(told((_, noise) => noise ** 3, seed), []);
    assert.deepEqual(told((_, noise) => level = 0.95 * level + noise, seed), []);
    assert.deepEqual(told((tick, noise) => noise + (tick === CHANGE ? 50 : 0), seed), []);
  }
});

Deno.test("stepSpectrum() takes a change that lasts as the new past in the end", () => {
  const found = told((tick, noise) => noise + (tick < CHANGE / 2 ? 0 : tone(tick, 40)), 1);
  assert.ok(found.length > 0);
  assert.ok(found.at(-1)!.tick < 1.4 * CHANGE, `still told at ${found.at(-1)!.tick}`);
});

Deno.test("stepSpectrum() says nothing of a channel that never moves", () => {
  assert.deepEqual(told(() => 5, 1), []);
});
