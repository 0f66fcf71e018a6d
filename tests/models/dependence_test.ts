import assert from "node:assert/strict";
import type { PastForecast } from "../../src/models/past_forecast.ts";
import {
  componentCorrelation,
  COMPONENTS,
  type Dependence,
  dependenceAt,
  fitDependence,
  priorDependence,
} from "../../src/models/dependence.ts";
import { noise } from "./_series.ts";

const HORIZON = 24;

/** Errors of an ideal forecaster at origins of one long series of innovations. */
function pastOf(
  origins: number,
  span: number,
  seed: number,
  errorsAt: (slot: number, innovations: Float64Array, noises: Float64Array) => Float64Array,
): PastForecast[] {
  const innovations = noise(span + 100, seed);
  const noises = noise(span + 100, seed + 1000);
  return Array.from({ length: origins }, (_, o) => {
    const slot = 20 + Math.floor(o * span / origins);
    return {
      slot,
      point: new Float32Array(HORIZON),
      spread: new Float32Array(HORIZON),
      size: new Float32Array(HORIZON),
      errors: errorsAt(slot, innovations, noises),
    };
  });
}

const PHI = 0.8;

/** Errors from an origin, and their true covariance at leads 1 ≤ a ≤ b. */
const PROCESSES: Record<string, {
  errors: (slot: number, e: Float64Array, n: Float64Array) => Float64Array;
  covariance: (a: number, b: number) => number;
}> = {
  "a random walk": {
    errors(slot, e) {
      let sum = 0;
      return Float64Array.from({ length: HORIZON }, (_, l) => sum += e[slot + 1 + l]!);
    },
    covariance: (a) => a,
  },
  "white noise": {
    errors: (slot, e) => e.slice(slot + 1, slot + 1 + HORIZON),
    covariance: (a, b) => a === b ? 1 : 0,
  },
  "an AR(1)": {
    errors(slot, e) {
      let value = 0;
      return Float64Array.from(
        { length: HORIZON },
        (_, l) => value = PHI * value + e[slot + 1 + l]!,
      );
    },
    covariance: (a, b) => PHI ** (b - a) * (1 - PHI ** (2 * a)) / (1 - PHI ** 2),
  },
  "a level under noise": {
    errors(slot, e, n) {
      let level = 0;
      return Float64Array.from({ length: HORIZON }, (_, l) => {
        level += 0.3 * e[slot + 1 + l]!;
        return level + n[slot + 1 + l]!;
      });
    },
    covariance: (a, b) => 0.09 * a + (a === b ? 1 : 0),
  },
};

/** Variance of the sum of all leads as the dependence has it, over the true one. */
function sumRatio(fitted: Dependence, covariance: (a: number, b: number) => number): number {
  let truth = 0;
  let own = 0;
  for (let a = 1; a <= HORIZON; a++) {
    for (let b = 1; b <= HORIZON; b++) {
      truth += covariance(Math.min(a, b), Math.max(a, b));
      own += Math.sqrt(covariance(a, a) * covariance(b, b)) * dependenceAt(fitted, a, b);
    }
  }
  return own / truth;
}

for (const [name, { errors, covariance }] of Object.entries(PROCESSES)) {
  Deno.test(`fitDependence() gets the variance of the sum of ${name} right`, () => {
    const ratios = Array.from({ length: 20 }, (_, seed) => {
      const fitted = fitDependence(pastOf(82, 1000, 77 * (seed + 1), errors), HORIZON, 1);
      return sumRatio(fitted, covariance);
    });
    const mean = ratios.reduce((sum, ratio) => sum + ratio / ratios.length, 0);
    // 1,000 slots hold 41 sums: one series alone cannot say it to better than a fifth.
    assert.ok(mean > 0.9 && mean < 1.1, `${mean}`);
  });
}

Deno.test("fitDependence() sees that a forecast that repeats a season repeats its error", () => {
  const errors = (slot: number, e: Float64Array) =>
    Float64Array.from(
      { length: HORIZON },
      (_, l) => e[slot + 1 + l]! - e[slot + 1 + l % 7 - 7]!,
    );
  const fitted = fitDependence(pastOf(82, 1000, 5, errors), HORIZON, 7);
  assert.equal(fitted.season, 7);
  // Both errors hold the same past value: half of each variance.
  assert.ok(Math.abs(dependenceAt(fitted, 2, 9) - 0.5) < 0.15);
  assert.ok(Math.abs(dependenceAt(fitted, 2, 8)) < 0.1);
});

Deno.test("fitDependence() keeps to the prior without errors, gaps do no harm", () => {
  const prior = priorDependence();
  assert.deepEqual(fitDependence([], HORIZON, 1), prior);
  assert.deepEqual(fitDependence([], 1, 1), prior);
  const walk = pastOf(82, 1000, 9, PROCESSES["a random walk"]!.errors);
  for (const { errors } of walk) errors.forEach((_, l) => (l % 3 === 1) && (errors[l] = NaN));
  const ratio = sumRatio(fitDependence(walk, HORIZON, 1), PROCESSES["a random walk"]!.covariance);
  assert.ok(ratio > 0.85 && ratio < 1.1, `${ratio}`);
  const constant = walk.map((past) => ({ ...past, errors: new Float64Array(HORIZON) }));
  assert.ok(fitDependence(constant, HORIZON, 1).weights.every(Number.isFinite));
});

Deno.test("fitDependence() gives weights that are not negative and sum to 1", () => {
  for (const { errors } of Object.values(PROCESSES)) {
    const { weights } = fitDependence(pastOf(30, 90, 3, errors), HORIZON, 12);
    assert.equal(weights.length, COMPONENTS.length);
    assert.ok(weights.every((weight) => weight >= 0));
    assert.ok(Math.abs(weights.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-9);
  }
});

Deno.test("componentCorrelation() is 1 at one lead, and as its process says at two", () => {
  for (const component of COMPONENTS) assert.equal(componentCorrelation(component, 3, 3, 7), 1);
  assert.equal(componentCorrelation({ form: "walk" }, 1, 4, 0), 0.5);
  // A fresh process of long memory is a walk, and one of short memory has always run.
  const fresh = (tau: number) => componentCorrelation({ form: "fresh", tau }, 1, 4, 0);
  assert.ok(Math.abs(fresh(1e6) - 0.5) < 1e-5);
  assert.ok(Math.abs(fresh(0.2) - Math.exp(-15)) < 1e-9);
  assert.equal(componentCorrelation({ form: "season" }, 1, 8, 7), 1);
  assert.equal(componentCorrelation({ form: "season" }, 1, 8, 0), 0);
});

/** Standard deviations of the logarithm of a size that all steps of one forecast share. */
const SIZES = [0, 0.4, 0.8] as const;

Deno.test("fitDependence() learns how much the sizes of paths differ", () => {
  for (const phi of [0, 0.7, 1]) {
    const found = SIZES.map((deviation) => {
      const fits = Array.from({ length: 12 }, (_, seed) => {
        const sizes = noise(200, 31 + seed);
        const own = pastOf(82, 2000, 5 * (seed + 1), (slot, e) => {
          // Of a whole block of slots, so that origins that overlap are as large.
          const size = Math.exp(deviation * sizes[Math.floor(slot / HORIZON)]!);
          let value = 0;
          return Float64Array.from({ length: HORIZON }, (_, l) => {
            value = phi * value + size * e[slot + 1 + l]!;
            return value;
          });
        });
        return fitDependence(own, HORIZON, 1).sizeDeviation;
      });
      return fits.reduce((sum, one) => sum + one / fits.length, 0);
    });
    const shown = `${phi}: ${found}`;
    assert.ok(found[0]! < 0.15, shown);
    assert.ok(found[1]! > 0.3 && found[1]! < 0.5, shown);
    assert.ok(found[2]! > 0.6 && found[2]! < 0.9, shown);
  }
});

Deno.test("fitDependence() does not take heavy tails for sizes that differ", () => {
  const past = pastOf(82, 2000, 3, (slot, e, n) => {
    // Student's t of about 2: a normal over the size of another.
    return Float64Array.from(
      { length: HORIZON },
      (_, l) => e[slot + 1 + l]! / Math.hypot(n[slot + 1 + l]!, n[slot + 31 + l]!),
    );
  });
  assert.ok(fitDependence(past, HORIZON, 1).sizeDeviation < 0.2);
});

Deno.test("fitDependence() knows how neighbouring leads of a process with memory hang together", () => {
  for (const [name, exact] of [["a random walk", Math.sqrt(12 / 13)], ["an AR(1)", PHI]] as const) {
    for (const span of [200, 1000]) {
      const near = Array.from({ length: 20 }, (_, seed) => {
        const past = pastOf(46, span, 7 * (seed + 1), PROCESSES[name]!.errors);
        return dependenceAt(fitDependence(past, HORIZON, 1), 12, 13);
      });
      const mean = near.reduce((sum, one) => sum + one / near.length, 0);
      assert.ok(Math.abs(mean - exact) < 0.05, `${name} ${span}: ${mean} for ${exact}`);
    }
  }
});
