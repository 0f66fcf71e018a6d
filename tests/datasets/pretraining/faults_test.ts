import assert from "node:assert/strict";
import { faultInto, FAULTS } from "../../../datasets/pretraining/faults.ts";
import { momentsOf } from "../../../datasets/pretraining/_helpers/series.ts";
import { seedRandom } from "../../../src/base/random.ts";

const wave = () => Float64Array.from({ length: 400 }, (_, i) => Math.sin(i / 7) + i / 1_000);

for (const fault of FAULTS) {
  Deno.test(`faultInto() makes a ${fault} fault, the same for the same seed`, () => {
    const [a, b] = [wave(), wave()];
    faultInto(seedRandom(3), a, 300, fault);
    faultInto(seedRandom(3), b, 300, fault);
    assert.deepEqual(a, b);
    assert.notDeepEqual(a, wave());
    assert.deepEqual(a.subarray(300), wave().subarray(300), "nothing beyond the count");
    assert.ok(a.every(Number.isFinite));
  });

  Deno.test(`faultInto() leaves a constant alone (${fault})`, () => {
    const flat = new Float64Array(40).fill(2);
    faultInto(seedRandom(1), flat, 40, fault);
    assert.ok(flat.every((x) => x === 2));
  });
}

Deno.test("faultInto() holds a stuck sensor's value", () => {
  const values = wave();
  faultInto(seedRandom(5), values, 400, "stuck");
  let held = 0;
  for (let i = 1; i < 400; i++) if (values[i] === values[i - 1]) held++;
  assert.ok(held >= 1 && held < 120, `${held}`);
});

Deno.test("faultInto() rounds to coarse steps", () => {
  const values = wave();
  faultInto(seedRandom(5), values, 400, "steps");
  assert.ok(new Set(values).size < 60);
});

Deno.test("faultInto() throws outliers far beyond the rest", () => {
  const { deviation } = momentsOf(wave());
  let far = 0;
  for (let seed = 0; seed < 20; seed++) {
    const values = wave();
    faultInto(seedRandom(seed), values, 400, "outliers");
    if (values.some((x, i) => Math.abs(x - wave()[i]!) > 4 * deviation)) far++;
  }
  assert.ok(far > 10, `${far}`);
});
