import assert from "node:assert/strict";
import { kalmanFilter } from "../../src/ssm/kalman.ts";
import { kalmanForecast } from "../../src/ssm/kalman_forecast.ts";
import { structuralSystem } from "../../src/ssm/structural.ts";

Deno.test("kalmanForecast() is the filter's own forecast of missing samples", () => {
  const model = structuralSystem(
    { trend: "lltrend", seasons: [{ period: 6, harmonics: 2 }] },
    Float64Array.of(1, 0.1, 0.01, 0.05),
  );
  const start = { mean: new Float64Array(6), cov: model.A.map((_, i) => (i % 7 === 0 ? 10 : 0)) };
  const values = Float64Array.from({ length: 20 }, (_, t) => t + Math.cos(t));
  const padded = new Float64Array(25).fill(NaN);
  padded.set(values);
  const { mean, cov } = kalmanForecast(model, kalmanFilter(model, start, values), 5);
  const beyond = kalmanFilter(model, start, padded);
  // The same operations in another order of the symmetrisation.
  mean.forEach((value, h) => assert.ok(Math.abs(value - beyond.forecast[20 + h]!) < 1e-12));
  cov.forEach((value, h) => assert.ok(Math.abs(value - beyond.innovationCov[20 + h]!) < 1e-12));
  for (let h = 1; h < 5; h++) assert.ok(cov[h]! > cov[h - 1]!);
});
