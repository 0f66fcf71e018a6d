import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { openCpu } from "../../src/device/mod.ts";
import { measureServingCrossover } from "../../src/models/serving_crossover.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";

gpuTest(
  "measureServingCrossover() times a step on both devices and leaves nothing",
  async (gpu) => {
    const before = gpu.memory.used;
    const { cpu, gpu: line, work } = await measureServingCrossover(openCpu(), gpu, systemClock);
    for (const { fixedMs, perWorkMs } of [cpu, line]) {
      assert.ok(fixedMs >= 0 && Number.isFinite(fixedMs));
      assert.ok(perWorkMs >= 0 && perWorkMs < 100);
    }
    assert.ok(cpu.perWorkMs > 0, "a core serves more streams in no more time");
    assert.ok(work >= 0);
    assert.equal(gpu.memory.used, before);
    assert.deepEqual(takeFaults(), []);
  },
);
