/** The hub of the layers: every member by name. */
import { attention } from "./attention.ts";
import { dampedEma } from "./damped_ema.ts";
import { gateLoop } from "./gate_loop.ts";
import { gss } from "./gss.ts";
import { h3 } from "./h3.ts";
import { hippo } from "./hippo.ts";
import { kalman } from "./kalman.ts";
import type { AnyLayer } from "./layer.ts";
import { linearAttention } from "./linear_attention.ts";
import { liquidS4 } from "./liquid_s4.ts";
import { longConv } from "./long_conv.ts";
import { lssl } from "./lssl.ts";
import { mamba } from "./mamba.ts";
import { mamba2 } from "./mamba2.ts";
import { s4 } from "./s4.ts";
import { s4d } from "./s4d.ts";
import { s5 } from "./s5.ts";

export type {
  AnyLayer,
  ForwardOptions,
  ForwardParams,
  ForwardResult,
  Layer,
  LayerParams,
  LayerState,
  Paper,
} from "./layer.ts";
export type { AttentionConfig } from "./attention.ts";
export { dampedEmaSystem } from "./damped_ema.ts";
export type { DampedEmaConfig } from "./damped_ema.ts";
export type { GateLoopConfig } from "./gate_loop.ts";
export type { GssConfig } from "./gss.ts";
export { h3ShiftTaps } from "./h3.ts";
export type { H3Config } from "./h3.ts";
export { hippoCoefficients, hippoReconstruct } from "./hippo.ts";
export type { HippoCoefficients, HippoConfig } from "./hippo.ts";
export { KALMAN_OUTPUTS } from "./kalman.ts";
export type { KalmanConfig } from "./kalman.ts";
export { LINEAR_ATTENTION_DECAYS, retentionLogDecays } from "./linear_attention.ts";
export type { LinearAttentionConfig, LinearAttentionDecay } from "./linear_attention.ts";
export { LIQUID_ORDER_MAX, liquidKernels } from "./liquid_s4.ts";
export type { LiquidS4Config } from "./liquid_s4.ts";
export { LONG_CONV_TAPS_MAX, longConvFilters } from "./long_conv.ts";
export type { LongConvConfig } from "./long_conv.ts";
export { lsslConvolve, lsslDiscrete, lsslKernel, lsslKrylov } from "./lssl.ts";
export type { LsslConfig } from "./lssl.ts";
export type { MambaConfig } from "./mamba.ts";
export type { Mamba2Config } from "./mamba2.ts";
export { S4_MEASURES, s4Convolve, s4Kernel, s4TruncatedOutput } from "./s4.ts";
export type { S4Config } from "./s4.ts";
export { dssKernel, s4dConvolve, s4dDiscrete, s4dKernel } from "./s4d.ts";
export type { S4dConfig } from "./s4d.ts";
export { S5_ACTIVATIONS, s5Discrete } from "./s5.ts";
export type { S5Activation, S5Config } from "./s5.ts";
export {
  attention,
  dampedEma,
  gateLoop,
  gss,
  h3,
  hippo,
  kalman,
  linearAttention,
  liquidS4,
  longConv,
  lssl,
  mamba,
  mamba2,
  s4,
  s4d,
  s5,
};

/** Every layer; the laws run over this list. */
export const LAYERS: readonly AnyLayer[] = [
  attention,
  dampedEma,
  gateLoop,
  gss,
  h3,
  hippo,
  kalman,
  linearAttention,
  liquidS4,
  longConv,
  lssl,
  mamba,
  mamba2,
  s4,
  s4d,
  s5,
];
