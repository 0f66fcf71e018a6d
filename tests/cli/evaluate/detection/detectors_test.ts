import assert from "node:assert/strict";
import { ONLINE_DETECTORS } from "../../../../src/cli/evaluate/detection/detectors.ts";
import { nextNormal, seedRandom } from "../../../../src/base/random.ts";

const LENGTH = 900;
const random = seedRandom(1);
const noise = Float64Array.from({ length: LENGTH }, () => nextNormal(random));
const timesS = Float64Array.from({ length: LENGTH }, (_, i) => 60 * i);
const given = { seed: 1, falseAlarmRate: 1e-3 };

for (const detector of ONLINE_DETECTORS) {
  Deno.test(`${detector.name} scores a spike highest, and is online`, () => {
    const spiked = noise.with(700, 30);
    const { score } = detector.run(timesS, [spiked], given);
    const highest = score.reduce((best, value, i) => (value > score[best]! ? i : best), 0);
    assert.ok(highest === 700, `${highest}`);
    const other = detector.run(timesS, [spiked.map((x, i) => (i > 750 ? -x : x))], given).score;
    assert.deepEqual(other.subarray(0, 751), score.subarray(0, 751));
    const two = detector.run(timesS, [noise, spiked], given).score;
    assert.ok(two[700]! > 2 * two[600]!);
  });
}

Deno.test("the first detector opens alarms, those beside it only score", () => {
  const [ours, ...simple] = ONLINE_DETECTORS;
  const said = ours!.run(timesS, [noise.with(700, 30)], given);
  assert.ok(said.opened.includes(700) && said.stateBytes! > 1000);
  for (const detector of simple) {
    const { opened, stateBytes } = detector.run(timesS, [noise], given);
    assert.deepEqual([opened, stateBytes], [[], null]);
  }
});
