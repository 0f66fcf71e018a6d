import assert from "node:assert/strict";
import fc from "fast-check";
import { maxAbs, multiply, transpose } from "../../src/ssm/dense.ts";
import {
  beliefElement,
  type FilterElement,
  filterElement,
  filterMonoid,
  type SmootherElement,
  smootherElement,
  smootherMonoid,
} from "../../src/ssm/kalman_elements.ts";
import { kalmanFilter } from "../../src/ssm/kalman.ts";
import { sliceAt } from "../../src/ssm/kalman_system.ts";
import type { Monoid } from "../../src/ssm/monoid.ts";
import { farthest, gappySeries, varyingSystem } from "./_gaussian.ts";

const N = 3;
const entries = (count: number) =>
  fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: count, maxLength: count })
    .map((values) => Float64Array.from(values));
/** B·Bᵀ of a random B, singular ones and zero among them. */
const covariance = entries(N * N).map((B) => multiply(B, transpose(B, N, N), N, N, N));

const filterElements: fc.Arbitrary<FilterElement> = fc.record({
  A: entries(N * N),
  b: entries(N),
  cov: covariance,
  eta: entries(N),
  J: covariance,
});
const smootherElements: fc.Arbitrary<SmootherElement> = fc.record({
  E: entries(N * N),
  g: entries(N),
  cov: covariance,
});

/** I + cov·J has a condition below 1e4 for these entries, and values grow to 1e3. */
const CLOSE = 1e-10;

function assertNear<E extends object>(actual: E, expected: E): void {
  for (const [name, value] of Object.entries(expected) as [keyof E & string, Float64Array][]) {
    const distance = farthest(actual[name] as Float64Array, value) / (1 + maxAbs(value));
    assert.ok(distance < CLOSE, `${name} is off by ${distance}`);
  }
}

function checkLaws<E extends object>(
  { combine, identity }: Monoid<E>,
  element: fc.Arbitrary<E>,
): void {
  fc.assert(fc.property(element, element, element, (a, b, c) => {
    assertNear(combine(combine(a, b), c), combine(a, combine(b, c)));
    assertNear(combine(identity, a), a);
    assertNear(combine(a, identity), a);
  }));
}

Deno.test("filterMonoid() is associative with its identity", () => {
  checkLaws(filterMonoid(N), filterElements);
});

Deno.test("smootherMonoid() is associative with its identity", () => {
  checkLaws(smootherMonoid(N), smootherElements);
});

Deno.test("filterElement() after a belief is one step of the filter", () => {
  const length = 6;
  const system = varyingSystem(length);
  const series = gappySeries(length);
  const start = { mean: Float64Array.of(1, -1), cov: Float64Array.of(2, 0.5, 0.5, 1) };
  const filtered = kalmanFilter(system, start, series);
  const mean = (t: number) => filtered.filteredMean.slice(2 * t, 2 * t + 2);
  const cov = (t: number) => filtered.filteredCov.slice(4 * t, 4 * t + 4);
  for (let t = 1; t < length; t++) {
    const y = series.slice(2 * t, 2 * t + 2);
    const element = filterElement(sliceAt(system, t - 1), sliceAt(system, t), y, system.sizes);
    const after = filterMonoid(2).combine(beliefElement(mean(t - 1), cov(t - 1)), element);
    assert.ok(farthest(after.b, mean(t)) < 1e-12);
    assert.ok(farthest(after.cov, cov(t)) < 1e-12);
    assert.equal(maxAbs(after.A), 0);
  }
});

Deno.test("smootherElement() after a certain next state is the regression on it", () => {
  const sizes = { state: 1, observed: 1, noise: 1 };
  const step = {
    A: Float64Array.of(0.5),
    C: Float64Array.of(1),
    G: Float64Array.of(1),
    processCov: Float64Array.of(1),
    observationCov: Float64Array.of(1),
    stateIntercept: Float64Array.of(3),
    observationIntercept: Float64Array.of(0),
  };
  // Prior N(2, 4): covariance with the next state 2, variance of the next 2, mean of the next 4.
  const { E, g, cov } = smootherElement(step, Float64Array.of(2), Float64Array.of(4), sizes);
  const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-14);
  close(E[0]!, 1);
  close(g[0]!, -2);
  close(cov[0]!, 2);
});
