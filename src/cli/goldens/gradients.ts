/** Gradients of the cases: what a group runs forward is run once more on a tape. */
import { openTape, type Seed } from "../../autodiff/tape.ts";
import type { Device, DeviceTensor } from "../../device/device.ts";
import type { ForwardParams, LayerParams } from "../../layers/mod.ts";
import type { OpInput } from "../../ops/mod.ts";
import { floatArray, type Tensor, tensorOf, zeros } from "../../tensor/tensor.ts";
import type { GoldenCase } from "./golden_file.ts";
import type { GoldenDevice } from "./group.ts";
import { cast, fileTensor, stack, valuesF64 } from "./tensors.ts";

/** Names an operand, so that its gradient can be asked for. */
export type Variable = (name: string, tensor: Tensor) => OpInput;

/** Gradients by the names of their variables. */
export interface Gradients {
  /** @throws {SyntaxError} the run has no such variable */
  (name: string): Tensor;
  /** Whether the run has the variable. */
  has(name: string): boolean;
}

/** For a run without gradients: operands stay on the host. */
export const constantly: Variable = (_name, tensor) => tensor;

/** Whether the case compares gradients. */
export function hasGradients(golden: GoldenCase): boolean {
  return [...golden.tensors.values()].some(({ role }) => role === "grad");
}

/**
 * The gradients of a loss with respect to every variable that `forward` names.
 *
 * @param forward runs on the tape; gives outputs and the loss's gradients with respect to them
 * @returns       by the variables' names, in their shapes
 */
export async function gradientsOf(
  on: GoldenDevice,
  forward: (device: Device, variable: Variable) => readonly Seed[],
): Promise<Gradients> {
  const tape = openTape(on.device);
  const watched = new Map<string, DeviceTensor>();
  const seeds = forward(tape.device, (name, tensor) => {
    const known = watched.get(name);
    if (known !== undefined) return known;
    const variable = tape.watch(on.device.upload(cast(tensor, on.dtype)));
    watched.set(name, variable);
    return variable;
  });
  tape.backward(seeds);
  const gradients = new Map<string, Tensor>();
  for (const [name, variable] of watched) {
    const gradient = tape.gradient(variable);
    const { shape } = variable;
    const data = gradient && (await on.device.read(gradient)).data;
    gradients.set(name, data ? { shape, dtype: on.dtype, data } : zeros(shape, on.dtype));
  }
  for (const [output] of seeds) tape.device.free(output);
  tape.release();
  for (const variable of watched.values()) on.device.free(variable);
  const of = (name: string) => {
    const gradient = gradients.get(name);
    if (gradient === undefined) throw new SyntaxError(`No variable "${name}" in the case`);
    return gradient;
  };
  return Object.assign(of, { has: (name: string) => gradients.has(name) });
}

/**
 * The gradients that a case lists, `grad_NAME` of the variable NAME. One of a variable that the
 * run does not have is left out, which the comparison reports by its name.
 */
export function listedGradients(
  golden: GoldenCase,
  gradient: Gradients,
): Record<string, Float64Array> {
  const values: Record<string, Float64Array> = {};
  for (const { name, role } of golden.tensors.values()) {
    const of = name.replace(/^grad_/, "");
    if (role === "grad" && gradient.has(of)) values[name] = valuesF64(gradient(of));
  }
  return values;
}

/** The gradient of loss = Σ output·weight: the weights, by the name of their tensor. */
export function lossWeight(golden: GoldenCase, on: GoldenDevice, name = "loss_weight"): Tensor {
  return cast(fileTensor(golden, name), on.dtype);
}

/**
 * The same by the first of several names that the case has; undefined where the loss leaves the
 * output out. The weights of an only output may have the plain name.
 */
export function lossWeightIf(
  golden: GoldenCase,
  on: GoldenDevice,
  ...names: readonly string[]
): Tensor | undefined {
  const name = names.find((each) => golden.tensors.has(each));
  return name === undefined ? undefined : lossWeight(golden, on, name);
}

/** The loss weights of one channel, whose features lie side by side. */
export function channelWeight(weight: Tensor, channel: number, feature: number): Tensor {
  const width = weight.shape.at(-1)!;
  const rows = weight.data.length / width;
  const data = floatArray(weight.dtype, rows * feature);
  for (let row = 0; row < rows; row++) {
    const at = row * width + channel * feature;
    data.set(weight.data.subarray(at, at + feature), row * feature);
  }
  return tensorOf([...weight.shape.slice(0, -1), feature], data);
}

/** One way to run a layer. */
export type Form<Config> = (
  device: Device,
  params: ForwardParams<Config>,
  u: OpInput,
) => DeviceTensor;

/** Gradients of a layer that is run once an output channel. */
export interface ChannelGradients {
  /** Of a variable that the channels share, `u` among them. */
  readonly shared: (name: string) => Tensor;
  /** Of one that each channel has of its own, the channels first. */
  readonly own: (name: "C" | "D") => Float64Array;
}

/**
 * Gradients of the case's loss through all channels, which share all parameters but C and D.
 *
 * @param channels  parameters by channel
 * @param u         input                                          [batch, length, feature]
 */
export async function channelGradients<Config>(
  golden: GoldenCase,
  on: GoldenDevice,
  channels: readonly LayerParams<Config>[],
  u: Tensor,
  form: Form<Config>,
): Promise<ChannelGradients> {
  const weight = lossWeight(golden, on);
  const gradient = await gradientsOf(
    on,
    (device, variable) =>
      channels.map(({ config, tensors }, channel) => {
        const watched = Object.fromEntries(
          Object.entries(tensors).map(([name, tensor]) => {
            const own = name === "C" || name === "D" ? `${name}${channel}` : name;
            return [name, variable(own, tensor)];
          }),
        );
        const y = form(device, { config, tensors: watched }, variable("u", u));
        return [y, channelWeight(weight, channel, u.shape[2]!)];
      }),
  );
  return {
    shared: gradient,
    own: (name) => valuesF64(stack(channels.map((_, k) => gradient(`${name}${k}`)), 0)),
  };
}
