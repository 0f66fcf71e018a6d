import { type Device, openCpu } from "../../device/mod.ts";
import type { OpInput } from "../../ops/mod.ts";
import { asDtype, type Dtype, type Tensor } from "../../tensor/tensor.ts";
import type { ForwardParams, LayerParams } from "../layer.ts";
import { need } from "./tensors.ts";

const known = new WeakMap<object, Map<string, unknown>>();

/**
 * What follows from a layer's parameters alone, made at its first use and kept with them: a set of
 * parameters never changes in place, and a step must not do again what does not depend on it.
 *
 * @param owner the parameters
 * @param key   name of the value among those of this owner
 */
export function derived<T>(owner: object, key: string, make: () => T): T {
  let values = known.get(owner);
  if (values === undefined) known.set(owner, values = new Map());
  if (!values.has(key)) values.set(key, make());
  return values.get(key) as T;
}

/** Whether all parameters are on the host. */
export function areOnHost<Config>(params: ForwardParams<Config>): params is LayerParams<Config> {
  return Object.values(params.tensors).every((tensor) => "data" in tensor);
}

const host = openCpu({ collected: true });

/** The outputs of a chain of ops by name; what needs no op is handed through. */
export type Made<Names extends string> = { readonly [name in Names]: OpInput };

/**
 * What a chain of ops makes of parameters on the host: once, in f64, kept with them.
 *
 * @param key  name of the chain among those of these parameters
 * @param make the chain; gets the device to run on and the dtype to take its operands in
 */
export function madeOnHost<Names extends string>(
  params: LayerParams<any>,
  key: string,
  make: (device: Device, dtype: Dtype) => Made<Names>,
): { readonly [name in Names]: Tensor } {
  return derived(params, key, () => {
    const made = Object.entries<OpInput>(make(host, "f64"));
    const tensors = made.map(([name, tensor]) => {
      if ("data" in tensor) return [name, tensor];
      const { shape, dtype } = tensor;
      return [name, { shape, dtype, data: host.dataOf(tensor) }];
    });
    return Object.fromEntries(tensors) as { [name in Names]: Tensor };
  });
}

/**
 * What a chain of ops makes of parameters, for a forward. From parameters on the host it is made in
 * f64, since shaders may round their exponentials by far more than f32, and kept with them; else on
 * the device, where gradients pass through it.
 */
export function madeFor<Names extends string>(
  device: Device,
  params: ForwardParams<any>,
  key: string,
  dtype: Dtype,
  make: (device: Device, dtype: Dtype) => Made<Names>,
): { readonly [name in Names]: OpInput } {
  if (!areOnHost(params)) return make(device, dtype);
  return derived(params, `${key}, ${dtype}`, () => {
    const made = Object.entries<Tensor>(madeOnHost(params, key, make));
    const tensors = made.map(([name, tensor]) => [name, asDtype(tensor, dtype)]);
    return Object.fromEntries(tensors) as { [name in Names]: Tensor };
  });
}

/** Step sizes of modes for samples `scale` sampling periods apart; `each` modes share one. */
export function stepsAfter(
  params: LayerParams<any>,
  scale: number,
  each: number,
): Float64Array {
  const steps = derived(params, "steps", () => {
    const logDt = need(params.tensors, "logDt").data;
    const at = (i: number) => Math.exp(logDt[Math.floor(i / each)]!);
    return Float64Array.from({ length: logDt.length * each }, (_, i) => at(i));
  });
  const scaled = new Float64Array(steps.length);
  for (let i = 0; i < steps.length; i++) scaled[i] = scale * steps[i]!;
  return scaled;
}

/** The numbers of an f64 tensor; others are copied. */
export function numbersOf({ data }: Tensor): Float64Array {
  return data instanceof Float64Array ? data : Float64Array.from(data);
}
