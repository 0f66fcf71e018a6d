import assert from "node:assert/strict";
import { modelNamed } from "../../src/models/mod.ts";
import { noRuns, runStep, STUCK_RUN_MIN, STUCK_SHARE_MAX } from "../../src/models/stuck_run.ts";
import { channel, HOUR_S, hours, leftOut, noise, QUANTILES } from "./_series.ts";

/** Which of some values are stuck. */
function stuckOf(values: ArrayLike<number>): boolean[] {
  const runs = noRuns();
  return leftOut(values, (value, seen) => runStep(runs, value, seen));
}

function countOf(flags: readonly boolean[]): number {
  return flags.filter(Boolean).length;
}

Deno.test("runStep() finds a value that stands where none ever came twice", () => {
  const values = [...noise(400, 1), ...Array(50).fill(2), ...noise(100, 2)];
  const stuck = stuckOf(values);
  assert.equal(stuck.indexOf(true), 400 + STUCK_RUN_MIN - 1);
  assert.equal(countOf(stuck), 50 - STUCK_RUN_MIN + 1);
  assert.equal(stuck.lastIndexOf(true), 449);
});

Deno.test("runStep() takes values for what they are again after a quarter of all samples", () => {
  const stuck = stuckOf([...noise(400, 3), ...Array(300).fill(0)]);
  const most = Math.floor(STUCK_SHARE_MAX * (400 + STUCK_RUN_MIN - 1));
  assert.equal(stuck.lastIndexOf(true), 400 + most - 1);
  assert.equal(countOf(stuck), most - STUCK_RUN_MIN + 1);
});

Deno.test("runStep() lets be what stands still by its nature", () => {
  const draws = noise(4000, 4);
  const kinds: Record<string, ArrayLike<number>> = {
    constant: Array(500).fill(7),
    counts: draws.map((draw) => Math.max(0, Math.round(2 + 1.5 * draw))),
    "rare demand": draws.map((draw) => Math.max(0, Math.round(3 * draw - 4))),
    "on and off": draws.map((_, i) => Math.floor(i / 37) % 2),
    "whole numbers of a slow walk": draws.map((_, i) => Math.round(5 * Math.sin(i / 40))),
  };
  for (const [kind, values] of Object.entries(kinds)) {
    // A chance of 1e-4 each, and the first runs of a kind may be records.
    assert.ok(countOf(stuckOf(values)) <= 8, `${kind} ${countOf(stuckOf(values))}`);
  }
});

Deno.test("runStep() learns nights, outages at one value, and no sensor that sticks anywhere", () => {
  const draws = noise(48 * 60, 5);
  const sun = draws.map((draw, i) => i % 48 < 24 ? 5 + draw : 0);
  assert.ok(countOf(stuckOf(sun.subarray(24)).slice(96)) === 0);
  const days = noise(1000, 6);
  const outages = (value: (k: number) => number) =>
    [0, 1, 2].flatMap((k) => [...days.map((day) => day + k / 7), ...Array(60).fill(value(k))]);
  const [first, second, third] = [1060, 2120, 3180];
  const zeros = stuckOf(outages(() => 0));
  assert.equal(countOf(zeros.slice(0, first)), 60 - STUCK_RUN_MIN + 1);
  assert.equal(countOf(zeros.slice(first)), 0);
  const anywhere = stuckOf(outages((k) => k));
  for (const [from, to] of [[0, first], [first, second], [second, third]]) {
    assert.equal(countOf(anywhere.slice(from, to)), 60 - STUCK_RUN_MIN + 1);
  }
});

/** A day and noise, hourly; the block holds `fault` of the value before it. */
function withFault(seed: number, fault: (last: number) => number): Float64Array {
  const values = noise(1124, seed).map((draw, i) => 30 + 8 * Math.sin(i * Math.PI / 12) + draw);
  const held = fault(values[999]!);
  return values.map((value, i) => i >= 1000 && i < 1100 ? held : value);
}

Deno.test("a value that is stuck is as if it were missing", () => {
  for (const name of ["committee", "structural"]) {
    const model = modelNamed(name);
    const forecasts = [(last: number) => last, () => NaN].map((fault) => {
      const values = withFault(7, fault);
      // What came before a run can be told counts.
      for (let i = 1000; i < 1000 + STUCK_RUN_MIN - 2; i++) values[i] = values[999]!;
      const state = model.initialState(channel());
      model.absorb(state, hours(1110), values.subarray(0, 1110));
      return model.forecast(state, hours(24, 1110), QUANTILES);
    });
    assert.deepEqual(forecasts[0], forecasts[1]);
  }
});

Deno.test("intervals after an outage of 100 samples hold what they say", () => {
  const model = modelNamed("committee");
  for (const fault of [(last: number) => last, () => 0, () => NaN]) {
    let held = 0;
    let miss = 0;
    let count = 0;
    for (const seed of [11, 12, 13, 14]) {
      const values = withFault(seed, fault);
      const state = model.initialState(channel());
      model.absorb(state, hours(1100), values.subarray(0, 1100));
      for (let at = 1100; at < 1105; at++) {
        const rows = model.forecast(state, hours(12, at), Float64Array.of(0.1, 0.5, 0.9));
        for (let lead = 0; lead < 12; lead++, count++) {
          const value = values[at + lead]!;
          if (value >= rows[3 * lead]! && value <= rows[3 * lead + 2]!) held++;
          miss += Math.abs(value - rows[3 * lead + 1]!);
        }
        model.absorb(state, Float64Array.of(at * HOUR_S), values.subarray(at, at + 1));
      }
    }
    // Where stuck values count they hold 0.1, and forecasts are off by 6 to 19.
    assert.ok(held / count > 0.65, `${fault} ${held / count}`);
    assert.ok(miss / count < 2, `${fault} ${miss / count}`);
  }
});

Deno.test("a bound of a stream is no fault: values may stay there", () => {
  const model = modelNamed("structural");
  const values = [...noise(400, 8).map((draw) => Math.min(2, draw)), ...Array(60).fill(2)];
  const seenOf = (upper: number | null) => {
    const state = model.initialState({ ...channel(), upper });
    model.absorb(state, hours(460), Float64Array.from(values));
    return state.seen;
  };
  assert.equal(seenOf(2), 460);
});
