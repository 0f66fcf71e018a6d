import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { kalmanFilter, totalLogLik } from "../../src/ssm/kalman.ts";
import { exactDiffuseStart } from "../../src/ssm/kalman_system.ts";
import { fitVariances } from "../../src/ssm/maximum_likelihood.ts";
import { structuralSystem } from "../../src/ssm/structural.ts";

const spec = { trend: "llevel", seasons: [] };

/** A local level with known variances. */
function simulate(length: number, noise: number, walk: number): Float64Array {
  const random = seedRandom(11);
  let level = 5;
  return Float64Array.from({ length }, () => {
    level += Math.sqrt(walk) * nextNormal(random);
    return level + Math.sqrt(noise) * nextNormal(random);
  });
}

function problemOf(observations: Float64Array) {
  return {
    systemOf: (variances: Float64Array) => structuralSystem(spec, variances),
    start: exactDiffuseStart(1),
    observations,
    burn: 0,
    count: 2,
  };
}

Deno.test("fitVariances() finds the variances that made a series", () => {
  const { variances } = fitVariances(problemOf(simulate(600, 4, 1)));
  // The sampling error of 600 draws is about a fifth here.
  assert.ok(Math.abs(variances[0]! / 4 - 1) < 0.4, `noise ${variances[0]}`);
  assert.ok(Math.abs(variances[1]! / 1 - 1) < 0.6, `walk ${variances[1]}`);
});

Deno.test("fitVariances() stands on a maximum", () => {
  const problem = problemOf(simulate(80, 2, 0.5));
  const { variances, logLik } = fitVariances(problem);
  for (const factors of [[1.05, 1], [0.95, 1], [1, 1.05], [1, 0.95]]) {
    const moved = variances.map((value, i) => value * factors[i]!);
    const filtered = kalmanFilter(problem.systemOf(moved), problem.start, problem.observations);
    assert.ok(totalLogLik(filtered) < logLik);
  }
});

Deno.test("fitVariances() does not care for the unit of the values", () => {
  const values = simulate(60, 1, 0.3);
  const plain = fitVariances(problemOf(values)).variances;
  const scaled = fitVariances(problemOf(values.map((value) => value * 1e6))).variances;
  // The search ends when the log likelihood gains less than 1e-10, flat to 1e-4 around its top.
  plain.forEach((value, i) => assert.ok(Math.abs(scaled[i]! / value / 1e12 - 1) < 1e-3));
});

Deno.test("fitVariances() says when no start has a likelihood", () => {
  const broken = problemOf(Float64Array.of(1, 2, 3));
  const systemOf = () => {
    throw new RangeError("Covariance is not positive definite");
  };
  assert.throws(() => fitVariances({ ...broken, systemOf }), /No start of the search/);
});
