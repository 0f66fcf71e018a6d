import assert from "node:assert/strict";
import { initialSpreadChange } from "../../../src/detectors/_helpers/spread_change.ts";
import { nextNormal, nextUniform, seedRandom } from "../../../src/base/random.ts";
import { initialTrack, openTrack } from "../../../src/detectors/_helpers/event_track.ts";
import {
  endFaults,
  FAULTS,
  type FaultStep,
  initialChannelFaults,
  initialFaults,
  isFaulty,
  isTold,
  recordSurprise,
  stepChannelFaults,
  stepClock,
  tellFault,
} from "../../../src/detectors/_helpers/faults.ts";
import { DEFAULT_FLAG_OPTIONS, type FlagEvent } from "../../../src/detectors/detector.ts";

const RULE = { threshold: 4, isLearned: true };

/** Feeds values at a step of 1, or of `dts`; returns what was said, by sample. */
function said(values: ArrayLike<number>, dts: (i: number) => number = () => 1, motion = 1) {
  const state = initialChannelFaults();
  const all: ({ i: number } & FaultStep)[] = [];
  for (let i = 0; i < values.length; i++) {
    const out = { stuck: 0, silent: 0, quiet: 0 };
    stepChannelFaults(state, { value: values[i]!, dt: dts(i), motion }, RULE, out);
    if (out.stuck > 0 || out.silent > 0 || out.quiet > 0) all.push({ i, ...out });
  }
  return { state, all };
}

function noise(length: number, seed = 1): Float64Array {
  const random = seedRandom(seed);
  return Float64Array.from({ length }, () => nextNormal(random));
}

Deno.test("recordSurprise() is that of a record, which falls by four where it is twice as long", () => {
  assert.equal(recordSurprise(10, 6, 999), 0);
  const [once, twice] = [recordSurprise(12, 6, 999), recordSurprise(24, 6, 999)];
  assert.ok(Math.abs(once - (3 + 2 * Math.log10(2))) < 1e-12);
  assert.ok(Math.abs(twice - once - Math.log10(4)) < 1e-12);
});

Deno.test("stepChannelFaults() finds a stuck value once, and only where it does not belong", () => {
  const stuck = said(noise(2000).map((x, i) => (i >= 1000 && i < 1100 ? 0.5 : x)));
  assert.equal(stuck.all.length, 1);
  assert.ok(stuck.all[0]!.i >= 1007 && stuck.all[0]!.i < 1020 && stuck.all[0]!.stuck >= 4);
  assert.deepEqual(said(new Float64Array(5000).fill(3)).all, []);
  // A value that stands still for 100 samples again and again.
  assert.deepEqual(
    said(Float64Array.from({ length: 5000 }, (_, i) => Math.floor(i / 100))).all,
    [],
  );
});

Deno.test("stepChannelFaults() finds missing values as they stay away, and a gap at its end", () => {
  const missing = said(noise(1500).map((x, i) => (i >= 1000 && i < 1050 ? NaN : x)));
  assert.equal(missing.all.length, 1);
  assert.ok(missing.all[0]!.i < 1006 && missing.all[0]!.silent >= 4);
  const gap = said(noise(1500), (i) => (i === 1000 ? 40 : 1));
  assert.deepEqual(gap.all.map(({ i }) => i), [1000]);
});

Deno.test("stepChannelFaults() says nothing of random losses at a fifth of the samples", () => {
  const random = seedRandom(7);
  const values = noise(30_000, 5).map((x) => (nextUniform(random) < 0.2 ? NaN : x));
  const { all } = said(values);
  // Nominal is three in 30,000 samples.
  assert.ok(all.length <= 6, `${all.length} faults`);
});

Deno.test("stepChannelFaults() finds a value that hardly moves, from blocks that are over", () => {
  const state = initialChannelFaults();
  const at: number[] = [];
  const values = noise(3000, 3);
  for (let i = 0; i < 3000; i++) {
    const out = { stuck: 0, silent: 0, quiet: 0 };
    const motion = i < 2000 ? 1 + 0.1 * values[i]! : Math.max(0.05, 0.9 ** (i - 2000));
    stepChannelFaults(state, { value: values[i]!, dt: 1, motion }, RULE, out);
    if (out.quiet > 0) at.push(i);
  }
  assert.equal(at.length, 1);
  assert.ok(at[0]! > 2000 && at[0]! < 2040);
});

Deno.test("stepClock() tells the first fault of a clock, and less of each more", () => {
  const state = initialFaults();
  for (let i = 0; i < 1000; i++) assert.equal(stepClock(state, false), 0);
  const first = stepClock(state, true);
  assert.ok(first > 4);
  assert.ok(stepClock(state, true) < first - 1);
  assert.equal(stepClock(initialFaults(), true), 0);
});

function tell(options = DEFAULT_FLAG_OPTIONS) {
  const events: FlagEvent[] = [];
  const told = (index: number) => ({
    moment: { index, timeS: index },
    options,
    counter: { events: 0 },
    events,
  });
  return { events, told };
}

Deno.test("tellFault() opens one alarm a kind, which takes in channels and ends in time", () => {
  const state = initialFaults();
  const { events, told } = tell();
  const channels = [0, 1].map(() => ({
    faults: initialChannelFaults(),
    spectrum: null,
    spreadChange: initialSpreadChange(),
  }));
  channels[0]!.faults.isStuck = true;
  const fault = { kind: "stuck", surprise: 5, channels: [0] } as const;
  assert.equal(tellFault(state, fault, initialTrack(), told(10)), 5);
  assert.equal(tellFault(state, { ...fault, channels: [1] }, initialTrack(), told(11)), 0);
  assert.ok(isFaulty(state, 0) && isFaulty(state, 1) && !isFaulty(state, 2));
  for (let i = 12; i < 100; i++) endFaults(state, channels, told(i));
  assert.equal(events.length, 1, "it is still stuck");
  channels[0]!.faults.isStuck = false;
  for (let i = 100; i < 200; i++) endFaults(state, channels, told(i));
  const ends = events.filter(({ phase }) => phase === "end");
  assert.deepEqual(ends.map(({ index, channels }) => [index, channels]), [[140, [0, 1]]]);
  assert.ok(FAULTS.every((kind) => !state[kind].track.isOpen));
});

Deno.test("tellFault() gives its reason to an alarm that is open on the same channel", () => {
  const state = initialFaults();
  const { events, told } = tell();
  const open = (channels: readonly number[]) => {
    const track = initialTrack();
    const opening = { surprise: 4, score: 1, reason: "spike", channels } as const;
    openTrack(track, opening, { index: 0, timeS: 0 }, { events: 0 });
    return track;
  };
  const evidence = open([2]);
  const fault = { kind: "stuck", surprise: 6, channels: [2] } as const;
  assert.equal(tellFault(state, fault, evidence, told(5)), 0);
  assert.deepEqual([evidence.reason, evidence.peak, events.length], ["stuck", 6, 0]);
  assert.equal(tellFault(state, fault, open([1]), told(6)), 6);
});

Deno.test("tellFault() tells a changed spread as a variance, unless an alarm is open there", () => {
  const state = initialFaults();
  const { events, told } = tell();
  const evidence = initialTrack();
  const opening = { surprise: 4, score: 1, reason: "season", channels: [2] } as const;
  openTrack(evidence, opening, { index: 0, timeS: 0 }, { events: 0 });
  const fault = { kind: "spread", surprise: 6, channels: [2] } as const;
  assert.equal(tellFault(state, fault, evidence, told(5)), 0);
  assert.deepEqual([evidence.reason, evidence.peak, events.length], ["season", 4, 0]);
  assert.equal(tellFault(state, { ...fault, channels: [1] }, evidence, told(6)), 6);
  assert.deepEqual(events.map(({ reason, channels }) => [reason, channels]), [["variance", [1]]]);
  assert.ok(isTold(state, 1, "variance") && !isTold(state, 1, "spike") && !isFaulty(state, 1));
  const quiet = { kind: "variance", surprise: 6, channels: [1] } as const;
  assert.equal(tellFault(state, quiet, initialTrack(), told(7)), 0);
  assert.equal(events.length, 1, "a spread that has fallen hardly moves either");
});

Deno.test("isTold() is true of a fault's channels, and of variances while a spectrum is odd", () => {
  const state = initialFaults();
  const { told } = tell();
  tellFault(state, { kind: "stuck", surprise: 5, channels: [0] }, initialTrack(), told(10));
  tellFault(state, { kind: "spectrum", surprise: 5, channels: [1] }, initialTrack(), told(11));
  assert.ok(isTold(state, 0, "spike") && isTold(state, 0, "variance"));
  assert.ok(isTold(state, 1, "variance") && !isTold(state, 1, "spike"));
  assert.ok(!isTold(state, 2, "variance"));
});
