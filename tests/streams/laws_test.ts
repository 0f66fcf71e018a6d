/** Laws of the state of a stream: what a channel takes as it is stored. */
import assert from "node:assert/strict";
import { packTree, unpackTree } from "../../src/base/tree.ts";
import { multiscale } from "../../src/detectors/multiscale.ts";
import { modelNamed, setModel } from "../../src/models/mod.ts";
import { channel, noise } from "../models/_series.ts";

const CHANNEL_BYTES_MAX = 200_000;
/** As many as a buffer holds before its oldest are dropped. */
const SAMPLES = 2_063;
/** The alarm is open at the end. */
const SHIFTED = SAMPLES - 4;
const HOUR_S = 3_600;
const DAY = 24;
const WEEK = 168;

/** Values above 0, which logarithms take the most voices for, by sample and noise. */
const KINDS: Record<string, (i: number, noise: number) => number> = {
  "a day": (i, e) => 100 + 10 * wave(i, DAY) + e,
  "a day and a week": (i, e) => 100 + 10 * wave(i, DAY) + 8 * wave(i, WEEK) + e,
  "a season as long as any that is found": (i, e) => 100 + 20 * wave(i, 700) + 5 * wave(i, DAY) + e,
  "heavy tails": (i, e) => 100 + 5 * wave(i, DAY) + 0.3 * e ** 3,
};

function wave(i: number, period: number): number {
  return Math.sin(2 * Math.PI * i / period);
}

const weights = new URL("../../weights/neural_small.safetensors", import.meta.url);
setModel("neural_small", Deno.readFileSync(weights));

for (const [name, kind] of Object.entries(KINDS)) {
  Deno.test(`a channel with ${name} is stored in less than 200 kB while an alarm is open`, () => {
    const errors = noise(SAMPLES, 3);
    const values = errors.map((e, i) => kind(i, e) + (i >= SHIFTED ? 40 : 0));
    // Nothing is even, so that times are kept one by one, to the last bit.
    const times = errors.map((e, i) => i * HOUR_S + (i % 7) * 200 + 10 * e);
    const model = modelNamed("committee");
    const state = model.initialState(channel({ horizon: 96, seasonsS: [86_400, 604_800] }));
    model.absorb(state, times, values);
    const detected = multiscale.initialState({ channels: 1, seed: 1 });
    const none = new Float64Array(SAMPLES);
    multiscale.absorb(detected, times, [values], { score: none, flag: none, events: [] });
    assert.notEqual(detected.channels[0]!.kept, null);
    const both = packTree({ state, detected });
    assert.ok(both.length < CHANNEL_BYTES_MAX, `${both.length} bytes`);
    assert.deepEqual(packTree(unpackTree(both)), both);
  });
}
