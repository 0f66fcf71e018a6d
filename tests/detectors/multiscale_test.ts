/**
 * Faults in contexts: what came before a fault must not hide it. A table of what a stream did
 * shortly before and of what then breaks, each with how soon it is to be told, and as what.
 */
import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { copyTree, type Tree } from "../../src/base/tree.ts";
import type { FlagEvent, Reason } from "../../src/detectors/detector.ts";
import { detectors } from "../../src/detectors/mod.ts";

const FAULT_AT = 3_000;
const LENGTH = 3_400;
const SEEDS = [1, 2];

/** A sample as something makes of it; `noise` is the stream's own. */
type Change = (x: number, i: number, noise: number) => number;

const STREAMS: Record<string, (noise: Float64Array) => Float64Array> = {
  "white noise": (noise) => noise.slice(),
  "a season": (noise) => noise.map((e, i) => 10 * Math.sin((2 * Math.PI * i) / 96) + e),
  "an autoregression": (noise) => {
    let x = 0;
    return noise.map((e) => x = 0.8 * x + 0.6 * e);
  },
};

/** What came before; the fault comes when it is over, or so many samples later. */
const CONTEXTS: Record<string, Change> = {
  "nothing": (x) => x,
  "two spikes, 300 before": (x, i) => i === 2_660 || i === 2_700 ? x + 200 : x,
  "two spikes, 50 before": (x, i) => i === 2_910 || i === 2_950 ? x + 200 : x,
  "two spikes long before": (x, i) => i === 800 || i === 1_100 ? x + 200 : x,
  "a dropout until the fault": (x, i) => i >= 2_900 && i < FAULT_AT ? NaN : x,
  "a dropout, 300 before": (x, i) => i >= 2_600 && i < 2_700 ? NaN : x,
  "a stuck value, 50 before": (x, i) => i >= 2_850 && i < 2_950 ? 0.3 : x,
  "another shift, 300 before": (x, i) => i >= 2_600 ? x + 15 : x,
  "a reading of 9999, 300 before": (x, i) => i === 2_700 ? 9999 : x,
  "a reading of −1e20 long before": (x, i) => i === 800 ? -1e20 : x,
};

const FAULTS: Record<string, Change> = {
  "a shift of 30": (x) => x + 30,
  "a shift of 5": (x) => x + 5,
  "a variance four times the usual deviation": (x, _, noise) => x + 3 * noise,
  "a drift": (x, i) => x + 0.03 * (i - FAULT_AT),
  "a stuck value": () => 1.234,
  "a dropout": () => NaN,
};

/** Reasons that do a fault justice when its alarm is over; a shift may be one of a single step. */
const REASONS: Record<string, readonly Reason[]> = {
  "a shift of 30": ["level", "spike", "variance"],
  "a shift of 5": ["level", "drift", "variance", "shape"],
  "a stuck value": ["stuck", "variance"],
  "a dropout": ["dropout"],
};

/** Streams out of six in which a fault is told within the 400 samples, where it is not all. */
const FEWER: Record<string, Record<string, number>> = {
  "two spikes, 50 before": { "a drift": 4 },
  "two spikes long before": { "a variance four times the usual deviation": 5, "a drift": 5 },
  "a reading of −1e20 long before": { "a drift": 5 },
  // It is the same dropout still.
  "a dropout until the fault": { "a dropout": 0 },
};

const detector = detectors[0]!;

/** Absorbs values from the sample `first` on; what is told of them. */
function absorb(state: Tree, values: Float64Array, first: number): FlagEvent[] {
  const times = Float64Array.from(values, (_, i) => 60 * (first + i));
  const length = values.length;
  const out = { score: new Float64Array(length), flag: new Float64Array(length), events: [] };
  detector.absorb(state, times, [values], out);
  return out.events;
}

/** How the first alarm of a fault ends or is open at the stream's end; null without one. */
function reasonOf(events: readonly FlagEvent[]): Reason | null {
  const open = events.find(({ phase }) => phase === "open");
  if (open === undefined) return null;
  const end = events.find(({ phase, number }) => phase === "end" && number === open.number);
  return (end ?? open).reason;
}

for (const [before, context] of Object.entries(CONTEXTS)) {
  Deno.test(`${detector.name} tells faults after ${before}`, () => {
    const told: Record<string, (Reason | null)[]> = {};
    for (const make of Object.values(STREAMS)) {
      for (const seed of SEEDS) {
        const random = seedRandom(seed);
        const noise = Float64Array.from({ length: LENGTH }, () => nextNormal(random));
        const values = make(noise).map((x, i) => context(x, i, noise[i]!));
        const state = detector.initialState({ channels: 1, seed: 7 });
        absorb(state, values.subarray(0, FAULT_AT), 0);
        for (const [name, fault] of Object.entries(FAULTS)) {
          const faulty = values.map((x, i) => fault(x, i, noise[i]!)).subarray(FAULT_AT);
          (told[name] ??= []).push(reasonOf(absorb(copyTree(state), faulty, FAULT_AT)));
        }
      }
    }
    for (const [name, reasons] of Object.entries(told)) {
      const said = reasons.filter((reason) => reason !== null);
      const least = FEWER[before]?.[name] ?? reasons.length;
      assert.ok(said.length >= least, `${name}: told in ${said.length}, wanted ${least}`);
      const right = REASONS[name];
      if (right === undefined) continue;
      for (const reason of said) assert.ok(right.includes(reason), `${name}: ${reason}`);
    }
  });
}

/** Streams of noise that tell something of their newest value, `size` beside the noise. */
function streamsThatTell(count: number, length: number, size: number): number {
  return Array.from({ length: count }, (_, k) => {
    const random = seedRandom(700 + k);
    const values = Float64Array.from({ length: length + 1 }, () => nextNormal(random));
    values[length] = values[length]! + size;
    const state = detector.initialState({ channels: 1, seed: k });
    absorb(state, values.subarray(0, length), 0);
    return absorb(state, values.subarray(length), length);
  }).filter((events) => events.some(({ phase }) => phase === "open")).length;
}

Deno.test("a young stream tells a value thirty deviations away, however far its jump is", () => {
  assert.ok(streamsThatTell(30, 200, 30) >= 24);
  assert.ok(streamsThatTell(30, 500, 30) >= 28);
  assert.equal(streamsThatTell(30, 200, 0), 0);
});
