/** The hub of the layers: every member by name. */
import type { AnyLayer } from "./layer.ts";
import { mamba } from "./mamba.ts";
import { s4d } from "./s4d.ts";

export type {
  AnyLayer,
  ForwardOptions,
  ForwardParams,
  ForwardResult,
  Layer,
  LayerParams,
  LayerState,
} from "./layer.ts";
export type { MambaConfig } from "./mamba.ts";
export { dssKernel, s4dConvolve, s4dDiscrete, s4dKernel } from "./s4d.ts";
export type { S4dConfig } from "./s4d.ts";
export { mamba, s4d };

/** Every layer; the laws run over this list. */
export const LAYERS: readonly AnyLayer[] = [mamba, s4d];
