import type { ForwardParams, LayerParams } from "../layer.ts";

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
