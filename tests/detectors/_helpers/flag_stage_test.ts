import assert from "node:assert/strict";
import { nextUniform, seedRandom } from "../../../src/base/random.ts";
import {
  type FlagRule,
  holdFlag,
  initialFlag,
  LIGHT_TAIL,
  settleFlag,
  stepFlag,
  surpriseOf,
} from "../../../src/detectors/_helpers/flag_stage.ts";

const THRESHOLD = 4;
const LEARN: FlagRule = { threshold: THRESHOLD, isLearned: true, shape: LIGHT_TAIL };

function run(evidence: (i: number) => number, length: number, rule = LEARN) {
  const state = initialFlag();
  const flags: number[] = [];
  const opened: number[] = [];
  const ended: number[] = [];
  for (let i = 0; i < length; i++) {
    const step = { flag: 0, rose: false, ended: false };
    const wasTold = state.told;
    stepFlag(state, evidence(i), rule, step);
    flags.push(step.flag);
    if (step.ended) ended.push(i);
    if (state.told && (!wasTold || step.ended)) opened.push(i);
  }
  return { state, flags, opened, ended };
}

Deno.test("stepFlag() opens one alarm for a long event that keeps rising, and ends it", () => {
  const { flags, opened, ended } = run(
    (i) => (i >= 300 && i < 400 ? 1 + (i - 300) / 50 : 0.1),
    600,
  );
  assert.equal(opened.length, 1);
  assert.equal(flags.filter((flag) => flag >= THRESHOLD).length, 1);
  assert.ok(flags[300]! > 0 && flags[300]! < THRESHOLD);
  assert.ok(flags.slice(opened[0]! + 1).every((flag) => flag === 0));
  // 40 samples after the last rise, which is the event's last sample.
  assert.deepEqual(ended, [399 + 41]);
});

Deno.test("stepFlag() tells an event again only when it has become ten times rarer", () => {
  const { flags } = run((i) => (i >= 300 && i < 400 ? 0.6 + (i - 300) / 200 : 0), 600);
  const said = flags.filter((flag) => flag > 0 && flag < THRESHOLD);
  for (let k = 1; k < said.length; k++) assert.ok(said[k]! >= said[k - 1]! + 1);
});

Deno.test("stepFlag() is silent while it warms up and for weak evidence", () => {
  assert.ok(run(() => 4, 150).flags.every((flag) => flag === 0));
  assert.ok(run(() => 0.5, 1000).flags.every((flag) => flag === 0));
});

Deno.test("stepFlag() tells what comes again with less and less weight, unless told to tell", () => {
  const again = (i: number) => (i >= 1000 && i % 1000 === 0 ? 3 : 0);
  const heights = run(again, 8000).flags.filter((flag) => flag > 0);
  assert.equal(heights.length, 7);
  for (let k = 1; k < heights.length; k++) assert.ok(heights[k]! < heights[k - 1]!);
  // An alarm is no chance yet when it comes again once.
  assert.ok(heights[2]! < THRESHOLD);
  const each = run(again, 8000, { ...LEARN, isLearned: false });
  assert.equal(each.opened.length, 7);
});

Deno.test("stepFlag() lets two events alarm that are further apart than its gap", () => {
  const { opened } = run((i) => (i === 300 ? 2 : i === 380 ? 3.9 : 0), 500);
  assert.deepEqual(opened, [300, 380]);
});

Deno.test("stepFlag() lets the like be told again a few times, and a lesser event soon after", () => {
  const again = (i: number) => (i >= 1000 && i % 1000 === 0 ? 4 : 0);
  const { opened } = run(again, 20_000);
  assert.ok(opened.length >= 2 && opened.length <= 4, `${opened.length} of 19`);
  // What would be left of 4.5 after 100 samples is 3.9, above the second event.
  const { opened: soon } = run((i) => (i === 9000 ? 4.5 : i === 9100 ? 2.5 : 0), 9200);
  assert.deepEqual(soon, [9000, 9100]);
});

Deno.test("holdFlag() goes on with an event that ends as others do", () => {
  const { state } = run(() => 0, 500);
  holdFlag(state);
  const step = { flag: 0, rose: false, ended: false };
  const ended: number[] = [];
  for (let i = 0; i < 100; i++) {
    stepFlag(state, 0, LEARN, step);
    if (step.ended) ended.push(i);
  }
  assert.deepEqual(ended, [41]);
});

Deno.test("surpriseOf() is the rate of past events that were as high, within a factor of 2", () => {
  const random = seedRandom(3);
  const state = initialFlag();
  const step = { flag: 0, rose: false, ended: false };
  // An event each 1,000 samples, heights exponential above 1 with mean 0.3.
  const length = 1_500_000;
  for (let i = 0; i < length; i++) {
    const height = 1 - 0.3 * Math.log(1 - nextUniform(random));
    stepFlag(state, i % 1000 === 999 ? height : 0, LEARN, step);
  }
  for (const height of [1.3, 1.6, 2, 2.5]) {
    const rate = 1e-3 * Math.exp(-(height - 1) / 0.3);
    const ratio = 10 ** -surpriseOf(state, height, LIGHT_TAIL) / rate;
    assert.ok(ratio > 0.5 && ratio < 2, `${ratio} at ${height}`);
  }
});

/** A stream of so many samples with an event of 0.8 to 1.2 each `every` samples. */
function withEvents(every: number, length: number) {
  const rule = { ...LEARN, threshold: Infinity };
  return run((i) => (i % every === 0 ? 0.8 + ((i / every) % 5) / 10 : 0), length, rule).state;
}

Deno.test("surpriseOf() tells a young stream's event less where its tails are heavy", () => {
  const young = withEvents(100, 500);
  const old = withEvents(100, 20_000);
  const heavy = { jumps: 0.3, single: 0 };
  const fall = [young, old].map((state) =>
    surpriseOf(state, 2.4, LIGHT_TAIL) - surpriseOf(state, 2.4, heavy)
  );
  assert.ok(fall[0]! > 0.5, `${fall[0]} while young`);
  assert.ok(fall[1]! > 0 && fall[1]! < fall[0]! / 4, `${fall[1]} of ${fall[0]}`);
  // Where each sample is a chance of its own, that stays.
  const single = surpriseOf(young, 2.4, { jumps: 0.3, single: 0.3 });
  assert.ok(single < surpriseOf(young, 2.4, heavy) - 0.2);
  const mildest = { jumps: 0, single: 0.05 };
  assert.equal(surpriseOf(young, 2.4, mildest), surpriseOf(young, 2.4, LIGHT_TAIL));
});

Deno.test("surpriseOf() takes few events for the sign of a heavy tail", () => {
  // The same heights in either: what lies between is how often they come.
  const slope = (every: number) => {
    const state = withEvents(every, 10 * every + 160);
    return surpriseOf(state, 3.4, LIGHT_TAIL) - surpriseOf(state, 3, LIGHT_TAIL);
  };
  assert.ok(slope(300) < 0.7 * slope(120), `${slope(300)} against ${slope(120)}`);
  // No tail is taken to be heavier than the heaviest of other streams.
  assert.ok(slope(20_000) > 0.9 * slope(2_000));
});

Deno.test("surpriseOf() leaves out what an alarm hides when it counts how often events come", () => {
  // Events each 100 samples, none in the 500 after each of two alarms.
  const hidden = (i: number) => [700, 1400].some((at) => i > at && i <= at + 500);
  const usual = (i: number) => (i % 100 === 0 && !hidden(i) ? 0.8 + ((i / 100) % 5) / 10 : 0);
  const { state, opened } = run((i) => (i === 700 || i === 1400 ? 5 : usual(i)), 2000);
  assert.deepEqual(opened, [700, 1400]);
  const forgotten = { ...state, alarms: 0 };
  const [known, unknown] = [state, forgotten].map((one) => surpriseOf(one, 3, LIGHT_TAIL));
  assert.ok(known! > unknown! + 0.3, `${known} against ${unknown}`);
});

Deno.test("surpriseOf() lets a few odd peaks not make the tail of the others", () => {
  // Twenty usual events, and then two that stand far out, in a stream of 4,000 samples.
  const after = (odd: number) => {
    const usual = (i: number) => i >= 200 && i % 180 === 0 ? 0.8 + ((i / 180) % 5) / 10 : 0;
    const { state } = run((i) => (i === 3_590 || i === 3_770 ? odd : usual(i)), 4_000);
    return 10 ** -surpriseOf(state, 2.2, LIGHT_TAIL);
  };
  // The rate of events is the same: it is the mean excess that could grow, and it is cut.
  assert.ok(after(4.5) < 1.5 * after(2.5), `${after(4.5)} against ${after(2.5)}`);
});

Deno.test("surpriseOf() trusts a stream's own tail the more, the longer its past", () => {
  // The same forty peaks with a tail three times heavier than usual, within 8,000 or 80,000 samples.
  const lightness = (every: number) => {
    const height = (k: number) => 0.7 - 0.6 * Math.log(1 - ((k * 7) % 40 + 0.5) / 40);
    // Peaks only: alarms weigh less.
    const rule = { ...LEARN, threshold: Infinity };
    const at = (i: number) => i > 200 && i % every === 0 ? height(i / every) : 0;
    const { state } = run(at, 41 * every, rule);
    return Math.log(10) * (surpriseOf(state, 3.4, LIGHT_TAIL) - surpriseOf(state, 3, LIGHT_TAIL)) /
      0.4;
  };
  // The slope of −ln p is the inverse of the mean excess: nearer to 1/0.6 with a longer past.
  const [young, old] = [lightness(50), lightness(400)];
  assert.ok(old < young && old > 1 && old < 2.5, `${young}, ${old}`);
});

Deno.test("settleFlag() drops the open event, so that a smaller one opens at once", () => {
  const evidence = (i: number) => i === 1_000 ? 3.4 : i === 1_010 ? 3 : 0;
  const step = { flag: 0, rose: false, ended: false };
  const opens = (isSettled: boolean) => {
    const { state } = run(evidence, 1_005);
    assert.ok(state.told && state.maximum > 3);
    if (isSettled) settleFlag(state);
    stepFlag(state, evidence(1_010), LEARN, step);
    return step.flag >= THRESHOLD;
  };
  assert.deepEqual([opens(false), opens(true)], [false, true]);
  const { state } = run(() => 0, 1_000);
  const before = structuredClone(state);
  settleFlag(state);
  assert.deepEqual(state, before);
});
