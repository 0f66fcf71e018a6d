import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { copyTree, packTree, type Tree, unpackTree } from "../../src/base/tree.ts";
import {
  DEFAULT_FLAG_OPTIONS,
  type Detection,
  type Detector,
  FLAG_THRESHOLD,
  type FlagEvent,
  type FlagOptions,
  type Reason,
} from "../../src/detectors/detector.ts";
import { detectors } from "../../src/detectors/mod.ts";

const PERIOD_S = 60;

function regularTimes(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => i * PERIOD_S);
}

function noise(length: number, seed: number): Float64Array {
  const random = seedRandom(seed);
  return Float64Array.from({ length }, () => nextNormal(random));
}

/** A season of 96 samples with noise: what the planted anomalies stand in. */
function seasonal(length: number, seed: number): Float64Array {
  return noise(length, seed).map((e, i) => 10 * Math.sin(2 * Math.PI * i / 96) + 0.5 * e);
}

function empty(length: number): Detection {
  return {
    score: new Float64Array(length).fill(NaN),
    flag: new Float64Array(length).fill(NaN),
    events: [],
  };
}

interface Given {
  readonly times?: Float64Array;
  readonly options?: FlagOptions;
}

function detect(
  detector: Detector,
  values: readonly Float64Array[],
  { times = regularTimes(values[0]!.length), options }: Given = {},
): Detection & { state: Tree } {
  const out = empty(times.length);
  const state = detector.initialState({ channels: values.length, seed: 7, options });
  detector.absorb(state, times, values, out);
  return { ...out, state };
}

function openings(events: readonly FlagEvent[]): FlagEvent[] {
  return events.filter(({ phase }) => phase === "open");
}

function alarms(flag: Float64Array): number[] {
  return Array.from(flag.keys()).filter((i) => flag[i]! >= FLAG_THRESHOLD);
}

for (const detector of detectors) {
  const law = (text: string, work: () => void) => Deno.test(`${detector.name} ${text}`, work);

  law("writes a finite, not negative score and flag for every sample", () => {
    const { score, flag } = detect(detector, [seasonal(1500, 1)]);
    assert.ok(score.every((u) => Number.isFinite(u) && u >= 0));
    assert.ok(flag.every((u) => Number.isFinite(u) && u >= 0));
  });

  law("is causal: another future leaves the past bit-identical", () => {
    const values = seasonal(1200, 2);
    const other = values.map((x, i) => (i < 900 ? x : 100 - x));
    const a = detect(detector, [values]);
    const b = detect(detector, [other]);
    assert.deepEqual(a.score.subarray(0, 900), b.score.subarray(0, 900));
    assert.deepEqual(a.flag.subarray(0, 900), b.flag.subarray(0, 900));
    assert.notDeepEqual(a.score.subarray(900), b.score.subarray(900));
  });

  law("is silent in its grace period, whatever comes", () => {
    const wild = noise(detector.gracePeriod, 3).map((x) => x ** 9 * 1e6);
    const { score, flag } = detect(detector, [wild]);
    assert.ok(score.every((u) => u === 0));
    assert.ok(flag.every((u) => u === 0));
  });

  law("never alarms on a constant series", () => {
    for (const value of [0, 1, -273.15, 1e12]) {
      const { score, flag } = detect(detector, [new Float64Array(3000).fill(value)]);
      assert.ok(score.every((u) => u === 0), `score at ${value}`);
      assert.ok(flag.every((u) => u === 0), `flag at ${value}`);
    }
  });

  /** Anomalies of length 30 at 3000 in a season with noise; what `change` makes of a sample. */
  const planted: Record<string, (x: number, i: number) => number> = {
    "a spike": (x, i) => (i === 3000 ? x + 25 : x),
    "a level shift": (x, i) => (i >= 3000 ? x + 20 : x),
    "a dropout": (x, i) => (i >= 3000 && i < 3030 ? -60 : x),
    "a stuck value": (x, i) => (i >= 3000 && i < 3060 ? 9.7 : x),
    "a burst of noise": (x, i) => (i >= 3000 && i < 3030 ? x + 12 * Math.sin(i * 7.1) : x),
  };
  for (const [name, change] of Object.entries(planted)) {
    law(`finds ${name} by score and by one alarm`, () => {
      for (const seed of [11, 12, 13]) {
        const { score, flag } = detect(detector, [seasonal(3300, seed).map(change)]);
        const inside = Math.max(...score.subarray(3000, 3060));
        const before = score.slice(1000, 3000).sort();
        assert.ok(inside > before[Math.floor(0.999 * before.length)]!, `${name}: score ${inside}`);
        const found = alarms(flag).filter((i) => i >= 3000 && i < 3100);
        assert.ok(found.length >= 1, `${name}, seed ${seed}: no alarm`);
        // One alarm an event: the next may come only after the event's 40 quiet samples.
        for (let k = 1; k < found.length; k++) assert.ok(found[k]! - found[k - 1]! > 40, name);
      }
    });
  }

  law("opens and ends each alarm once, in order, with what is known of it", () => {
    const values = seasonal(6000, 14).map((x, i) => (i === 3000 || i === 4000 ? x + 25 : x));
    const { events, flag } = detect(detector, [values]);
    assert.deepEqual(openings(events).map(({ index }) => index), alarms(flag));
    for (const event of openings(events)) {
      assert.equal(event.p, 10 ** -flag[event.index]!);
      assert.equal(event.openedS, event.index * PERIOD_S);
      assert.deepEqual(event.channels, [0]);
    }
    const spike = events.find(({ index }) => index === 3000)!;
    assert.equal(spike.reason, "spike");
    assert.ok(spike.score > 3 && spike.p <= 1e-4);
    const numbers = openings(events).map(({ number }) => number);
    assert.deepEqual(numbers, numbers.map((_, k) => k));
    for (const end of events.filter(({ phase }) => phase === "end")) {
      const open = openings(events)[end.number]!;
      assert.ok(end.index > open.index && end.p <= open.p && end.openedS === open.openedS);
      assert.ok(end.peakS >= end.openedS && end.peakS <= end.index * PERIOD_S);
    }
  });

  /** Faults from sample 3000 on, in noise, and the reasons that do them justice. */
  const kinds: Record<string, readonly [(x: number, i: number) => number, readonly Reason[]]> = {
    "a level": [(x) => x + 6, ["level"]],
    "a change of variance": [(x, i) => (i % 2 === 0 ? 4 : -4) * Math.abs(x), ["variance"]],
    "a quiet sensor": [(x) => 0.1 * x, ["variance"]],
    "a stuck sensor": [() => 0.3, ["stuck"]],
    "a missing channel": [() => NaN, ["dropout"]],
    "a drift": [(x, i) => x + 0.02 * (i - 3000), ["drift", "level", "shape"]],
  };
  for (const [name, [change, reasons]] of Object.entries(kinds)) {
    law(`says that ${name} is one, and of which channel`, () => {
      for (const seed of [1, 2, 3]) {
        const bad = noise(3600, seed).map((x, i) => (i >= 3000 && i < 3300 ? change(x, i) : x));
        const { events } = detect(detector, [noise(3600, seed + 10), bad]);
        const open = openings(events).find(({ index }) => index >= 3000 && index < 3300);
        assert.ok(open !== undefined, `${name}, seed ${seed}: no alarm`);
        assert.equal(open.channels[0], 1);
        const end = events.find(({ phase, number }) => phase === "end" && number === open.number);
        const told = (end ?? open).reason;
        assert.ok(reasons.includes(told), `${name}, seed ${seed}: ${told}`);
      }
    });
  }

  law("says that times which stand still or change their step are a fault of the clock", () => {
    const values = [noise(3000, 71)];
    for (
      const change of [
        (t: number, i: number) => (i === 2000 ? t - 5 * PERIOD_S : t),
        (t: number, i: number) => (i > 2000 ? t + 4 * PERIOD_S * (i - 2000) : t),
      ]
    ) {
      const times = regularTimes(3000).map(change);
      const { events } = detect(detector, values, { times });
      const clock = openings(events).filter(({ reason }) => reason === "clock");
      assert.equal(clock.length, 1);
      assert.ok(clock[0]!.index >= 2000 && clock[0]!.index < 2100);
      assert.deepEqual(clock[0]!.channels, []);
    }
  });

  law("says that a season changed, and no change in a clean one", () => {
    for (const seed of [1, 2, 3]) {
      const clean = seasonal(6000, seed);
      const wave = (i: number) => Math.sin(2 * Math.PI * i / 96);
      const changed = clean.map((x, i) => (i < 4000 ? x : x + 8 * wave(i)));
      const [before, after] = [clean, changed].map((values) =>
        detect(detector, [noise(6000, seed + 50), values]).events
          .filter(({ reason }) => reason === "season")
      );
      assert.deepEqual(before, []);
      assert.equal(new Set(after!.map(({ number }) => number)).size, 1, `seed ${seed}`);
      const [{ index, channels }] = after as [FlagEvent];
      assert.ok(index > 4000 && index <= 4000 + 5 * 96);
      assert.deepEqual(channels, [1]);
    }
  });

  law("says at which frequencies the spectrum of a fast stream changed", () => {
    const length = 60_000;
    const hum = (i: number) => i < 45_000 ? 0 : Math.sin(2 * Math.PI * 40 * i / 256);
    const values = [noise(length, 3).map((x, i) => x + hum(i)), noise(length, 4)];
    const told = (periodS: number) => {
      const times = regularTimes(length).map((t) => t / PERIOD_S * periodS);
      return openings(detect(detector, values, { times }).events)
        .filter(({ reason }) => reason === "spectrum");
    };
    const [first, ...more] = told(1 / 256);
    assert.ok(first !== undefined && first.index >= 45_000 && first.index < 50_000);
    assert.deepEqual([first.channels, more], [[0], []]);
    assert.ok(first.bandHz![0] < 40 && first.bandHz![1] > 40);
    assert.deepEqual(told(60), []);
  });

  law("tells a hum by its spectrum, and not by its variance as well", () => {
    const length = 60_000;
    const hum = (i: number) => i < 45_000 ? 0 : Math.sin(2 * Math.PI * 40 * i / 256);
    const times = regularTimes(length).map((t) => t / PERIOD_S / 256);
    let slow = 0;
    const values = noise(length, 5).map((x, i) => (slow = 0.9 * slow + x) + hum(i));
    // A spike is no part of it.
    values[50_000]! += 60;
    const { events } = detect(detector, [values], { times });
    const spectrum = openings(events).filter(({ reason }) => reason === "spectrum");
    assert.equal(spectrum.length, 1);
    const end = events.find(({ phase, number }) =>
      phase === "end" && number === spectrum[0]!.number
    );
    const meanwhile = openings(events).filter(({ index }) =>
      index > spectrum[0]!.index && index <= (end?.index ?? length)
    );
    assert.ok(meanwhile.every(({ reason }) => reason !== "variance"));
    assert.ok(openings(events).some(({ index }) => index === 50_000));
  });

  law("finds a spike of eight standard deviations of the noise in a season", () => {
    for (const seed of [1, 2, 3]) {
      const values = seasonal(3300, seed).map((x, i) => (i === 3000 ? x + 4 : x));
      const { events } = detect(detector, [values]);
      assert.ok(openings(events).some(({ index }) => index === 3000), `seed ${seed}`);
    }
  });

  law("opens no alarm for less than the least effect, nor in the time after another", () => {
    const values = seasonal(6000, 14).map((x, i) => (i === 3000 || i === 4000 ? x + 25 : x));
    const count = (options: Partial<FlagOptions>) => {
      const whole = { ...DEFAULT_FLAG_OPTIONS, ...options };
      return openings(detect(detector, [values], { options: whole }).events)
        .filter(({ index }) => index === 3000 || index === 4000).length;
    };
    assert.equal(count({}), 2);
    assert.equal(count({ effectMin: 10 }), 2);
    assert.equal(count({ effectMin: 100 }), 0);
    assert.equal(count({ coolDownS: 1500 * PERIOD_S }), 1);
  });

  law("tells a recurring event each time only where that is wanted", () => {
    const values = noise(20_000, 15).map((x, i) => (i > 500 && i % 500 === 0 ? x + 25 : x));
    const count = (repeats: FlagOptions["repeats"]) => {
      const options = { ...DEFAULT_FLAG_OPTIONS, repeats };
      return openings(detect(detector, [values], { options }).events)
        .filter(({ index }) => index % 500 === 0).length;
    };
    const [learned, told] = [count("learn"), count("tell")];
    assert.ok(learned < 12, `${learned} of 39 alarms`);
    assert.ok(told > 2 * learned, `${told} alarms against ${learned}`);
  });

  law("scores a larger spike higher", () => {
    let last = 0;
    for (const size of [2, 4, 8, 16, 32]) {
      const values = noise(2000, 21).map((x, i) => (i === 1990 ? size : x));
      const u = detect(detector, [values]).score[1990]!;
      assert.ok(u >= last, `size ${size}: ${u} after ${last}`);
      last = u;
    }
    assert.ok(last > 3);
  });

  law("keeps the wanted rate of false alarms on clean streams within a factor of 2", () => {
    // At ten times the default rate, so that there is something to count.
    const options = { ...DEFAULT_FLAG_OPTIONS, falseAlarmRate: 1e-3 };
    const student = (size: number, seed: number) => {
      const [a, b, c] = [1, 2, 3].map((k) => noise(size, 1000 * k + seed));
      return noise(size, seed).map((x, i) => x / Math.hypot(a![i]!, b![i]!, c![i]!));
    };
    for (const make of [noise, seasonal, student]) {
      let count = 0;
      let length = 0;
      for (const seed of [31, 32, 33, 34]) {
        count += openings(detect(detector, [make(10_000, seed)], { options }).events).length;
        length += 10_000;
      }
      const ratio = count / length / options.falseAlarmRate;
      assert.ok(ratio > 0.5 && ratio < 2, `${ratio} of the wanted rate`);
    }
  });

  law("gives the same bits however the samples are cut into segments", () => {
    const values = [seasonal(2500, 4), noise(2500, 5).map((x, i) => (i % 17 === 0 ? NaN : x))];
    const times = regularTimes(2500).map((t, i) => t + (i % 11) * 2.5);
    const whole = detect(detector, values, { times });
    const out = empty(2500);
    const state = detector.initialState({ channels: 2, seed: 7 });
    const cuts = [0, 1, 2, 35, 36, 37, 150, 1000, 2047, 2048, 2500];
    for (let k = 1; k < cuts.length; k++) {
      const [start, end] = [cuts[k - 1]!, cuts[k]!];
      detector.absorb(
        state,
        times.subarray(start, end),
        values.map((column) => column.subarray(start, end)),
        { score: out.score.subarray(start, end), flag: out.flag.subarray(start, end), events: [] },
      );
    }
    assert.deepEqual(out.score, whole.score);
    assert.deepEqual(out.flag, whole.flag);
    assert.deepEqual(packTree(state), packTree(whole.state));
  });

  law("goes on from a stored state as if never stopped", () => {
    const values = seasonal(2000, 6);
    const times = regularTimes(2000);
    const state = detector.initialState({ channels: 1, seed: 7 });
    detector.absorb(state, times.subarray(0, 1200), [values.subarray(0, 1200)], empty(1200));
    const stored = unpackTree(packTree(state));
    const branch = copyTree(state);
    const results = [state, stored, branch].map((one) => {
      const out = empty(800);
      detector.absorb(one, times.subarray(1200), [values.subarray(1200)], out);
      return { out, bytes: packTree(one) };
    });
    for (const result of results) assert.deepEqual(result, results[0]);
  });

  law("takes a new channel as one that was always missing before", () => {
    const first = seasonal(1500, 61);
    const second = seasonal(1500, 62);
    const late = second.map((x, i) => (i < 800 ? NaN : x));
    const whole = detect(detector, [first, late]);
    const times = regularTimes(1500);
    const out = empty(1500);
    const young = detector.initialState({ channels: 1, seed: 7 });
    detector.absorb(young, times.subarray(0, 800), [first.subarray(0, 800)], {
      score: out.score.subarray(0, 800),
      flag: out.flag.subarray(0, 800),
      events: [],
    });
    const grown = detector.addChannels(young, { channels: 2, seed: 7 });
    detector.absorb(grown, times.subarray(800), [first.subarray(800), late.subarray(800)], {
      score: out.score.subarray(800),
      flag: out.flag.subarray(800),
      events: [],
    });
    assert.deepEqual(out.score, whole.score);
    assert.deepEqual(out.flag, whole.flag);
    assert.deepEqual(packTree(grown), packTree(whole.state));
  });

  law("tells a spike sooner where how far values used to be off is forgotten", () => {
    const length = 2500;
    const random = seedRandom(71);
    // Jumps of 25 that end half-way, and a spike of 15 long after that.
    const values = Float64Array.from({ length }, (_, i) => {
      const isHigh = i < 600 && i % 100 < 8;
      return nextNormal(random) + (isHigh ? 25 : 0) + (i === 2400 ? 15 : 0);
    });
    const flags = [false, true].map((isForgotten) => {
      const out = empty(length);
      const state = detector.initialState({ channels: 1, seed: 7 });
      const times = regularTimes(length);
      for (const [from, to] of [[0, 600], [600, length]] as const) {
        detector.absorb(state, times.subarray(from, to), [values.subarray(from, to)], {
          score: out.score.subarray(from, to),
          flag: out.flag.subarray(from, to),
          events: [],
        });
        if (isForgotten && from === 0) detector.forgetTails(state, 0);
      }
      assert.ok(out.flag.every(Number.isFinite));
      return Math.max(...out.flag.subarray(2400, 2403));
    });
    assert.ok(flags[1]! > flags[0]! + 0.5, `${flags}`);
  });

  law("keeps its state within its bound, from the first sample on", () => {
    for (const channels of [1, 3]) {
      const bound = detector.stateBytesMax(channels);
      const first = detector.initialState({ channels, seed: 1 });
      assert.ok(packTree(first).length <= bound);
      const values = Array.from({ length: channels }, (_, c) => seasonal(6000, c));
      const size = packTree(detect(detector, values).state).length;
      assert.ok(size <= bound, `${size} bytes of ${bound}`);
      assert.ok(bound <= 100_000 * channels, `${bound} bytes for ${channels} channels`);
    }
  });

  law("does not care about the units: x -> 1000 x + 10000 keeps scores and alarms", () => {
    const values = seasonal(3000, 8).map((x, i) => (i === 2500 ? x + 25 : x));
    const a = detect(detector, [values]);
    const b = detect(detector, [values.map((x) => 1000 * x + 10_000)]);
    let worst = 0;
    for (let i = 0; i < 3000; i++) worst = Math.max(worst, Math.abs(a.score[i]! - b.score[i]!));
    // Rounding alone differs; a raw score at the edge of a histogram bin may fall to its other
    // side, which moves u by up to a bin's share of the tail.
    assert.ok(worst < 0.1, `scores differ by ${worst}`);
    assert.deepEqual(alarms(a.flag), alarms(b.flag));
    const power = detect(detector, [values.map((x) => x * 2 ** -20)]);
    assert.deepEqual(power.score, a.score);
    assert.deepEqual(power.flag, a.flag);
  });

  law("holds its state over missing values, which score 0 and are one dropout", () => {
    const values = seasonal(2000, 9);
    const holes = values.map((x, i) => (i >= 1500 && i < 1520 ? NaN : x));
    const { score, flag, events } = detect(detector, [holes]);
    for (let i = 1500; i < 1520; i++) assert.equal(score[i], 0);
    const [dropout, ...more] = openings(events).filter(({ index }) =>
      index >= 1500 && index < 1600
    );
    assert.deepEqual(more, []);
    assert.equal(dropout!.reason, "dropout");
    assert.deepEqual(alarms(flag.subarray(1500, 1600)), [dropout!.index - 1500]);
    const all = detect(detector, [new Float64Array(500).fill(NaN)]);
    assert.ok(all.score.every((u) => u === 0));
    const infinite = detect(detector, [holes.map((x) => (Number.isNaN(x) ? Infinity : x))]);
    assert.deepEqual(infinite.score, score);
  });

  law("keeps its rate of false alarms with jittered timestamps and a fifth of samples lost", () => {
    const random = seedRandom(41);
    let count = 0;
    let length = 0;
    for (const seed of [51, 52, 53]) {
      const full = seasonal(10_000, seed);
      const kept = Array.from(full.keys()).filter(() => nextNormal(random) > -0.84);
      const times = Float64Array.from(kept, (i) => PERIOD_S * (i + 0.2 * nextNormal(random)));
      const values = Float64Array.from(kept, (i) => full[i]!);
      count += alarms(detect(detector, [values], { times: times.sort() }).flag).length;
      length += kept.length;
    }
    const ratio = count / length / DEFAULT_FLAG_OPTIONS.falseAlarmRate;
    assert.ok(ratio < 2, `${ratio} of the wanted rate`);
  });

  law("survives values of any size and times that do not advance", () => {
    const values = Float64Array.from([1, 1e308, -1e308, 5e-324, 0, 3, 1e30], (x) => x);
    const many = Float64Array.from({ length: 2000 }, (_, i) => values[i % values.length]!);
    const times = regularTimes(2000).map((t, i) => (i % 3 === 0 ? 0 : t));
    const { score, flag } = detect(detector, [many], { times });
    assert.ok(score.every(Number.isFinite) && flag.every(Number.isFinite));
    const gap = regularTimes(2000).map((t, i) => (i < 1000 ? t : t + 1e9));
    const after = detect(detector, [seasonal(2000, 10)], { times: gap });
    assert.ok(after.score.every(Number.isFinite) && after.flag.every(Number.isFinite));
  });
}
