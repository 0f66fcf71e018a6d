import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { UNIT_RATES } from "../../../src/detectors/_helpers/bank.ts";
import {
  initialChannels,
  initialEvidence,
  SCORE_PARTS,
  stepChannel,
} from "../../../src/detectors/_helpers/channel.ts";

const TIME = { dt: 1, rates: UNIT_RATES, isFast: false };

/** A channel after 500 samples of noise, and what a further one gives. */
function settled() {
  const [channel] = initialChannels(0, 1, 1);
  const random = seedRandom(2);
  const out = initialEvidence();
  const take = (value: number) =>
    stepChannel(channel!, value, TIME, new Float64Array(SCORE_PARTS), out);
  for (let i = 0; i < 500; i++) take(20 + nextNormal(random));
  return { channel: channel!, out, take };
}

Deno.test("stepChannel() tells a glitch as large as it is, and learns 100 scales of it", () => {
  const { channel, out, take } = settled();
  take(9_999);
  assert.ok(out.effect > 5_000, `${out.effect}`);
  const { magnitude, scale } = channel.level;
  assert.ok(magnitude > 50 * scale && magnitude < 200 * scale, `${magnitude} of ${scale}`);
});

Deno.test("stepChannel() lets in tenfold with each sample what goes on", () => {
  const { channel, take } = settled();
  for (let i = 0; i < 2; i++) take(9_999);
  assert.ok(channel.level.magnitude < 5_000);
  for (let i = 0; i < 2; i++) take(9_999);
  assert.ok(channel.level.magnitude > 9_900);
});
