import assert from "node:assert/strict";
import { anchorMixture } from "../../src/ops/anchor_mixture.ts";
import { distance, run, t } from "./_run.ts";

const softplus = (x: number) => Math.log(1 + Math.exp(x));

Deno.test("anchorMixture() spreads levels around the weighted anchors", async () => {
  const { q } = await run(anchorMixture, {
    z: t([1, 6], [Math.log(3), 0, Math.log(2), 0.5, 0.1, 0.5]),
    anchors: t([1, 2], [4, 8]),
    valid: t([1, 2], [1, 1]),
    scale: t([1], [0.5]),
  }, {});
  // Weights 3/4 and 1/4; the spread is e^ln 2 = 2 times the scale 1/2.
  assert.ok(distance(q!.data, [5 + 0.1 - softplus(0), 5.1, 5.1 + softplus(0)]) < 1e-14);
});

Deno.test("anchorMixture() leaves an absent anchor out, whatever stands there", async () => {
  const at = async (absent: number) =>
    (await run(anchorMixture, {
      z: t([1, 4], [0.3, 90, 0, 0.7]),
      anchors: t([1, 2], [4, absent]),
      valid: t([1, 2], [1, 0]),
      scale: t([1], [1]),
    }, {})).q!.data;
  assert.deepEqual(await at(1e300), await at(0));
  assert.ok(distance(await at(NaN), [4.7]) < 1e-15);
});

Deno.test("anchorMixture() gives quantiles that do not cross", async () => {
  const z = t([1, 13], [0, 1, -8, 5, -3, -9, 2, 0, 4, -9, -1, 3, 0]);
  const inputs = { z, anchors: t([1, 1], [1]), valid: t([1, 1], [1]), scale: t([1], [2]) };
  const { q } = await run(anchorMixture, inputs, {});
  for (let k = 1; k < q!.data.length; k++) assert.ok(q!.data[k]! > q!.data[k - 1]!);
});

Deno.test("anchorMixture() names the axis at fault", async () => {
  const inputs = (columns: number) => ({
    z: t([1, columns], new Array(columns).fill(0)),
    anchors: t([1, 2], [1, 2]),
    valid: t([1, 2], [1, 1]),
    scale: t([1], [1]),
  });
  await assert.rejects(() => run(anchorMixture, inputs(3), {}), { axis: "z.column" });
  const short = { ...inputs(4), valid: t([1, 1], [1]) };
  await assert.rejects(() => run(anchorMixture, short, {}), { axis: "valid.anchor" });
});
