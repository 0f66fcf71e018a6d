import type { Device } from "../../device/mod.ts";
import { activation, type OpInput, runOp } from "../../ops/mod.ts";
import { asDtype, type Dtype, type Tensor } from "../../tensor/tensor.ts";
import { filled } from "./init.ts";

/** Kept with the parameters: they never change in place. */
const transitionCache = new WeakMap<Tensor, Tensor>();

/** The transition of Mamba's scans on the host, A = −exp(logA), always below 0. */
export function transitionOf(logA: Tensor): Tensor {
  let A = transitionCache.get(logA);
  if (A === undefined) {
    A = filled(logA.shape, (i) => -Math.exp(logA.data[i]!));
    transitionCache.set(logA, A);
  }
  return A;
}

/** The same for the parallel form; made on the device where logA is there. */
export function transitionOn(device: Device, logA: OpInput, dtype: Dtype): OpInput {
  if ("data" in logA) return asDtype(transitionOf(logA), dtype);
  return runOp(device, activation, { x: logA }, { kind: "negative_exp" }).y;
}
