import assert from "node:assert/strict";
import { LimitError } from "../../src/base/errors.ts";
import { openCpu } from "../../src/device/mod.ts";
import type { Backbone } from "../../src/models/backbone.ts";
import { compileServing } from "../../src/models/compile_serving.ts";
import { openServing } from "../../src/models/serving.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";
import { backbone, FUSED, parametersOf } from "./_serving.ts";

const CHAINED = backbone(["s4d"]);
const OPTIONS = { capacity: 6 };

async function serveTwice(device: Parameters<typeof openServing>[0], model: Backbone) {
  const serving = openServing(device, model, parametersOf(model), OPTIONS);
  const slots = serving.open(4);
  const outputs: Float32Array[] = [];
  for (let step = 0; step < 3; step++) {
    const inputs = Float32Array.from({ length: 4 * 3 }, (_, i) => Math.sin(i + step));
    outputs.push(await serving.step({ slots, inputs }));
  }
  serving.write(slots[1]!, await serving.read(slots[0]!));
  serving.close();
  return outputs;
}

for (const [name, model] of [["fused", FUSED], ["op by op", CHAINED]] as const) {
  gpuTest(
    `compileServing() leaves nothing to compile to the serving after it, ${name}`,
    async (gpu) => {
      const told: number[] = [];
      const compiled = await compileServing(
        gpu,
        model,
        parametersOf(model),
        OPTIONS,
        [4],
        (done) => {
          told.push(done);
        },
      );
      assert.ok(compiled > 0);
      assert.equal(told.at(-1), told.length - 1);
      const before = await gpu.pipelinesCompiled();
      const outputs = await serveTwice(gpu, model);
      assert.ok(outputs.flatMap((row) => [...row]).every(Number.isFinite));
      assert.equal(await gpu.pipelinesCompiled(), before);
      assert.deepEqual(takeFaults(), []);
    },
  );
}

gpuTest("compileServing() refuses a batch over the capacity", async (gpu) => {
  await assert.rejects(
    compileServing(gpu, FUSED, parametersOf(FUSED), OPTIONS, [7]),
    (error) => error instanceof LimitError && error.limitName === "capacity",
  );
});

Deno.test("compileServing() has nothing to do on a CPU", async () => {
  assert.equal(await compileServing(openCpu(), FUSED, parametersOf(FUSED), OPTIONS, [4]), 0);
});
