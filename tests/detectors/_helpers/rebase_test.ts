import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../../src/base/random.ts";
import { copyTree } from "../../../src/base/tree.ts";
import { UNIT_RATES } from "../../../src/detectors/_helpers/bank.ts";
import {
  type ChannelState,
  initialChannels,
  initialEvidence,
  SCORE_PARTS,
  stepChannel,
} from "../../../src/detectors/_helpers/channel.ts";
import { keepChannel, rebaseChannel } from "../../../src/detectors/_helpers/rebase.ts";

const AT = 1_200;
const AFTER = 60;
const TIME = { dt: 1, rates: UNIT_RATES, isFast: false };

function feed(channel: ChannelState, values: Float64Array): Float64Array {
  const evidence = initialEvidence();
  for (const x of values) stepChannel(channel, x, TIME, new Float64Array(SCORE_PARTS), evidence);
  return evidence.parts.slice();
}

function stream(shift: number, seed = 3): Float64Array {
  const random = seedRandom(seed);
  return Float64Array.from(
    { length: AT + 2 * AFTER },
    (_, i) => 10 + nextNormal(random) + (i < AT ? 0 : shift),
  );
}

/** A channel that has seen a shift, kept where it began. */
function shifted(shift: number) {
  const values = stream(shift);
  const [channel] = initialChannels(0, 1, 5) as [ChannelState];
  feed(channel, values.subarray(0, AT + 1));
  keepChannel(channel);
  feed(channel, values.subarray(AT + 1, AT + AFTER));
  return { values, channel, place: { since: AT, tick: AT + AFTER - 1, length: 0 } };
}

Deno.test("rebaseChannel() makes a channel look as if there had been no shift", () => {
  const { values, channel, place } = shifted(12);
  const before = copyTree(channel);
  assert.ok(rebaseChannel(channel, place));
  assert.ok(Math.abs(channel.base - 12) < 0.5, `${channel.base}`);
  assert.equal(channel.position, before.position);
  assert.equal(channel.season.tick, before.season.tick);
  const [plain] = initialChannels(0, 1, 5) as [ChannelState];
  const same = stream(0);
  feed(plain, same.subarray(0, AT + AFTER));
  // Averages, what was learned of them and the ring are those of a stream without the shift.
  for (const [i, average] of channel.flagBank.averages.entries()) {
    assert.ok(Math.abs(average - plain.flagBank.averages[i]!) < 0.5, `${i}: ${average}`);
  }
  const spread = (of: ChannelState) => of.subspace.squares[5]! / of.subspace.count;
  assert.ok(spread(channel) < 1.5 * spread(plain) && spread(before) > 5 * spread(plain));
  for (let i = -AFTER; i < AFTER; i++) {
    assert.ok(Math.abs(channel.season.ring[AT + i]! - plain.season.ring[AT + i]!) < 0.5);
  }
  // A further shift is a slow change that stands out, which the first one hid.
  const further = values.subarray(AT + AFTER, AT + AFTER + 20).map((x) => x + 5);
  const [now, hidden] = [feed(channel, further)[3]!, feed(before, further)[3]!];
  assert.ok(now > 2.5 && hidden < 2, `${now} ${hidden}`);
});

Deno.test("rebaseChannel() leaves the scores and their tails as they are", () => {
  const { channel, place } = shifted(12);
  const before = copyTree(channel);
  rebaseChannel(channel, place);
  assert.deepEqual(channel.bank, before.bank);
  assert.deepEqual(channel.mahalanobis, before.mahalanobis);
  assert.deepEqual(channel.slowLevel, before.slowLevel);
  for (const i of [0, 1, 2, 9]) assert.deepEqual(channel.tails[i], before.tails[i]);
  assert.notDeepEqual(channel.tails[5], before.tails[5]);
});

Deno.test("rebaseChannel() refuses a shift that is not clear, and leaves the channel", () => {
  const { channel, place } = shifted(1);
  const before = copyTree(channel);
  assert.equal(rebaseChannel(channel, place), false);
  assert.deepEqual(channel, { ...before, kept: null });
});

/** What a channel may go through while an alarm is open, by samples since it opened. */
const CHANGES: Record<string, (x: number, i: number) => number> = {
  noise: (x) => x,
  shift: (x) => x + 9,
  "shift there and back": (x, i) => x + (i < 40 ? 9 : 0),
  variance: (x) => 9 + 4 * x,
  "another season": (x, i) => 9 + x + 4 * Math.sin(i / 2),
  drift: (x, i) => x + 0.2 * i,
};

Deno.test("rebaseChannel() goes back to what a whole copy would, whatever came since", () => {
  let rebased = 0;
  let replaced = 0;
  for (const [k, [name, change]] of Object.entries(CHANGES).entries()) {
    // Before and after the reservoirs are full, and where most of them is replaced since.
    for (const [since, after] of [[150, 60], [240, 90], [300, 900], [1_400, 400]] as const) {
      const random = seedRandom(10 * since + k);
      const season = k % 2 === 0 ? 0 : 3;
      const values = Float64Array.from({ length: since + after }, (_, i) => {
        const x = nextNormal(random) + season * Math.sin(2 * Math.PI * i / 24);
        return i < since ? x : change(x, i - since);
      });
      const [channel] = initialChannels(0, 1, since) as [ChannelState];
      feed(channel, values.subarray(0, since + 1));
      const before = copyTree(channel);
      keepChannel(channel);
      let other = channel;
      for (let i = since + 1; i < values.length; i++) {
        feed(other, values.subarray(i, i + 1));
        if (i % 17 === 0) other = copyTree(other);
      }
      replaced += other.kept!.level.slots.length;
      const whole = copyTree(other);
      whole.level.values.set(before.level.values);
      whole.remainderLevel.values.set(before.remainderLevel.values);
      keepChannel(before);
      whole.kept = before.kept;
      const place = { since, tick: other.season.tick, length: 0 };
      const isRebased = rebaseChannel(other, place);
      assert.equal(rebaseChannel(whole, place), isRebased);
      if (!isRebased) continue;
      rebased++;
      assert.deepEqual(other, whole, `${name} at ${since}`);
    }
  }
  assert.ok(rebased > 8 && replaced > 1_000, `${rebased} ${replaced}`);
});
