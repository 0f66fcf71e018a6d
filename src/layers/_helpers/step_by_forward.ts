import { type Device, openCpu } from "../../device/mod.ts";
import type { OpInput } from "../../ops/mod.ts";
import { asDtype, type FloatArray, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { ForwardOptions, ForwardResult, LayerParams, LayerState } from "../layer.ts";

const host = openCpu({ collected: true });

/**
 * One sample through the twins of a layer's forward: for layers whose forward over one sample is
 * already the recurrence, in constant time. Advances `state` in place.
 *
 * @param u                                                                 [batch, feature]
 * @returns y                                                               [batch, feature]
 */
export function stepByForward<Config>(
  forward: (
    device: Device,
    params: LayerParams<Config>,
    u: OpInput,
    options?: ForwardOptions,
  ) => ForwardResult,
  params: LayerParams<Config>,
  u: FloatArray,
  state: LayerState,
  dtScale: number,
): FloatArray {
  const carried = Object.values(state)[0]!;
  const batch = carried.shape[0]!;
  const sample: Tensor = tensorOf([batch, 1, u.length / batch], u);
  const scale = tensorOf([batch, 1], new Float64Array(batch).fill(dtScale));
  const result = forward(host, params, asDtype(sample, carried.dtype), {
    state,
    ...(dtScale !== 1 && { dtScale: scale }),
  });
  for (const [name, tensor] of Object.entries(result.state)) {
    state[name]!.data.set(host.dataOf(tensor));
  }
  return host.dataOf(result.y);
}
