import assert from "node:assert/strict";
import { AUGURS_VERSION, cyclesOf, loadAugurs } from "../../../src/cli/peers/augurs.ts";

const QUANTILES = Float64Array.from([0.025, 0.1, 0.5, 0.9, 0.975]);

Deno.test("cyclesOf() takes a season and its longer one where the context holds them", () => {
  assert.deepEqual(cyclesOf(24, 1008), [24, 168]);
  assert.deepEqual(cyclesOf(24, 336), [24]);
  assert.deepEqual(cyclesOf(24, 48), []);
  assert.deepEqual(cyclesOf(12, 100), [12]);
  assert.deepEqual(cyclesOf(1, 100), []);
});

Deno.test("the package is pinned as the version that is named", async () => {
  const config = JSON.parse(await Deno.readTextFile(`${import.meta.dirname}/../../../deno.json`));
  const [name, version] = AUGURS_VERSION.split(" ");
  assert.equal(config.imports[name!], `npm:${name}@${version}`);
});

Deno.test("loadAugurs() forecasts a season by MSTL and none by ETS", async () => {
  const augurs = await loadAugurs();
  assert.ok(augurs !== null);
  const context = Float64Array.from(
    { length: 240 },
    (_, i) => 10 + 5 * Math.sin(Math.PI * i / 12) + 0.1 * Math.sin(i * i),
  );
  const question = { context, season: 24, horizon: 12, quantiles: QUANTILES };
  const rows = augurs.forecast({ ...question, method: "mstl" });
  assert.equal(rows.length, 12 * QUANTILES.length);
  for (let lead = 0; lead < 12; lead++) {
    const row = rows.subarray(lead * 5, (lead + 1) * 5);
    assert.ok(Math.abs(row[2]! - 10 - 5 * Math.sin(Math.PI * (240 + lead) / 12)) < 1);
    for (let q = 1; q < 5; q++) assert.ok(row[q]! >= row[q - 1]!);
  }
  const flat = augurs.forecast({ ...question, method: "ets" });
  assert.ok(Math.abs(flat[2]! - flat[11 * 5 + 2]!) < 2, "exponential smoothing knows no season");
});
