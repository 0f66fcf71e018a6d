import assert from "node:assert/strict";
import {
  disturbInto,
  drawReal,
  encodePack,
  parsePack,
} from "../../../datasets/pretraining/real_pack.ts";
import { seedRandom } from "../../../src/base/random.ts";

const entry = (name: string, values: Float32Array, seasons: [number, number] = [24, 168]) => ({
  name,
  source: name.split("/")[0]!,
  licence: "MIT",
  seasons,
  cutAt: null,
  values,
});

const ramp = (count: number, from = 0) => Float32Array.from({ length: count }, (_, i) => from + i);

Deno.test("parsePack() gives back what encodePack() wrote", () => {
  const withGap = ramp(30);
  withGap[4] = NaN;
  const pack = parsePack(encodePack([entry("a/ö", withGap), entry("b/x", ramp(7), [0, 0])]));
  assert.deepEqual(pack.series.map(({ name, count }) => [name, count]), [["a/ö", 30], ["b/x", 7]]);
  assert.deepEqual(pack.values, Float32Array.from([...withGap, ...ramp(7)]));
  assert.deepEqual(pack.offsets, [0, 30]);
  assert.equal(pack.chances.at(-1), 1);
});

Deno.test("parsePack() refuses files that are none, cut short or changed", () => {
  const bytes = encodePack([entry("a/x", ramp(30))]);
  assert.throws(() => parsePack(new Uint8Array(40)), /begins with "DLSERIES"/);
  assert.throws(() => parsePack(bytes.subarray(0, bytes.length - 4)), /bytes of values/);
  const changed = bytes.slice();
  changed[bytes.length - 3]! ^= 1;
  assert.throws(() => parsePack(changed), /sha256 of the values/);
});

Deno.test("drawReal() crops, decimates by means or points, and divides the seasons", () => {
  const pack = parsePack(encodePack([entry("a/x", ramp(10_000))]));
  const rates = new Set<number>();
  let means = 0;
  for (let seed = 0; seed < 200; seed++) {
    const { values, count, seasons } = drawReal(seedRandom(seed), pack, 300);
    assert.equal(count, 300);
    const rate = values[1]! - values[0]!;
    rates.add(rate);
    if (rate === 2 && values[0]! % 1 === 0.5) means++;
    const expected = [24 / rate, 168 / rate].filter((season) => season >= 3);
    assert.deepEqual([...seasons], [expected[0] ?? 0, expected[1] ?? 0]);
  }
  assert.deepEqual([...rates].sort((a, b) => a - b), [1, 2, 3, 4, 6, 7, 12, 24]);
  assert.ok(means > 0);
});

Deno.test("drawReal() makes days of hours and weeks of days, told their own season", () => {
  const days = parsePack(encodePack([entry("a/x", ramp(20_000), [7, 365])]));
  const hours = parsePack(encodePack([entry("a/x", ramp(20_000))]));
  const drawn = (pack: typeof days, rate: number) => {
    for (let seed = 0;; seed++) {
      const { values, seasons } = drawReal(seedRandom(seed), pack, 300);
      if (values[1]! - values[0]! === rate) return seasons;
    }
  };
  assert.deepEqual(drawn(hours, 24), [7, 0]);
  assert.deepEqual(drawn(days, 7).map(Math.round), [52, 0]);
});

Deno.test("drawReal() keeps gaps and short series as they are", () => {
  const short = ramp(50);
  short[7] = NaN;
  const pack = parsePack(encodePack([entry("a/x", short)]));
  const { values, count } = drawReal(seedRandom(1), pack, 300);
  assert.equal(count, 50);
  assert.ok(Number.isNaN(values[7]!) && values[8] === 8);
  assert.ok(values.subarray(50).every(Number.isNaN));
});

Deno.test("drawReal() does not let a long source fill the windows", () => {
  const pack = parsePack(
    encodePack([entry("a/x", ramp(900_000)), entry("b/x", ramp(100_000, -1e6))]),
  );
  let short = 0;
  for (let seed = 0; seed < 1_000; seed++) {
    if (drawReal(seedRandom(seed), pack, 64).values[0]! < 0) short++;
  }
  // Roots of 9 to 1 are 3 to 1, times 0.99 and 0.91: 0.235, with four deviations to each side.
  assert.ok(Math.abs(short - 235) < 54, `${short}`);
});

Deno.test("drawReal() draws a small source so rarely that it is not learnt by heart", () => {
  const pack = parsePack(
    encodePack([entry("a/x", ramp(90_000)), entry("b/x", ramp(1_000, -1e6))]),
  );
  let small = 0;
  for (let seed = 0; seed < 4_000; seed++) {
    if (drawReal(seedRandom(seed), pack, 64).values[0]! < 0) small++;
  }
  // Roots of 90 to 1 are 9.5 to 1, times 0.9 and 0.091: 0.0106, with four deviations.
  assert.ok(Math.abs(small - 42) < 26, `${small}`);
});

Deno.test("disturbInto() changes half of the crops and keeps their gaps", () => {
  let changed = 0;
  for (let seed = 0; seed < 300; seed++) {
    const values = Float64Array.from({ length: 64 }, (_, i) => i === 5 ? NaN : Math.sin(i));
    const before = values.slice();
    disturbInto(seedRandom(seed), { values, count: 64, seasons: [0, 0] });
    assert.ok(Number.isNaN(values[5]!) && Number.isFinite(values[6]!));
    if (values[6] !== before[6]) changed++;
  }
  assert.ok(changed > 115 && changed < 185, `${changed}`);
});
