/**
 * GSS: a diagonal state-space model over few features, between a wide multiplicative gate.
 *
 *   v = gelu(vProj·u)          the gate, wide
 *   h = gelu(uProj·u)          what the state-space model sees, narrow
 *   out = outProj·(v ∘ upProj·dss(h))
 *
 * Mehta et al., "Long Range Language Modeling via Gated State Spaces" (arXiv 2206.13947), section
 * 3. The inner model is DSS without activation and mixing,
 *
 *   dx/dt = lambda·x + h(t),   y = Re(Σ C·x) + D·h,   lambda = −exp(logDecay) + i·exp(logFrequency)
 *
 * whose poles all inner features share and whose step size is 1. Its hold is exact, as that of S4D
 * in `s4d.ts`: DSS's kernel C·(exp(lambda) − 1)/lambda·exp(lambda·l). Norm and residual branch
 * around the block are the backbone's; the linear maps have no biases.
 *
 * Irregular samples: the step is the elapsed time in sampling periods.
 *
 * The carried state is x.
 */
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { activation, discretize, gate, linearScan, matmul, poles, runOp } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { asDtype, type Dtype, reshape, zeros } from "../tensor/tensor.ts";
import { madeFor } from "./_helpers/derived.ts";
import { checkSize, filled, normal, uniform } from "./_helpers/init.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand, spreadSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of a GSS layer. */
export interface GssConfig {
  /** Width of input and output. */
  readonly feature: number;
  /** Features of the gate; the paper has 4 for each of the input. */
  readonly gate: number;
  /** Features of the state-space model; the paper has a quarter of the input's. */
  readonly inner: number;
  /** Complex modes of each inner feature. */
  readonly state: number;
}

function validate(config: GssConfig): void {
  checkSize("feature", config.feature);
  checkSize("gate", config.gate);
  checkSize("inner", config.inner);
  checkSize("state", config.state);
}

/**
 * Parameters, linear weights as [out, in]:
 *
 *   vProj [gate, feature]     uProj [inner, feature]     upProj [gate, inner]
 *   logDecay, logFrequency [state]     C [inner, state] c64     D [inner]
 *   outProj [feature, gate]
 *
 * Poles, C and D start as standard normal draws, the random start that the paper finds enough.
 */
function init(config: GssConfig, random: RandomState): LayerParams<GssConfig> {
  validate(config);
  const { feature, inner, state } = config;
  const linear = (out: number, fanIn: number) =>
    uniform(random, [out, fanIn], 1 / Math.sqrt(fanIn));
  return {
    config,
    tensors: {
      vProj: linear(config.gate, feature),
      uProj: linear(inner, feature),
      logDecay: normal(random, [state]),
      logFrequency: normal(random, [state]),
      // A sum over the modes of unit variance.
      C: normal(random, [inner, state, 2], 1 / Math.sqrt(state)),
      D: normal(random, [inner]),
      upProj: linear(config.gate, inner),
      outProj: linear(feature, config.gate),
    },
  };
}

/** The shared poles as those of every inner feature, discrete or not.    A, B [inner, state] c64 */
function systemBy({ config, tensors }: ForwardParams<GssConfig>, form: "zoh" | "continuous") {
  const { inner, state } = config;
  return (device: Device, dtype: Dtype) => {
    const of = (name: string) => reshape(operand(need(tensors, name), dtype), [1, state]);
    const logDecay = of("logDecay");
    const negative = { kind: "negative_exp" } as const;
    // Conjugate poles with a conjugate C have the same output, so the sign is free.
    const frequency = runOp(device, activation, { x: of("logFrequency") }, negative).y;
    const ones = asDtype(filled([1, state, 2], (i) => 1 - i % 2), dtype);
    const repeated = (row: OpInput) => {
      const a = asDtype(filled([inner, 1], () => 1), dtype);
      const { c } = runOp(device, matmul, { a, b: reshape(row, [1, 2 * state]) }, {});
      return reshape(c, [inner, state, 2]);
    };
    if (form === "continuous") {
      const { lambda } = runOp(device, poles, { logDecay, frequency }, {});
      return { A: repeated(lambda), B: repeated(ones) };
    }
    const logDt = asDtype(filled([1], () => 0), dtype);
    const system = { logDt, logDecay, frequency, B: ones };
    const { Abar, Bbar } = runOp(device, discretize, system, { method: form });
    return { A: repeated(Abar), B: repeated(Bbar) };
  };
}

/** The state-space model over its inner features.              [batch, length, inner] */
function remember(
  device: Device,
  params: ForwardParams<GssConfig>,
  u: DeviceTensor,
  { state, dtScale }: ForwardOptions,
): { y: DeviceTensor; state: DeviceTensor } {
  const { config, tensors } = params;
  const { dtype } = u;
  const shared = {
    u,
    C: operand(need(tensors, "C"), dtype),
    D: operand(need(tensors, "D"), dtype),
    x0: carried(state?.["x"], dtype),
  };
  // The parameters have all modes that there are: C is complex, and y the real part.
  const conjugatePairs = false;
  if (dtScale === undefined) {
    const system = madeFor(device, params, "system", dtype, systemBy(params, "zoh"));
    return runOp(device, linearScan, { ...shared, ...system }, { variant: "lti", conjugatePairs });
  }
  const make = systemBy(params, "continuous");
  const system = madeFor(device, params, "continuous system", dtype, make);
  const dt = spreadSteps(dtScale, new Float64Array(config.inner).fill(1), dtype);
  const rule = { variant: "perStep", discretization: "zoh", conjugatePairs } as const;
  return runOp(device, linearScan, { ...shared, ...system, dt }, rule);
}

function forward(
  device: Device,
  params: ForwardParams<GssConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const scope = openScope(device);
  const project = (a: OpInput, name: string) => linear(scope, params.tensors, a, name);
  const gelu = (x: OpInput) => runOp(scope, activation, { x }, { kind: "gelu" }).y;
  try {
    const remembered = remember(scope, params, gelu(project(u, "uProj")), options);
    const gated = runOp(scope, gate, {
      y: project(remembered.y, "upProj"),
      z: gelu(project(u, "vProj")),
    }, { activation: "identity" }).out;
    const y = project(gated, "outProj");
    return { y: scope.keep(y), state: { x: scope.keep(remembered.state) } };
  } finally {
    scope.release();
  }
}

function initialState(config: GssConfig, batch: number, dtype: Dtype = "f64"): LayerState {
  return { x: zeros([batch, config.inner, config.state, 2], dtype) };
}

const EXAMPLE: GssConfig = { feature: 4, gate: 6, inner: 2, state: 5 };

/** GSS; see the head of this file. */
export const gss: Layer<GssConfig> = timed({
  name: "gss",
  papers: [
    { title: "Long Range Language Modeling via Gated State Spaces", arxiv: "2206.13947" },
  ],
  validate,
  init,
  forward,
  initialState,
  // Over one sample the op is the recurrence.
  step: (params, u, state, dtScale = 1) => stepByForward(forward, params, u, state, dtScale),
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => true,
  examples: [EXAMPLE, { ...EXAMPLE, gate: 3, inner: 3, state: 1 }],
});
