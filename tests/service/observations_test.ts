import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { decimate, readObservations } from "../../src/service/observations.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { openMemoryStore } from "../../src/stores/mod.ts";

function series(length: number): Segment {
  return {
    streamId: "s",
    channels: ["a", "b"],
    timestampsNs: BigInt64Array.from({ length }, (_, i) => BigInt(i) * 1_000_000_000n),
    values: [
      Float64Array.from({ length }, (_, i) => i === 77_777 ? 1e6 : Math.sin(i / 1e3)),
      Float64Array.from({ length }, (_, i) => i % 5 === 0 ? NaN : i),
    ],
  };
}

Deno.test("decimate() keeps first, last and spikes, and no more rows than asked", () => {
  const whole = series(80_000);
  const thin = decimate(whole, 500);
  assert.ok(thin.timestampsNs.length <= 500);
  assert.equal(thin.timestampsNs[0], 0n);
  assert.equal(thin.timestampsNs.at(-1), 79_999_000_000_000n);
  assert.ok(thin.values[0]!.includes(1e6));
  const short = series(100);
  assert.equal(decimate(short, 100), short);
});

Deno.test("decimate() gives every channel its share, of a thousand channels too", () => {
  const length = 50;
  const wide: Segment = {
    streamId: "s",
    channels: Array.from({ length: 30 }, (_, i) => `c${i}`),
    timestampsNs: BigInt64Array.from({ length }, (_, i) => BigInt(i)),
    values: Array.from({ length: 30 }, () => Float64Array.from({ length }, (_, i) => i)),
  };
  assert.ok(decimate(wide, 10).timestampsNs.length <= 10);
});

Deno.test("readObservations() walks a long range page by page", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  const length = 150_000;
  await store.append([series(length)]);
  const range = { fromNs: 0n, toNs: BigInt(length) * 1_000_000_000n, maxPoints: 1_000 };
  const { segment, isDecimated, sampleCount } = await readObservations(store, "s", range);
  assert.equal(sampleCount, length);
  assert.ok(isDecimated);
  assert.ok(segment.timestampsNs.length <= 1_000);
  assert.ok(segment.values[0]!.includes(1e6));
  for (let i = 1; i < segment.timestampsNs.length; i++) {
    assert.ok(segment.timestampsNs[i]! > segment.timestampsNs[i - 1]!);
  }
  const one = await readObservations(store, "s", {
    ...range,
    channels: ["b"],
    toNs: 2_000_000_000n,
  });
  assert.deepEqual(one.segment.channels, ["b"]);
  assert.deepEqual([...one.segment.values[0]!], [NaN, 1, 2]);
  assert.equal(one.isDecimated, false);
  await store.close();
});
