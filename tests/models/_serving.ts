/** Servings beside the steps of their backbones. */
import assert from "node:assert/strict";
import { nextNormal, nextUniform, type RandomState, seedRandom } from "../../src/base/random.ts";
import type { Device } from "../../src/device/mod.ts";
import { LAYERS, type LayerState } from "../../src/layers/mod.ts";
import { type Backbone, backboneOf } from "../../src/models/backbone.ts";
import { parseBackbone } from "../../src/models/backbone_config.ts";
import { openServing, type Serving, type ServingOptions } from "../../src/models/serving.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";

/** f32 through several layers and a dozen steps: those of the layers' own law, added up. */
const F32_CLOSE = 1e-4;
const ROUNDS = 9;
const STREAMS = 5;

const SMALL: Readonly<Record<string, Record<string, unknown>>> = {
  attention: { window: 30 },
  mamba2: { chunk: 8 },
};

function layerOf(name: string) {
  const known = LAYERS.find((layer) => layer.name === name)!.examples[0];
  const given = { ...(["attention"].includes(name) ? {} : { state: 4 }), ...SMALL[name] };
  return {
    name,
    config: Object.fromEntries(Object.entries(given).filter(([key]) => key in known)),
  };
}

export function backbone(
  layers: readonly (string | { name: string; config: Record<string, unknown> })[],
  change: Record<string, unknown> = {},
): Backbone {
  return backboneOf(parseBackbone({
    input: { kind: "signal", feature: 3 },
    width: 8,
    layers: layers.map((layer) => typeof layer === "string" ? layerOf(layer) : layer),
    output: { size: 2 },
    ...change,
  }));
}

export function parametersOf(model: Backbone): Record<string, Tensor> {
  const random = seedRandom(8);
  return Object.fromEntries(
    Object.entries(model.init(seedRandom(7))).map(([name, tensor]) => {
      const move = (value: number) => Math.fround(value + 0.05 * nextNormal(random));
      return [name, tensorOf(tensor.shape, Float64Array.from(tensor.data, move))];
    }),
  );
}

/** Numbers of one stream's sample, or its token. */
export function drawInput(model: Backbone, random: RandomState): number[] {
  const { input } = model.config;
  if (input.kind === "tokens") return [Math.floor(nextUniform(random) * input.vocabulary)];
  return Array.from({ length: input.feature }, () => Math.fround(nextNormal(random)));
}

export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  allowed = F32_CLOSE,
): void {
  assert.equal(actual.length, expected.length, what);
  const scale = Math.max(1e-3, ...Array.from(expected, Math.abs));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / scale;
    assert.ok(error <= allowed, `${what}[${i}] is ${actual[i]}, not ${expected[i]}`);
  }
}

export function assertStates(
  actual: LayerState,
  expected: LayerState,
  what: string,
  allowed = F32_CLOSE,
): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), what);
  for (const [name, { shape, data }] of Object.entries(expected)) {
    assert.deepEqual(actual[name]!.shape, shape, `${what}: ${name}`);
    assertClose(actual[name]!.data, data, `${what}: ${name}`, allowed);
  }
}

/** States rounded to 11 binary digits some dozen times, and read through two blocks. */
const F16_CLOSE = 5e-3;

/** What is served, beside what, and how close it must be. */
interface Beside {
  readonly serving: Serving;
  readonly model: Backbone;
  readonly tensors: Record<string, Tensor>;
  readonly random: RandomState;
  readonly allowed: number;
}

/** A stream as `Backbone.step` advances it, in f64. */
interface Follower {
  readonly slot: number;
  readonly state: LayerState;
}

/**
 * Serves batches of changing streams, in changing order and at changing times, beside one step at a
 * time in f64; at the end compares every state, and goes on in another stream from one of them.
 */
export async function serveBeside(
  device: Device,
  model: Backbone,
  options: Partial<ServingOptions> = {},
): Promise<void> {
  const tensors = parametersOf(model);
  const serving = openServing(device, model, tensors, { capacity: STREAMS + 2, ...options });
  const allowed = options.states === "f16" ? F16_CLOSE : F32_CLOSE;
  const beside: Beside = { serving, model, tensors, random: seedRandom(3), allowed };
  try {
    const followers: Follower[] = [...serving.open(STREAMS)].map((slot) => ({
      slot,
      state: model.initialState(1),
    }));
    for (let round = 0; round < ROUNDS; round++) {
      const batch = followers.filter((_, i) => (i + round) % 3 > 0);
      if (round % 2 === 1) batch.reverse();
      await stepBeside(beside, batch, round > 2);
    }
    for (const { slot, state } of followers) {
      assertStates(await serving.read(slot), state, `stream ${slot}`, allowed);
    }
    await moveBeside(beside, followers[1]!);
  } finally {
    serving.close();
  }
}

async function stepBeside(
  { serving, model, tensors, random, allowed }: Beside,
  batch: readonly Follower[],
  isTimed: boolean,
): Promise<void> {
  const inputs = batch.map(() => drawInput(model, random));
  const elapsed = isTimed ? batch.map(() => Math.fround(2 * nextUniform(random))) : undefined;
  const samples = { slots: batch.map(({ slot }) => slot), inputs: inputs.flat(), elapsed };
  const y = await serving.step(samples);
  const { size } = model.config.output;
  batch.forEach(({ state, slot }, i) => {
    const expected = model.step(tensors, Float64Array.from(inputs[i]!), state, elapsed?.[i] ?? 1);
    const own = y.subarray(i * size, (i + 1) * size);
    assertClose(own, expected, `output of stream ${slot}`, allowed);
  });
}

/** Puts a stream's state into another slot, which then goes on as the first would. */
async function moveBeside(beside: Beside, from: Follower): Promise<void> {
  const { serving, allowed } = beside;
  const [slot] = serving.open(1);
  serving.write(slot!, await serving.read(from.slot));
  const moved = { slot: slot!, state: structuredClone(from.state) };
  for (let i = 0; i < 4; i++) {
    await stepBeside(beside, [moved], false);
  }
  assertStates(await serving.read(slot!), moved.state, "the moved stream", allowed);
}

/** Mamba blocks, which fused steps serve. */
export const FUSED = backbone(["mamba", "mamba"]);
/** Another one, of other sizes in everything. */
export const MAMBA_NARROW = {
  name: "mamba",
  config: { state: 8, width: 2, dtRank: 5, bias: true },
};
