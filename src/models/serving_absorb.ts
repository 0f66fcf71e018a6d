/** Backlogs of streams that are served: from their states on the device, and back into them. */
import { type Device, openScope } from "../device/mod.ts";
import type { LayerState } from "../layers/mod.ts";
import { sizeOf } from "../tensor/shape.ts";
import { asDtype, type Tensor, tensorOf } from "../tensor/tensor.ts";
import type { Backbone } from "./backbone.ts";
import { absorbBacklogs, type Backlog } from "./backlog.ts";

/** States of single streams side by side, batch first. */
export function joinStates(states: readonly LayerState[]): LayerState {
  const [first] = states as readonly [LayerState];
  return Object.fromEntries(
    Object.entries(first).map(([name, { shape }]) => {
      const width = sizeOf(shape);
      const data = new Float32Array(states.length * width);
      states.forEach((state, i) => data.set(state[name]!.data, i * width));
      return [name, tensorOf([states.length, ...shape.slice(1)], data)];
    }),
  );
}

/** The way back: row `i` as a batch of one. */
export function stateOf(states: LayerState, i: number): LayerState {
  return Object.fromEntries(
    Object.entries(states).map(([name, { shape: [, ...row], data }]) => {
      const width = sizeOf(row);
      return [name, tensorOf([1, ...row], data.slice(i * width, (i + 1) * width))];
    }),
  );
}

/**
 * Absorbs backlogs on a device in f32 and brings outputs and states to the host, all together.
 *
 * @param tensors parameters on the host
 * @param states  of the streams, batch first
 * @throws as `absorbBacklogs`
 */
export async function absorbFrom(
  device: Device,
  backbone: Backbone,
  tensors: Readonly<Record<string, Tensor>>,
  backlogs: readonly Backlog[],
  states: LayerState,
): Promise<{ y: Float32Array; states: LayerState }> {
  const scope = openScope(device);
  try {
    const weights = Object.fromEntries(
      Object.entries(tensors).map(([name, t]) => [name, scope.upload(asDtype(t, "f32"))]),
    );
    const given = backlogs.map(({ input, dtScale }) => ({ input: asDtype(input, "f32"), dtScale }));
    const { y, state } = absorbBacklogs(scope, backbone, weights, given, { state: states });
    const names = Object.keys(state);
    const [last, ...read] = await Promise.all(
      [y, ...Object.values(state)].map((tensor) => scope.read(tensor)),
    );
    return {
      y: last!.data as Float32Array,
      states: Object.fromEntries(names.map((name, i) => [name, read[i]!])),
    };
  } finally {
    scope.release();
  }
}
