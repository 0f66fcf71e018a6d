import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { openCpu } from "../../src/device/mod.ts";
import { measureBacklogCrossover } from "../../src/models/backlog_crossover.ts";
import { gpuTest, takeFaults } from "../_gpu.ts";

gpuTest(
  "measureBacklogCrossover() times a sample on both devices and leaves nothing",
  async (gpu) => {
    const before = gpu.memory.used;
    const { cpu, gpu: line, work } = await measureBacklogCrossover(openCpu(), gpu, systemClock);
    for (const { fixedMs, perWorkMs } of [cpu, line]) {
      assert.ok(fixedMs >= 0 && Number.isFinite(fixedMs));
      assert.ok(perWorkMs >= 0 && perWorkMs < 100);
    }
    assert.ok(cpu.perWorkMs > 0, "a core absorbs more samples in no more time");
    assert.ok(work >= 0);
    assert.equal(gpu.memory.used, before);
    assert.deepEqual(takeFaults(), []);
  },
);
