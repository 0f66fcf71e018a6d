import assert from "node:assert/strict";
import { breakInto, BREAKS } from "../../../datasets/pretraining/breaks.ts";
import { momentsOf } from "../../../datasets/pretraining/_helpers/series.ts";
import { seedRandom } from "../../../src/base/random.ts";

const LENGTH = 400;
const COUNT = 300;

/** A wave with noise of its own, from a rule so simple that it needs no random numbers. */
const wave = () =>
  Float64Array.from({ length: LENGTH }, (_, i) => Math.sin(i / 7) + 0.2 * ((i * 37 % 19) / 9 - 1));

for (const kind of BREAKS) {
  Deno.test(`breakInto() changes the ${kind} from some slot on, the same for a seed`, () => {
    for (let seed = 0; seed < 20; seed++) {
      const [a, b] = [wave(), wave()];
      breakInto(seedRandom(seed), a, COUNT, kind);
      breakInto(seedRandom(seed), b, COUNT, kind);
      assert.deepEqual(a, b);
      assert.ok(a.every(Number.isFinite));
      const first = a.findIndex((x, i) => x !== wave()[i]);
      assert.ok(first >= 0.1 * COUNT && first < COUNT, `begins at ${first}`);
      assert.deepEqual(a.subarray(COUNT), wave().subarray(COUNT), "nothing beyond the count");
    }
  });
}

Deno.test("breakInto() shifts a level by 0.1 to 2 deviations", () => {
  const { deviation } = momentsOf(wave().subarray(0, COUNT));
  const shifts = Array.from({ length: 60 }, (_, seed) => {
    const values = wave();
    breakInto(seedRandom(seed), values, COUNT, "level");
    return Math.max(...values.map((x, i) => Math.abs(x - wave()[i]!))) / deviation;
  });
  assert.ok(Math.max(...shifts) <= 2 + 1e-9 && Math.max(...shifts) > 1, `${Math.max(...shifts)}`);
  assert.ok(shifts.some((shift) => shift < 0.3));
});

Deno.test("breakInto() keeps the mean course where only the noise changes", () => {
  const values = wave();
  breakInto(seedRandom(4), values, COUNT, "noise");
  const means = [values, wave()].map((x) => momentsOf(x.subarray(0, COUNT)).mean);
  assert.ok(Math.abs(means[0]! - means[1]!) < 0.1, `${means}`);
});

Deno.test("breakInto() lets gaps be, and series too short for a break", () => {
  for (const kind of BREAKS) {
    const gappy = wave();
    gappy.fill(NaN, 0, 5).fill(NaN, 120, 160);
    breakInto(seedRandom(2), gappy, COUNT, kind);
    gappy.forEach((x, i) => assert.equal(Number.isNaN(x), i < 5 || i >= 120 && i < 160));
    const short = wave();
    breakInto(seedRandom(2), short, 23, kind);
    assert.deepEqual(short, wave());
  }
});
