import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { kalmanFilter, totalLogLik } from "../../src/ssm/kalman.ts";
import { type KalmanScore, kalmanScore } from "../../src/ssm/kalman_score.ts";
import { exactDiffuseStart, type KalmanStart } from "../../src/ssm/kalman_system.ts";
import type { KalmanSystem } from "../../src/ssm/kalman_system.ts";
import { symmetrizeInto } from "../../src/ssm/dense.ts";
import { structuralSystem } from "../../src/ssm/structural.ts";
import { gappySeries, twinSensors, varyingSystem, wideVaryingSystem } from "./_gaussian.ts";

interface Point {
  readonly system: KalmanSystem;
  readonly start: KalmanStart;
  readonly observations: Float64Array;
}

/** Fourth-order differences of step 1e-4: rounding of a likelihood near 100 leaves 1e-10. */
const STEP = 1e-4;
const CLOSE = 1e-8;

const COVARIANCES = ["processCov", "observationCov", "startCov"];

function moved(point: Point, name: keyof KalmanScore, change: Float64Array): Point {
  const plus = (array: Float64Array) => array.map((value, i) => value + change[i]!);
  const { system, start, observations } = point;
  if (name === "startMean") return { ...point, start: { ...start, mean: plus(start.mean) } };
  if (name === "startCov") return { ...point, start: { ...start, cov: plus(start.cov) } };
  if (name === "observations") return { ...point, observations: plus(observations) };
  const before = system[name] ?? new Float64Array(change.length);
  return { ...point, system: { ...system, [name]: plus(before) } };
}

/** The score along a random direction of each array is the difference of the likelihood. */
function assertScore(point: Point, without: readonly string[] = []): void {
  const { system, start, observations } = point;
  const filtered = kalmanFilter(system, start, observations);
  const score = kalmanScore(system, filtered, observations);
  const random = seedRandom(5);
  for (const name of Object.keys(score) as (keyof KalmanScore)[]) {
    if (without.includes(name)) continue;
    const gradient = score[name];
    const direction = gradient.map(() => nextNormal(random)) as Float64Array;
    if (COVARIANCES.includes(name)) symmetrizeSlices(direction, name, system);
    const along = (step: number) => {
      const at = moved(point, name, direction.map((value) => value * step) as Float64Array);
      return totalLogLik(kalmanFilter(at.system, at.start, at.observations));
    };
    const measured = (8 * (along(STEP) - along(-STEP)) - (along(2 * STEP) - along(-2 * STEP))) /
      (12 * STEP);
    const expected = gradient.reduce((sum, value, i) => sum + value * direction[i]!, 0);
    const error = Math.abs(measured - expected) / (1 + Math.abs(expected));
    assert.ok(error < CLOSE, `${name}: ${measured}, not ${expected}`);
  }
}

/** A covariance moves within the symmetric matrices. */
function symmetrizeSlices(direction: Float64Array, name: string, { sizes }: KalmanSystem): void {
  const size = name === "processCov"
    ? sizes.noise
    : name === "observationCov"
    ? sizes.observed
    : sizes.state;
  for (let at = 0; at < direction.length; at += size * size) {
    symmetrizeInto(direction.subarray(at, at + size * size), size);
  }
}

Deno.test("kalmanScore() is the difference of the likelihood: time-varying, missing values", () => {
  const start = { mean: Float64Array.of(1, -1), cov: Float64Array.of(2, 0.5, 0.5, 1) };
  assertScore({ system: varyingSystem(9), start, observations: gappySeries(9) });
});

Deno.test("kalmanScore() adds up over the times of a slice that they share", () => {
  const spec = { trend: "lltrend", seasons: [] };
  const system = structuralSystem(spec, Float64Array.of(1, 0.4, 0.2));
  const start = { mean: Float64Array.of(1, 0.5), cov: Float64Array.of(2, 0.5, 0.5, 1) };
  const observations = Float64Array.from({ length: 20 }, (_, t) => t + Math.sin(t));
  observations[4] = observations[5] = NaN;
  assertScore({ system, start, observations });
});

Deno.test("kalmanScore() is exact under a diffuse start", () => {
  const spec = { trend: "lltrend", seasons: [{ period: 4, harmonics: 1 }] };
  const system = structuralSystem(spec, Float64Array.of(1, 0.3, 0.2, 0.1));
  const observations = Float64Array.from({ length: 20 }, (_, t) => t + Math.sin(1.5 * t));
  observations[2] = NaN;
  assertScore({ system, start: exactDiffuseStart(4), observations });
});

Deno.test("kalmanScore() is exact where an observation sees a part of what is infinite", () => {
  const start = exactDiffuseStart(3);
  const system = wideVaryingSystem(9);
  // A start's finite part is of no effect where all of it is infinite.
  assertScore({ system, start, observations: gappySeries(9) });
  // Sensors that see the same are a limit that a change of C or A leaves.
  const twins = { system: twinSensors(), start: exactDiffuseStart(2) };
  assertScore({ ...twins, observations: gappySeries(9) }, ["C"]);
});
