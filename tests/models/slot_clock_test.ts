import assert from "node:assert/strict";
import { nextUniform, seedRandom } from "../../src/base/random.ts";
import { fitSlotClock, sampleSlotTime, slotTime } from "../../src/models/slot_clock.ts";

Deno.test("fitSlotClock() keeps even times exact", () => {
  const times = Float64Array.from({ length: 50 }, (_, i) => 100 + i / 128);
  const clock = fitSlotClock(times);
  times.forEach((time, i) => assert.equal(slotTime(clock, time), i));
});

Deno.test("fitSlotClock() numbers jittered, gappy samples as they were taken", () => {
  const random = seedRandom(5);
  const slots: number[] = [];
  const times: number[] = [];
  for (let slot = 0; slot < 1500; slot++) {
    const jitter = 0.6 * (nextUniform(random) - 0.5);
    if (nextUniform(random) < 0.2 || (slot > 700 && slot < 760)) continue;
    slots.push(slot);
    times.push(5000 + 60 * (slot + jitter));
  }
  const clock = fitSlotClock(Float64Array.from(times));
  assert.ok(Math.abs(clock.periodS / 60 - 1) < 1e-4, `${clock.periodS}`);
  const first = Math.round(slotTime(clock, times[0]!)) - slots[0]!;
  times.forEach((time, i) => assert.equal(Math.round(slotTime(clock, time)) - first, slots[i]));
});

Deno.test("fitSlotClock() makes slots of calendar months", () => {
  const starts = Array.from({ length: 60 }, (_, i) => Date.UTC(2019, i, 1) / 1000);
  const clock = fitSlotClock(Float64Array.from(starts));
  assert.ok(Math.abs(clock.periodS / (365.25 * 86_400 / 12) - 1) < 2e-3);
  const first = Math.round(slotTime(clock, starts[0]!));
  starts.forEach((start, i) => assert.equal(Math.round(slotTime(clock, start)) - first, i));
});

Deno.test("sampleSlotTime() is whole where only the stamps jitter", () => {
  const clock = { originS: 0, periodS: 10, stampsJitter: true };
  assert.equal(sampleSlotTime(clock, 33), 3);
  assert.equal(slotTime(clock, 33), 3.3);
  assert.equal(sampleSlotTime({ ...clock, stampsJitter: false }, 33), 3.3);
});
