/** The recurrent form of a layer over a whole sequence, on either device. */
import type { DeviceTensor } from "../../device/device.ts";
import type { Layer, LayerParams, LayerState } from "../../layers/mod.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { GoldenDevice } from "./group.ts";
import type { GoldenCase } from "./golden_file.ts";
import { leading, stack, take, timeOf, valuesF64 } from "./tensors.ts";

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

/** A block whose short convolution has `width` taps in `convWeight`. */
interface ConvolvedConfig {
  readonly width: number;
}

/**
 * The same block with an idle older tap where it has only one: its state then holds the last input,
 * which the published blocks keep even though one tap never looks back.
 */
function lookingBack<Config extends ConvolvedConfig>(
  params: LayerParams<Config>,
): LayerParams<Config> {
  const weight = params.tensors["convWeight"]!;
  const taps = new Float64Array(2 * weight.data.length);
  weight.data.forEach((value, d) => taps[2 * d + 1] = value);
  return {
    config: { ...params.config, width: 2 },
    tensors: { ...params.tensors, convWeight: tensorOf([weight.data.length, 2], taps) },
  };
}

/** The published blocks' states: `width` inputs of the convolution, oldest first, and h. */
export interface BlockStates {
  readonly conv: Tensor;
  readonly ssm: Tensor;
}

/** Outputs `[batch, time, feature]` of a block's steps, and the states after each. */
export async function stepBlock<Config extends ConvolvedConfig>(
  layer: Layer<Config>,
  params: LayerParams<Config>,
  on: GoldenDevice,
  u: Tensor,
): Promise<{ readonly y: Tensor; readonly states: readonly BlockStates[] }> {
  const batch = u.shape[0]!;
  const start = layer.initialState(params.config, batch, on.dtype);
  const steps = await stepThrough(layer, params, on, u, start);
  const ssm = steps.states.map((state) => state["ssm"]!);
  if (params.config.width === 1) {
    const seen = lookingBack(params);
    const idle = layer.initialState(seen.config, batch, on.dtype);
    const { states } = await stepThrough(layer, seen, on, u, idle);
    return {
      y: steps.y,
      states: states.map((state, k) => ({ conv: state["conv"]!, ssm: ssm[k]! })),
    };
  }
  const before = (k: number): LayerState => k === 0 ? start : steps.states[k - 1]!;
  return {
    y: steps.y,
    states: steps.states.map((state, k) => ({
      conv: wideConvState(before(k)["conv"]!, state["conv"]!),
      ssm: ssm[k]!,
    })),
  };
}

/** The states that the parallel form of a block leaves after the first `count` samples. */
export async function prefillBlock<Config extends ConvolvedConfig>(
  layer: Layer<Config>,
  params: LayerParams<Config>,
  on: GoldenDevice,
  u: Tensor,
  count: number,
): Promise<BlockStates> {
  const after = async (of: LayerParams<Config>, samples: number): Promise<LayerState> => {
    if (samples === 0) return layer.initialState(of.config, u.shape[0]!, on.dtype);
    const result = layer.forward(on.device, of, leading(u, samples));
    on.device.free(result.y);
    return await readState(on, result.state);
  };
  const { conv, ssm } = await after(params, count);
  if (params.config.width === 1) {
    return { conv: (await after(lookingBack(params), count))["conv"]!, ssm: ssm! };
  }
  const before = await after(params, count - 1);
  return { conv: wideConvState(before["conv"]!, conv!), ssm: ssm! };
}

/** What a case of a block compares besides gradients: both forms, and their states. */
export async function blockValues<Config extends ConvolvedConfig>(
  golden: GoldenCase,
  layer: Layer<Config>,
  params: LayerParams<Config>,
  on: GoldenDevice,
  u: Tensor,
): Promise<Record<string, Float64Array>> {
  const whole = layer.forward(on.device, params, u);
  const y = await take(on, whole.y);
  await readState(on, whole.state);
  const steps = await stepBlock(layer, params, on, u);
  const values = {
    y: valuesF64(y),
    y_steps: valuesF64(steps.y),
    conv_states: valuesF64(stack(steps.states.map(({ conv }) => conv), 1)),
    ssm_states: valuesF64(stack(steps.states.map(({ ssm }) => ssm), 1)),
  };
  if (!golden.tensors.has("prefill_conv_state")) return values;
  // The states that the parallel form leaves after a prefix.
  const count = prefillLength(golden, "prefill_conv_state", u.shape[1]!);
  const { conv, ssm } = await prefillBlock(layer, params, on, u, count);
  return { ...values, prefill_conv_state: valuesF64(conv), prefill_ssm_state: valuesF64(ssm) };
}

/** Samples of a prefill: its length is in a note, else half of the sequence. */
export function prefillLength(golden: GoldenCase, tensor: string, length: number): number {
  const note = golden.tensors.get(tensor)?.note ?? "";
  const named = note.match(/(?:prefill of|first) (\d+) step/)?.[1];
  return Math.min(length, Math.max(1, Number(named ?? Math.floor(length / 2))));
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
