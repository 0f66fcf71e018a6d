import assert from "node:assert/strict";
import { openCpu } from "../../src/device/mod.ts";
import type { Backbone } from "../../src/models/backbone.ts";
import { openServing } from "../../src/models/serving.ts";
import { batchClass } from "../../src/models/serving_fused.ts";
import { gpuTest } from "../_gpu.ts";
import { DEFAULT_LIMITS, withLimits } from "../ops/_run.ts";
import { backbone, FUSED, MAMBA_NARROW, parametersOf } from "./_serving.ts";

const cpu = openCpu({ poison: true, simd: false });

Deno.test("fusedObstacle() lets fused steps serve Mamba blocks only", () => {
  const obstacleOf = (model: Backbone) => {
    const serving = openServing(cpu, model, parametersOf(model), { capacity: 1 });
    serving.close();
    return serving.obstacle;
  };
  assert.equal(obstacleOf(FUSED), undefined);
  assert.equal(obstacleOf(backbone(["mamba", "s4d"])), "a layer is not mamba");
  const input = { kind: "tokens", vocabulary: 3 };
  assert.match(obstacleOf(backbone(["mamba"], { input }))!, /tokens/);
  assert.match(obstacleOf(backbone(["mamba"], { mlp: 4 }))!, /MLP/);
  assert.match(obstacleOf(backbone(["mamba"], { norm: "layer" }))!, /norm/);
  assert.match(obstacleOf(backbone(["mamba"], { width: 6 }))!, /multiple of 4/);
  assert.match(obstacleOf(backbone(["mamba", MAMBA_NARROW]))!, /convolutions differ/);
});

Deno.test("batchClass() wastes an eighth at most and makes few sizes", () => {
  const classes = new Set<number>();
  for (let batch = 1; batch <= 5000; batch++) {
    const size = batchClass(batch);
    assert.ok(size >= batch && size <= Math.max(batch + 7, 1.125 * batch + 1), `${batch}: ${size}`);
    classes.add(size);
  }
  assert.ok(classes.size < 60, `${classes.size} sizes`);
});

gpuTest("openFused() makes the launches of a batch size once", (gpu) => {
  const serving = openServing(gpu, FUSED, parametersOf(FUSED), { capacity: 100 });
  assert.equal(serving.launches(97), serving.launches(100));
  assert.notEqual(serving.launches(97), serving.launches(50));
  serving.close();
  // A block that is too wide for the device's workgroups runs op by op.
  const narrow = withLimits(gpu, { ...DEFAULT_LIMITS, invocationsMax: 8 });
  const chain = openServing(narrow, FUSED, parametersOf(FUSED), { capacity: 1 });
  assert.match(chain.obstacle!, /too wide/);
  assert.equal(chain.launches(1), undefined);
  chain.close();
  narrow.release();
});
