import assert from "node:assert/strict";
import { constantly, gradientsOf, listedGradients } from "../../../src/cli/goldens/gradients.ts";
import { channelWeight, hasGradients, lossWeight } from "../../../src/cli/goldens/gradients.ts";
import { lossWeightIf } from "../../../src/cli/goldens/gradients.ts";
import { fileOf, manifestOf } from "./_files.ts";
import { GOLDENS_FOLDER_DEFAULT } from "../../../src/cli/goldens.ts";
import { parseGoldenGroup } from "../../../src/cli/goldens/golden_file.ts";
import { openCpu } from "../../../src/device/mod.ts";
import { gate, runOp } from "../../../src/ops/mod.ts";
import { tensorOf } from "../../../src/tensor/tensor.ts";

const on = { device: openCpu({ poison: true }), dtype: "f64" } as const;

Deno.test("gradientsOf() names the gradients as the variables; unused ones are zero", async () => {
  const x = tensorOf([2], Float64Array.of(3, 4));
  const gradient = await gradientsOf(on, (device, variable) => {
    variable("idle", x);
    const operands = { y: variable("x", x), z: variable("x", x) };
    const { out } = runOp(device, gate, operands, { activation: "identity" });
    return [[out, tensorOf([2], Float64Array.of(1, 10))]];
  });
  assert.deepEqual([...gradient("x").data], [6, 80]);
  assert.deepEqual([...gradient("idle").data], [0, 0]);
  assert.throws(() => gradient("absent"), /No variable "absent"/);
  assert.equal(constantly("x", x), x);
});

Deno.test("hasGradients() and lossWeight() read the case", async () => {
  const path = `${GOLDENS_FOLDER_DEFAULT}/layers`;
  const { cases } = parseGoldenGroup(
    await Deno.readTextFile(`${path}.json`),
    await Deno.readFile(`${path}.safetensors`),
  );
  const glu = cases.find(({ name }) => name === "glu")!;
  assert.equal(hasGradients(glu), true);
  assert.deepEqual(lossWeight(glu, on).shape, [3, 5]);
  assert.deepEqual(lossWeightIf(glu, on, "w_out", "loss_weight")!.shape, [3, 5]);
  assert.equal(lossWeightIf(glu, on, "w_state"), undefined);
});

Deno.test("channelWeight() takes the features of one channel", () => {
  const weight = tensorOf([1, 2, 6], Float64Array.from({ length: 12 }, (_, i) => i));
  const part = channelWeight(weight, 1, 3);
  assert.deepEqual(part.shape, [1, 2, 3]);
  assert.deepEqual([...part.data], [3, 4, 5, 9, 10, 11]);
});

Deno.test("listedGradients() takes the variables that a case lists and leaves others out", async () => {
  const about = { role: "grad", shape: [2], complex: false, rtol: { f64: 1, f32: 1 } };
  const manifest = manifestOf({ grad_x: about, grad_ghost: about });
  const file = fileOf({
    "one/x": [1, 2],
    "one/y": [2, 4],
    "one/grad_x": [0, 0],
    "one/grad_ghost": [0, 0],
  });
  const golden = parseGoldenGroup(manifest, file).cases[0]!;
  const x = tensorOf([2], Float64Array.of(3, 4));
  const gradient = await gradientsOf(on, (device, variable) => {
    const operands = { y: variable("x", x), z: variable("unlisted", x) };
    const { out } = runOp(device, gate, operands, { activation: "identity" });
    return [[out, tensorOf([2], Float64Array.of(1, 10))]];
  });
  assert.deepEqual(listedGradients(golden, gradient), { grad_x: Float64Array.of(3, 40) });
});
