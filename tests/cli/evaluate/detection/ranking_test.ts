import assert from "node:assert/strict";
import {
  averagePrecision,
  bestF1,
  budgetFlags,
  eventCounts,
  heldInRuns,
  ranked,
  type Run,
  runsOf,
  volumeUnderSurface,
} from "../../../../src/cli/evaluate/detection/ranking.ts";
import { lcg } from "./_lcg.ts";

interface Case {
  readonly length: number;
  readonly runs: readonly Run[];
  /** Distinct scores in a unit: ties are part of it. */
  readonly steps: number;
  readonly seed: number;
}

function sample({ length, runs, steps, seed }: Case) {
  const label = new Uint8Array(length);
  for (const [first, last] of runs) label.fill(1, first, last + 1);
  const more = lcg(length, seed + 1);
  const score = lcg(length, seed)
    .map((x, i) => Math.floor((x + 0.6 * label[i]! * more[i]!) * steps) / steps);
  return { label, score };
}

/** Cases and what the evaluation kit's own scorer (ad_common.py) says of them. */
const KIT: readonly {
  given: Case;
  aucPr: number;
  f1: number;
  vusPr: number;
  events: number[];
}[] = [
  {
    given: { length: 700, runs: [[100, 140], [400, 401]], steps: 1000, seed: 7 },
    aucPr: 0.41324113359379644,
    f1: 0.4642857142857143,
    vusPr: 0.39894772602210415,
    events: [1, 2, 2, 2],
  },
  {
    given: { length: 1500, runs: [[30, 90], [700, 700], [1300, 1450]], steps: 20, seed: 11 },
    aucPr: 0.4947976230395694,
    f1: 0.4509090909090909,
    vusPr: 0.47290271934151656,
    events: [2, 3, 5, 5],
  },
  {
    given: { length: 400, runs: [[0, 20], [390, 399]], steps: 5, seed: 3 },
    aucPr: 0.39207817756348845,
    f1: 0.45,
    vusPr: 0.40698191130514094,
    events: [1, 2, 2, 2],
  },
];

Deno.test("ranking metrics are those of the evaluation kit", () => {
  for (const { given, aucPr, f1, vusPr, events } of KIT) {
    const { label, score } = sample(given);
    // Sums in another order: a few units in the last place.
    const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-12, `${a}, kit ${b}`);
    near(averagePrecision(label, score), aucPr);
    near(bestF1(label, score), f1);
    near(volumeUnderSurface(label, score), vusPr);
    const counts = eventCounts(label, budgetFlags(score, 0.005));
    const { anomaliesHit, anomalies, alarmsRight, alarms } = counts;
    assert.deepEqual([anomaliesHit, anomalies, alarmsRight, alarms], events);
  }
});

Deno.test("averagePrecision(), bestF1() and volumeUnderSurface() are 1 for a perfect ranking", () => {
  const label = Uint8Array.from({ length: 600 }, (_, i) => (i >= 200 && i < 260 ? 1 : 0));
  const score = Float64Array.from(label);
  assert.equal(averagePrecision(label, score), 1);
  assert.equal(bestF1(label, score), 1);
  const flat = new Float64Array(600);
  // Nothing is told apart: precision is the share of anomalies.
  assert.equal(averagePrecision(label, flat), 0.1);
  assert.ok(volumeUnderSurface(label, score) > volumeUnderSurface(label, flat));
});

Deno.test("runsOf() and ranked() keep order", () => {
  assert.deepEqual(runsOf(Uint8Array.of(1, 0, 1, 1, 0, 1)), [[0, 0], [2, 3], [5, 5]]);
  assert.deepEqual([...ranked(Float64Array.of(1, 3, 1, 2))], [1, 3, 0, 2]);
});

Deno.test("eventCounts() merges alarms that are near to each other", () => {
  const label = new Uint8Array(40).fill(1, 10, 12);
  const flagged = new Uint8Array(40);
  for (const i of [11, 15, 30]) flagged[i] = 1;
  assert.deepEqual(eventCounts(label, flagged), {
    anomalies: 1,
    anomaliesHit: 1,
    alarms: 2,
    alarmsRight: 1,
  });
});

Deno.test("heldInRuns() keeps the highest score of each labelled run, and no other", () => {
  const label = Uint8Array.of(0, 1, 1, 0, 0, 1, 0);
  const score = Float64Array.of(9, 1, 3, 5, 6, 2, 8);
  assert.deepEqual([...heldInRuns(label, score)], [9, 3, 3, 5, 6, 2, 8]);
  assert.deepEqual([...score], [9, 1, 3, 5, 6, 2, 8]);
});
