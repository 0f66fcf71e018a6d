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
