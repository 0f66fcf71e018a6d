import assert from "node:assert/strict";
import { generatorByName, GENERATORS } from "../../../datasets/pretraining/generators.ts";
import { momentsOf } from "../../../datasets/pretraining/_helpers/series.ts";
import { NotFoundError } from "../../../src/base/errors.ts";
import { seedRandom } from "../../../src/base/random.ts";

const LENGTH = 864;

function drafts(name: string, count: number, from = 0) {
  const generator = generatorByName(name);
  return Array.from({ length: count }, (_, k) => generator.draw(seedRandom(from + k), LENGTH));
}

/** Autocorrelation of the differences over whole slots. */
function correlationAt(values: Float64Array, lag: number): number {
  const steps = values.slice(1).map((x, i) => x - values[i]!);
  const { mean, deviation } = momentsOf(steps);
  let sum = 0;
  for (let i = lag; i < steps.length; i++) sum += (steps[i]! - mean) * (steps[i - lag]! - mean);
  return deviation === 0 ? 0 : sum / (steps.length - lag) / deviation ** 2;
}

for (const { name } of GENERATORS) {
  Deno.test(`${name} draws the same series from the same state`, () => {
    const [a] = drafts(name, 1, 77);
    const [b] = drafts(name, 1, 77);
    const [c] = drafts(name, 1, 78);
    assert.deepEqual(a, b);
    assert.notDeepEqual(a!.values, c!.values);
  });

  Deno.test(`${name} draws finite values up to the count and none after it`, () => {
    for (const { values, count, seasons } of drafts(name, 150)) {
      assert.equal(values.length, LENGTH);
      assert.ok(Number.isInteger(count) && count >= 10 && count <= LENGTH, `count ${count}`);
      assert.ok(values.subarray(0, count).every(Number.isFinite));
      assert.ok(values.subarray(count).every(Number.isNaN));
      assert.ok(seasons.every((season) => season === 0 || season >= 2), `${seasons}`);
      assert.ok(seasons[0] > 0 || seasons[1] === 0, "a second season needs a first");
    }
  });

  Deno.test(`${name} hardly ever draws a constant`, () => {
    const flat = drafts(name, 200, 5_000)
      .filter(({ values, count }) => momentsOf(values.subarray(0, count)).deviation === 0);
    assert.ok(flat.length <= 6, `${flat.length} of 200`);
  });

  Deno.test(`${name} works at other lengths too`, () => {
    for (const length of [32, 200, 2_048]) {
      for (let k = 0; k < 8; k++) {
        const { values, count } = generatorByName(name).draw(seedRandom(k), length);
        assert.equal(values.length, length);
        assert.ok(values.subarray(0, count).every(Number.isFinite), `length ${length}, seed ${k}`);
      }
    }
  });
}

Deno.test("generatorByName() names what it does not know", () => {
  assert.throws(() => generatorByName("weather-vane"), NotFoundError);
});

for (const name of ["seasonal", "demand", "energy", "traffic", "pulses"]) {
  Deno.test(`${name} repeats at the season it states`, () => {
    // Compared with a lag of no meaning; noise and wandering clocks hide the season in some.
    let found = 0;
    let stated = 0;
    for (const { values, seasons: [season] } of drafts(name, 200)) {
      if (season < 6 || season > LENGTH / 4) continue;
      stated++;
      const other = Math.round(season * 1.37) + 1;
      if (correlationAt(values, Math.round(season)) > correlationAt(values, other)) found++;
    }
    assert.ok(stated > 50);
    assert.ok(found > 0.75 * stated, `${found} of ${stated}`);
  });
}

Deno.test("counts are whole numbers of at least zero", () => {
  for (const { values, count } of drafts("counts", 100)) {
    assert.ok(values.subarray(0, count).every((x) => Number.isInteger(x) && x >= 0));
  }
});

Deno.test("counts are intermittent in a good share of the series", () => {
  const sparse = drafts("counts", 200).filter(({ values, count }) =>
    values.subarray(0, count).filter((x) => x === 0).length > count / 2
  );
  assert.ok(sparse.length > 30 && sparse.length < 150, `${sparse.length}`);
});

Deno.test("business series are short mostly", () => {
  const counts = drafts("business", 300).map(({ count }) => count);
  const short = counts.filter((count) => count <= 200).length;
  assert.ok(short > 150 && short < 290, `${short}`);
  assert.ok(Math.min(...counts) >= 12);
});

Deno.test("trade never falls below zero, and closes a day a week in some series", () => {
  const all = drafts("trade", 300);
  for (const { values, count } of all) assert.ok(values.subarray(0, count).every((x) => x >= 0));
  const closing = all.filter(({ values, count, seasons: [season] }) =>
    season === 7 && [...values.subarray(6, count)].every((x, i) => i % 7 !== 0 || x === 0)
  );
  assert.ok(closing.length > 5 && closing.length < 60, `${closing.length}`);
});

Deno.test("price moves without memory", () => {
  const correlations = drafts("price", 100).map(({ values }) => correlationAt(values, 2));
  const mean = correlations.reduce((a, b) => a + b) / correlations.length;
  assert.ok(Math.abs(mean) < 0.05, `${mean}`);
});

Deno.test("price has crises larger than all before in some series", () => {
  const shaken = drafts("price", 400).filter(({ values }) => {
    const moves = Array.from({ length: 16 }, (_, block) => {
      const from = 54 * block;
      const steps = values.slice(from + 1, from + 54).map((x, i) =>
        Math.log(x / values[from + i]!)
      );
      return momentsOf(steps).deviation;
    });
    return moves.some((size, k) => k >= 4 && size > 2.5 * Math.max(...moves.slice(0, k)));
  });
  assert.ok(shaken.length > 8 && shaken.length < 60, `${shaken.length}`);
});

Deno.test("energy has series that are zero every night", () => {
  const nights = drafts("energy", 200).filter(({ values }) =>
    values.filter((x) => x === 0).length > LENGTH / 4
  );
  assert.ok(nights.length > 15, `${nights.length}`);
});

Deno.test("energy has prices whose spikes rise far above the rest", () => {
  const spiky = drafts("energy", 200).filter(({ values }) => {
    const { mean, deviation } = momentsOf(values);
    return values.some((x) => x > mean + 10 * deviation);
  });
  assert.ok(spiky.length > 10 && spiky.length < 80, `${spiky.length}`);
});

Deno.test("demand hardly changes its direction from slot to slot", () => {
  const hourly = drafts("demand", 200).filter(({ seasons: [day] }) => day >= 24 && day <= 48);
  const smooth = hourly.filter(({ values }) => correlationAt(values, 1) > 0.4).length;
  assert.ok(smooth > 0.75 * hourly.length, `${smooth} of ${hourly.length}`);
});

Deno.test("demand has a week that tells more than the day before in half of the series", () => {
  const meanAt = (values: Float64Array, lag: number) =>
    values.subarray(lag).reduce((sum, x, i) => sum + Math.abs(x - values[i]!), 0) /
    (values.length - lag);
  const hourly = drafts("demand", 300).filter(({ seasons: [day] }) => day === 24);
  const weekly = hourly.filter(({ values }) => meanAt(values, 168) < meanAt(values, 24)).length;
  assert.ok(weekly > 0.4 * hourly.length && weekly < 0.95 * hourly.length, `${weekly}`);
});

Deno.test("visits are counted in a good share of the series, and never below zero there", () => {
  const whole = drafts("visits", 200).filter(({ values, count }) =>
    values.subarray(0, count).every((x) => Number.isInteger(x) && x >= 0)
  );
  assert.ok(whole.length > 50 && whole.length < 120, `${whole.length}`);
});

Deno.test("epidemic series never fall below zero", () => {
  for (const { values, count } of drafts("epidemic", 100)) {
    assert.ok(values.subarray(0, count).every((x) => x >= 0));
  }
});

Deno.test("oscillator states a season where the beat is regular", () => {
  const stated = drafts("oscillator", 200).filter(({ seasons }) => seasons[0] > 0).length;
  assert.ok(stated > 60 && stated < 190, `${stated}`);
});

Deno.test("the generators together take a few microseconds a sample at most", () => {
  for (const { name } of GENERATORS) drafts(name, 20);
  const samples = 20 * GENERATORS.length * LENGTH;
  const rounds = [0, 1, 2].map(() => {
    const before = performance.now();
    for (const { name } of GENERATORS) drafts(name, 20, 900);
    return (performance.now() - before) * 1e3 / samples;
  });
  const microseconds = Math.min(...rounds);
  // About 0.5 on a free core; the bound and the best of three leave room for a busy machine.
  assert.ok(microseconds < 10, `${microseconds} µs a sample`);
});

Deno.test("auction follows the day before", () => {
  const hourly = drafts("auction", 200).filter(({ seasons: [day] }) => day === 24);
  assert.ok(hourly.length > 20);
  const alike = hourly.filter(({ values }) => correlationAt(values, 24) > 0.3);
  assert.ok(alike.length > 0.7 * hourly.length, `${alike.length} of ${hourly.length}`);
});

Deno.test("auction has days that rise ten times as far as others in a good share", () => {
  const hourly = drafts("auction", 400).filter(({ seasons: [day] }) => day === 24);
  const spiky = hourly.filter(({ values }) => {
    const rises = Float64Array.from({ length: LENGTH / 24 }, (_, k) => {
      const day = values.slice(24 * k, 24 * k + 24).toSorted();
      return day[23]! - day[12]!;
    }).toSorted();
    return rises.at(-1)! > 10 * rises[rises.length >> 1]!;
  });
  const share = spiky.length / hourly.length;
  assert.ok(share > 0.05 && share < 0.4, `${share}`);
});

Deno.test("cycles have slopes that hold from slot to slot", () => {
  const months = drafts("cycles", 200).filter(({ seasons: [year] }) => year === 0);
  const held = months.filter(({ values, count }) => {
    const blocks = Float64Array.from(
      { length: Math.floor(count / 6) },
      (_, i) => momentsOf(values.subarray(6 * i, 6 * i + 6)).mean,
    );
    // Changes of a random walk's block means correlate by a quarter.
    return correlationAt(blocks, 1) > 0.35;
  });
  assert.ok(held.length > 0.4 * months.length, `${held.length} of ${months.length}`);
});
