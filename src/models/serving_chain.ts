/**
 * Serving any backbone by its parallel form over a length of one: the states of the batch are
 * gathered from their tables, the backbone runs op by op, and they are put back.
 */
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { embedding, putRows, runInto, runOp } from "../ops/mod.ts";
import { sizeOf } from "../tensor/shape.ts";
import { asDtype, reshape, type Tensor, tensorOf } from "../tensor/tensor.ts";
import type { Backbone } from "./backbone.ts";
import {
  readerOf,
  type ReadOutputs,
  type ServingPlan,
  type ServingSamples,
} from "./serving_plan.ts";
import { plainTable, StateTables } from "./serving_tables.ts";

/** Streams of one run: ops may give the batch an axis of workgroups, at most 65,535 of them. */
export const CHAIN_ROWS_MAX = 32_768;
/** What lies between two ops for each stream, at most: the scores of a chunk of 64 of `ssd`. */
export const CHAIN_STREAM_BYTES = 16_384;

/** Elapsed times for the parallel form, which computes without them where all are 1. */
function scaleOf({ elapsed, clocks, slots }: ServingSamples): Tensor | Tensor[] | undefined {
  const timed = (times: ArrayLike<number>) => tensorOf([slots.length, 1], Float32Array.from(times));
  if (clocks !== undefined) return clocks.map(timed);
  if (elapsed === undefined) return undefined;
  const scale = timed(elapsed);
  return scale.data.every((time) => time === 1) ? undefined : scale;
}

/**
 * Prepares serving by the op chain.
 *
 * @throws {LimitError} the states or the weights do not fit on the device
 */
export function openChain(
  device: Device,
  backbone: Backbone,
  tensors: Readonly<Record<string, Tensor>>,
  capacity: number,
): ServingPlan {
  const { config } = backbone;
  const initial = backbone.initialState(1, "f32");
  const specs = Object.entries(initial).map(([name, { shape }]) => plainTable(name, shape));
  const held = openScope(device);
  const weights: Record<string, DeviceTensor> = {};
  let tables: StateTables;
  try {
    for (const [name, tensor] of Object.entries(tensors)) {
      weights[name] = held.upload(asDtype(tensor, "f32"));
    }
    tables = new StateTables(device, capacity, specs, initial);
  } catch (error) {
    held.release();
    throw error;
  }
  const flat = (name: string) => {
    const table = tables.tensor(name);
    return reshape(table, [capacity, sizeOf(table.shape) / capacity]);
  };

  function step(samples: ServingSamples): ReadOutputs {
    const batch = samples.slots.length;
    const scope = openScope(device);
    try {
      const slots = scope.upload(tensorOf([batch], Float32Array.from(samples.slots)));
      const state = Object.fromEntries(specs.map(({ name, deviceShape }) => {
        const { out } = runOp(scope, embedding, { table: flat(name), ids: slots }, {});
        return [name, reshape(out, [batch, ...deviceShape])];
      }));
      const shape = config.input.kind === "tokens" ? [batch, 1] : [batch, 1, config.input.feature];
      const input = scope.upload(tensorOf(shape, Float32Array.from(samples.inputs)));
      const result = backbone.forward(scope, weights, input, { state, dtScale: scaleOf(samples) });
      for (const { name } of specs) {
        const table = flat(name);
        const values = reshape(result.state[name]!, [batch, table.shape[1]!]);
        runInto(scope, putRows, { table, slots, values }, {}, { next: table });
      }
      const y = reshape(scope.keep(result.y), [batch, config.output.size]);
      return readerOf(device, y, true);
    } finally {
      scope.release();
    }
  }

  return {
    tables,
    ring: 1,
    step,
    free() {
      tables.free();
      held.release();
    },
  };
}
