/** The recurrent form of a layer over a whole sequence, on either device. */
import type { DeviceTensor } from "../../device/device.ts";
import type { Layer, LayerParams, LayerState } from "../../layers/mod.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { GoldenDevice } from "./group.ts";
import { stack, take, timeOf } from "./tensors.ts";

/** Outputs `[batch, time, feature]` and the state after each sample. */
export interface Stepped {
  readonly y: Tensor;
  readonly states: readonly LayerState[];
}

function copyOf(state: LayerState): LayerState {
  return Object.fromEntries(
    Object.entries(state).map(([name, { shape, data }]) => [name, tensorOf(shape, data.slice())]),
  );
}

/** Reads the tensors of a state and frees them. */
export async function readState(
  on: GoldenDevice,
  state: Readonly<Record<string, DeviceTensor>>,
): Promise<LayerState> {
  const read: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(state)) read[name] = await take(on, tensor);
  return read;
}

/** Steps on the CPU; on a GPU, forward over one sample at a time from the carried state. */
export async function stepThrough<Config>(
  layer: Layer<Config>,
  params: LayerParams<Config>,
  on: GoldenDevice,
  u: Tensor,
  start: LayerState,
): Promise<Stepped> {
  const [batch = 0, length = 0] = u.shape;
  const rows: Tensor[] = [];
  const states: LayerState[] = [];
  let state = start;
  for (let k = 0; k < length; k++) {
    const sample = timeOf(u, k);
    if (on.device.kind === "cpu") {
      state = copyOf(state);
      const y = layer.step(params, sample.data, state);
      rows.push(tensorOf([batch, y.length / batch], y));
    } else {
      const next = layer.forward(on.device, params, sample, { state });
      const y = await take(on, next.y);
      rows.push(tensorOf([batch, y.data.length / batch], y.data));
      state = await readState(on, next.state);
    }
    states.push(state);
  }
  return { y: stack(rows, 1), states };
}

/**
 * A convolution's state with one input more than this project keeps, as the published blocks have
 * it: what was carried into a sample, then the sample itself.
 *
 * @param before, after                                                [batch, feature, past]
 * @returns                                                        [batch, feature, past + 1]
 */
export function wideConvState(before: Tensor, after: Tensor): Tensor {
  const [batch = 0, feature = 0, past = 0] = before.shape;
  const out = new Float64Array(batch * feature * (past + 1));
  for (let row = 0; row < batch * feature; row++) {
    for (let j = 0; j < past; j++) out[row * (past + 1) + j] = before.data[row * past + j]!;
    out[row * (past + 1) + past] = after.data[(row + 1) * past - 1]!;
  }
  return tensorOf([batch, feature, past + 1], out);
}
