import { seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { LAYERS } from "../../src/layers/mod.ts";
import { openServing } from "../../src/models/serving.ts";
import { gpuTest } from "../_gpu.ts";
import { assertClose, backbone, drawInput, FUSED, parametersOf, serveBeside } from "./_serving.ts";

const cpu = openCpu({ poison: true, simd: false });

for (const { name } of LAYERS) {
  Deno.test(`openChain() serves what Backbone.step() gives: ${name}`, () =>
    serveBeside(cpu, backbone([name]), { plan: "chain" }));
}

Deno.test("openChain() takes the elapsed time of each layer", async () => {
  const model = backbone(["s5", "s4d", "s5"]);
  const tensors = parametersOf(model);
  const serving = openServing(cpu, model, tensors, { capacity: 2 });
  const slots = serving.open(2);
  const random = seedRandom(5);
  const states = [0, 1].map(() => model.initialState(1, "f64"));
  for (let i = 0; i < 4; i++) {
    const rows = [0, 1].map(() => drawInput(model, random));
    const clocks = [[1, 0.25 * i], [0.5, 3], [0, 1]];
    const y = await serving.step({ slots, inputs: rows.flat(), clocks });
    const expected = rows.flatMap((row, b) => {
      const elapsed = clocks.map((times) => times[b]!);
      return [...model.step(tensors, Float64Array.from(row), states[b]!, elapsed)];
    });
    assertClose(y, expected, `outputs of step ${i}`);
  }
  serving.close();
});

gpuTest("openChain() serves what fused steps do on the GPU", async (gpu) => {
  const tensors = parametersOf(FUSED);
  const [fused, chain] = (["auto", "chain"] as const).map((plan) =>
    openServing(gpu, FUSED, tensors, { capacity: 3, plan })
  );
  const random = seedRandom(1);
  for (let i = 0; i < 6; i++) {
    const samples = { inputs: [drawInput(FUSED, random), drawInput(FUSED, random)].flat() };
    const [a, b] = await Promise.all([fused, chain].map((serving) => {
      if (i === 0) serving!.open(3);
      return serving!.step({ slots: [2, 0], ...samples });
    }));
    assertClose(a!, b!, `outputs of step ${i}`);
  }
  for (const serving of [fused, chain]) serving!.close();
});
