import assert from "node:assert/strict";
import { packTree } from "../../src/base/tree.ts";
import { openRunner } from "../../src/models/neural/fast_network.ts";
import { decodeWeights } from "../../src/models/neural/weights.ts";
import { neuralReplay } from "../../src/models/neural_replay.ts";
import {
  neuralCatchUp,
  neuralForecast,
  neuralObserve,
  neuralStart,
  openNeural,
} from "../../src/models/neural_track.ts";
import { seasonalWalk } from "./_series.ts";
import { drawnNetwork } from "./neural/_network.ts";

Deno.test("neuralReplay() forecasts from each origin what the track forecasts there", () => {
  const runner = openRunner(decodeWeights(drawnNetwork()));
  const seasons = [{ length: 24, slots: 24 }];
  const horizon = 7;
  const values = seasonalWalk(70, 2);
  const us = values.map((_, i) => i + (i % 6 === 1 ? 0.3 : 0));
  const replayed = neuralStart("test@0", runner, seasons, 4, horizon);
  const origins = new Set([1, 20, 44, 69]);
  const setting = { seasons, horizon, us, values, origins };
  const past = neuralReplay(replayed, runner, setting);
  assert.deepEqual([...past.keys()], [...origins]);
  const live = openNeural(
    neuralStart("test@0", runner, seasons, 4, horizon),
    runner,
    seasons,
    horizon,
  );
  values.forEach((value, i) => {
    if (origins.has(i)) {
      neuralForecast(live, Math.round(us[i - 1]!), true);
      assert.deepEqual(past.get(i), live.outlook);
    }
    neuralObserve(live, us[i]!, value);
  });
  neuralCatchUp(live);
  const { waiting } = replayed;
  assert.deepEqual(packTree(replayed), packTree({ ...live.track, waiting }));
});
