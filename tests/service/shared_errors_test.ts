import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import {
  errorCorrelations,
  errorsAt,
  SHARED_LEADS,
  SHARED_SLOTS_MAX,
  sharedLead,
  slotMeans,
  type SlotSeries,
} from "../../src/service/shared_errors.ts";

const SECOND_NS = 1_000_000_000n;

Deno.test("slotMeans() takes jitter, gaps and samples between as they fall", () => {
  const timesNs = BigInt64Array.from([-100n, 0n, 1n, 2n, 2n, 4n], (s) => s * SECOND_NS + 300_000n);
  const means = slotMeans(timesNs, Float64Array.of(9, 1, NaN, 3, 5, 7), {
    ...{ endNs: 4n * SECOND_NS, stepNs: 1e9, slots: 5 },
  });
  assert.deepEqual([...means], [1, NaN, 4, NaN, 7]);
});

Deno.test("errorsAt() leaves of a season and a walk what is new in them", () => {
  const random = seedRandom(3);
  const season = Float64Array.from({ length: 500 }, (_, t) => 50 * Math.sin(2 * Math.PI * t / 24));
  const noise = season.map(() => nextNormal(random));
  const values = season.map((value, t) => value + noise[t]!);
  const errors = errorsAt({ values, seasons: [24] }, 1);
  // Half of the error is the noise itself, the rest that of the values it is told from.
  assert.ok(correlation(errors.subarray(100), noise.subarray(100)) > 0.6);
  assert.ok(Math.abs(correlation(errors.subarray(100), season.subarray(100))) < 0.1);
});

function correlation(a: Float64Array, b: Float64Array): number {
  const sum = (f: (t: number) => number) => a.reduce((all, _, t) => all + f(t), 0);
  return sum((t) => a[t]! * b[t]!) / Math.sqrt(sum((t) => a[t]! ** 2) * sum((t) => b[t]! ** 2));
}

/** Walks of a common and an own part, `share` of the variance common. */
function walks(share: number, signs: readonly number[], length = 400): SlotSeries[] {
  const random = seedRandom(11);
  const common = Array.from({ length }, () => Math.sqrt(share) * nextNormal(random));
  return signs.map((sign) => {
    let level = 100;
    const values = Float64Array.from(common, (c) => {
      level += sign * c + Math.sqrt(1 - share) * nextNormal(random);
      return level;
    });
    return { values, seasons: [] };
  });
}

Deno.test("errorCorrelations() finds what streams share, whichever way", () => {
  const [a, b, c] = [1, 2, 5];
  for (const lead of [1, 4]) {
    const r = errorCorrelations(walks(0.8, [1, 1, -1]), lead);
    assert.ok(r[a]! > 0.65 && r[a]! < 0.9, `together, lead ${lead}: ${r[a]}`);
    assert.ok(r[b]! < -0.65 && r[c]! < -0.65, `against each other, lead ${lead}: ${r[b]}`);
    assert.deepEqual([r[0], r[4], r[8]], [1, 1, 1]);
    assert.deepEqual([r[3], r[6], r[7]], [r[1], r[2], r[5]]);
  }
});

Deno.test("errorCorrelations() makes little of chance, and nothing of too little", () => {
  for (const lead of SHARED_LEADS) {
    const r = errorCorrelations(walks(0, [1, 1, 1, 1]), lead);
    const most = Math.max(...r.filter((_, at) => at % 5 !== 0).map(Math.abs));
    assert.ok(most < 0.2, `lead ${lead}: ${most}`);
  }
  const young = errorCorrelations(walks(0.9, [1, 1], 20), 1);
  assert.deepEqual([...young], [1, 0, 0, 1]);
});

Deno.test("errorCorrelations() sees at long leads what builds up slowly under noise", () => {
  const random = seedRandom(5);
  let level = 0;
  const common = Array.from({ length: 512 }, () => level += 0.5 * nextNormal(random));
  const parts = Array.from({ length: 6 }, () => ({
    values: Float64Array.from(common, (value) => value + 4 * nextNormal(random)),
    seasons: [],
  }));
  const mean = (lead: number) =>
    errorCorrelations(parts, lead).reduce((sum, r) => sum + r, -6) / 30;
  assert.ok(mean(64) > 0.2, `lead 64: ${mean(64)}`);
  assert.ok(mean(64) > mean(1), `lead 1: ${mean(1)}`);
});

Deno.test("errorCorrelations() takes constants, gaps and any scale", () => {
  const [one, two] = walks(0.9, [1, 1]) as [SlotSeries, SlotSeries];
  const plain = errorCorrelations([one, two], 1)[1]!;
  const scaled = { ...two, values: two.values.map((value) => value * 1e200) };
  const tiny = { ...one, values: one.values.map((value) => value * 1e-200) };
  assert.ok(Math.abs(errorCorrelations([tiny, scaled], 1)[1]! - plain) < 1e-6);
  const constant = { ...one, values: one.values.map(() => 5) };
  const silent = { ...one, values: one.values.map(() => NaN) };
  for (const other of [constant, silent]) {
    assert.deepEqual([...errorCorrelations([one, other], 1)], [1, 0, 0, 1]);
  }
  const holed = { ...one, values: one.values.map((value, t) => t % 7 === 0 ? NaN : value) };
  const some = errorCorrelations([holed, two], 1)[1]!;
  assert.ok(some > 0.5 && some < plain, `${some} beside ${plain}`);
});

Deno.test("errorCorrelations() is not led by one glitch that two streams share", () => {
  const [one, two] = walks(0, [1, 1]).map(({ values, seasons }) => ({
    values: values.map((value, t) => t === 200 ? 1e6 : value),
    seasons,
  })) as [SlotSeries, SlotSeries];
  const r = errorCorrelations([one, two], 1)[1]!;
  assert.ok(Math.abs(r) < 0.3, String(r));
});

Deno.test("sharedLead() is the largest of the leads that is not beyond the time", () => {
  const pasts = { endNs: 0n, stepNs: 1e9, series: [] };
  const at = (seconds: number) => sharedLead(pasts, BigInt(seconds) * SECOND_NS);
  assert.deepEqual([0, 1, 3, 4, 63, 64, 10_000].map(at), [1, 1, 1, 4, 16, 64, 64]);
  assert.ok(SHARED_LEADS.every((lead) => lead < SHARED_SLOTS_MAX / 3));
});
