import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { changeKind } from "../../../src/detectors/_helpers/change_kind.ts";
import { changeSize, levelShift } from "../../../src/detectors/_helpers/change_past.ts";
import { RING_SIZE } from "../../../src/detectors/_helpers/season.ts";
import type { Reason } from "../../../src/detectors/detector.ts";

const SINCE = 2_000;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

type Value = (since: number, noise: number, tick: number) => number;

interface Given {
  readonly samples?: number;
  /** Ticks from the change to the alarm. */
  readonly delay?: number;
  readonly length?: number;
  /** Correlation of neighbours of the noise. */
  readonly rho?: number;
  readonly since?: number;
}

/** A ring after a change, and where it lies in it. */
function changed(value: Value, seed: number, given: Given) {
  const { samples = 48, delay = 0, length = 0, rho = 0, since = SINCE } = given;
  const ring = new Float32Array(RING_SIZE);
  const random = seedRandom(seed);
  let noise = 0;
  const tick = since + delay + samples - 1;
  for (let at = 0; at <= tick; at++) {
    noise = rho * noise + Math.sqrt(1 - rho * rho) * nextNormal(random);
    ring[at % RING_SIZE] = value(at - since, noise, at);
  }
  return { ring, place: { since: since + delay, tick, length } };
}

function kinds(value: Value, given: Given = {}): (Reason | null)[] {
  return SEEDS.map((seed) => {
    const { ring, place } = changed(value, seed, given);
    return changeKind(ring, place);
  });
}

function assertMost(found: readonly (Reason | null)[], wanted: Reason | null, least = 7): void {
  const right = found.filter((kind) => kind === wanted).length;
  assert.ok(right >= least, `${right} of ${found.length} are ${wanted}: ${found}`);
}

const wave = (tick: number, length: number) => 5 * Math.sin((2 * Math.PI * tick) / length);
const step: Value = (since, noise) => noise + (since < 0 ? 0 : 6);
const ramp: Value = (since, noise) => noise + (since < 0 ? 0 : 0.1 * since);
const spike: Value = (since, noise) => noise + (since === 0 ? 12 : 0);
const spread: Value = (since, noise) => since < 0 ? noise : 3 * noise;

Deno.test("changeKind() tells a level from four samples on, a spike, a drift and a spread", () => {
  for (const rho of [0, 0.5]) {
    assertMost(kinds(step, { samples: 4, rho }), "level");
    assertMost(kinds(step, { rho }), "level");
    assertMost(kinds(ramp, { delay: 40, rho }), "drift");
    assertMost(kinds(spike, { rho }), "spike", 8);
    assertMost(kinds(spread, { rho }), "variance");
    assertMost(kinds((_, noise) => noise, { rho }), null);
  }
});

Deno.test("changeKind() does not call a late alarm of a level a drift", () => {
  assertMost(kinds(step, { delay: 9 }), "level");
});

const seasons: Record<string, (tick: number) => number> = {
  "amplitude": (tick) => 2 * wave(tick, 24),
  "length": (tick) => wave(tick, 18),
  "phase": (tick) => wave(tick + 6, 24),
  "end": () => 0,
};
for (const [name, after] of Object.entries(seasons)) {
  Deno.test(`changeKind() tells another season: its ${name}`, () => {
    const value: Value = (since, noise, tick) => noise + (since < 0 ? wave(tick, 24) : after(tick));
    assertMost(kinds(value, { length: 24, delay: 5 }), "season", 8);
  });
}

Deno.test("changeKind() looks past a season that goes on, also of a length a little off", () => {
  const inSeason = (value: Value): Value => (since, noise, tick) =>
    wave(tick, 96) + value(since, noise, tick);
  for (const length of [95, 96, 97]) {
    assertMost(kinds(inSeason(step), { length, samples: 100 }), "level", 8);
    assertMost(kinds(inSeason(ramp), { length, samples: 100, delay: 40 }), "drift", 8);
    assertMost(kinds(inSeason((_, noise) => noise), { length, samples: 100 }), null, 6);
  }
});

Deno.test("changeKind() calls nothing a drift or a season before most of a cycle was seen", () => {
  const value: Value = (since, noise, tick) =>
    noise + wave(tick, 96) + (since < 0 ? 0 : 0.2 * since);
  for (const kind of kinds(value, { length: 96, samples: 40 })) {
    assert.ok(kind !== "drift" && kind !== "season", `${kind}`);
  }
});

Deno.test("changeKind() does not depend on unit and origin, nor on where the ring begins", () => {
  for (const since of [400, RING_SIZE, 3 * RING_SIZE + 7]) {
    for (const [value, kind] of [[step, "level"], [ramp, "drift"]] as const) {
      const moved: Value = (...given) => 1_000 * value(...given) - 300;
      assertMost(kinds(moved, { since, delay: 8 }), kind);
    }
  }
});

Deno.test("changeKind() says nothing where too little is known of the time before", () => {
  assert.deepEqual(kinds(step, { since: 33 }), SEEDS.map(() => null));
  assertMost(kinds(step, { since: 60 }), "level");
  // Two cycles before the change, two ticks longer each, and the one after it lie in the ring.
  assert.deepEqual(kinds(step, { since: 1_000, length: 499 }), SEEDS.map(() => null));
  assert.deepEqual(kinds(step, { length: 720, samples: 300 }), SEEDS.map(() => null));
});

Deno.test("changeKind() and changeSize() are finite on a series that stands still", () => {
  const { ring, place } = changed(() => 3, 1, {});
  assert.equal(changeKind(ring, place), null);
  assert.equal(changeSize(ring, place, place.since), 0);
});

Deno.test("changeSize() is the distance from what was before, season or not", () => {
  const plain = changed(step, 1, {});
  const size = changeSize(plain.ring, plain.place, plain.place.since);
  assert.ok(Math.abs(size - 6) < 0.5, `${size}`);
  const value: Value = (since, noise, tick) => wave(tick, 24) + step(since, noise, tick);
  const inSeason = changed(value, 1, { length: 24 });
  const last = changeSize(inSeason.ring, inSeason.place, inSeason.place.tick - 15);
  assert.ok(Math.abs(last - 6) < 1, `${last}`);
  assert.equal(changeSize(plain.ring, { ...plain.place, since: 0 }, 0), Infinity);
});

Deno.test("levelShift() is that of a clear level, and 0 of noise and of what wanders", () => {
  for (const seed of SEEDS) {
    const clear = changed(step, seed, {});
    const shift = levelShift(clear.ring, clear.place);
    assert.ok(Math.abs(shift - 6) < 1, `${shift}`);
    const noise = changed((_, e) => e, seed, {});
    assert.equal(levelShift(noise.ring, noise.place), 0);
    const walk = changed(step, seed, { rho: 0.99 });
    assert.equal(levelShift(walk.ring, walk.place), 0);
    assert.equal(levelShift(clear.ring, { ...clear.place, since: 20 }), 0);
  }
});
