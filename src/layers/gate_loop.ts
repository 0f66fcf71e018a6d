/**
 * GateLoop: a linear recurrence whose transitions, complex numbers, come from the input.
 *
 *   [z, v, k, q, g, w] = inProj·u
 *   a[t] = σ(g + gBias)·exp(i·(w + wBias))
 *   h[t] = a[t]∘h[t−1] + k[t]⊗v[t],   y[t] = Re(q[t]·h[t])          for each head
 *   out  = outProj·(y·silu(z))
 *
 * Katsch, "GateLoop: Fully Data-Controlled Linear Recurrence for Sequence Modeling" (arXiv
 * 2311.01927), section 3: the size of a transition is a sigmoid, its angle the number itself. A
 * head of `headSize` d features has d×d states, of which row i decays by a_i, the transition of key
 * feature i (ops `outer` and `contract` of H3). It is the scan of S5 with other transitions at
 * every sample (variant `logs` of the op `diagonal_scan`), and attention without softmax whose
 * weights are Σ_i q_i[t]·k_i[s]·Re(a_i[s+1]···a_i[t]) (`tests/layers/gate_loop_test.ts`).
 *
 * Differences: no norm inside the block; the heads of y are its fastest axis, as H3's. gBias
 * starts so that sizes spread from 0.5 to 0.999, since sizes near 1/2 remember two samples.
 *
 * Irregular samples: the transition over an elapsed time of s sampling periods is a^s.
 *
 * The carried state is h.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { RandomState } from "../base/random.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import { activation, add, contract, diagonalScan, gate, outer } from "../ops/mod.ts";
import { runOp } from "../ops/mod.ts";
import type { OpInput } from "../ops/mod.ts";
import { type Dtype, zeros } from "../tensor/tensor.ts";
import { checkSize, filled, uniform } from "./_helpers/init.ts";
import { asComplex, realPart } from "./_helpers/pairs.ts";
import { stepByForward } from "./_helpers/step_by_forward.ts";
import { linear } from "./_helpers/linear.ts";
import { carried, need, operand, parts, spreadSteps } from "./_helpers/tensors.ts";
import { bytesOfState, type ForwardOptions, type ForwardResult, timed } from "./layer.ts";
import type { ForwardParams, Layer, LayerParams, LayerState } from "./layer.ts";

/** Configuration of a GateLoop layer. */
export interface GateLoopConfig {
  /** Width of input and output. */
  readonly feature: number;
  /** Features of a head, a divisor of `feature`. */
  readonly headSize: number;
}

/** Parts of the input projection: z, v, k, q, g, w. */
const PARTS = 6;

/** Range of the first sizes of transitions. */
const SIZE_MIN = 0.5;
const SIZE_MAX = 0.999;

function validate(config: GateLoopConfig): void {
  checkSize("feature", config.feature);
  checkSize("headSize", config.headSize, 256);
  if (config.feature % config.headSize !== 0) {
    throw new InvalidValueError("headSize", config.headSize, `a divisor of ${config.feature}`);
  }
}

/**
 * Parameters, linear weights as [out, in]:
 *
 *   inProj [6·feature, feature], in the order z, v, k, q, g, w
 *   gBias, wBias [feature]     outProj [feature, feature]
 */
function init(config: GateLoopConfig, random: RandomState): LayerParams<GateLoopConfig> {
  validate(config);
  const { feature } = config;
  const bound = 1 / Math.sqrt(feature);
  const sizeAt = (i: number) => SIZE_MIN + (SIZE_MAX - SIZE_MIN) * (i + 0.5) / feature;
  return {
    config,
    tensors: {
      inProj: uniform(random, [PARTS * feature, feature], bound),
      gBias: filled([feature], (i) => Math.log(sizeAt(i) / (1 - sizeAt(i)))),
      wBias: filled([feature], () => 0),
      outProj: uniform(random, [feature, feature], bound),
    },
  };
}

/** Pointwise product. */
function times(device: Device, y: OpInput, z: OpInput): DeviceTensor {
  return runOp(device, gate, { y, z }, { activation: "identity" }).out;
}

/**
 * Logarithms of the transitions over the elapsed times, each for its row of states.
 *
 * @param g, w raw size and angle                               [batch, length, feature]
 * @returns                                [batch, length, feature·headSize] c64
 */
function logTransitions(
  device: Device,
  { config, tensors }: ForwardParams<GateLoopConfig>,
  [g, w]: readonly [DeviceTensor, DeviceTensor],
  { dtScale }: ForwardOptions,
): DeviceTensor {
  const { dtype } = g;
  const biased = (a: DeviceTensor, name: string) =>
    runOp(device, add, { a, b: operand(need(tensors, name), dtype) }, {}).out;
  let size = runOp(device, activation, { x: biased(g, "gBias") }, { kind: "log_sigmoid" }).y;
  let angle = biased(w, "wBias");
  if (dtScale !== undefined) {
    const ones = new Float64Array(config.feature).fill(1);
    const elapsed = spreadSteps(dtScale, ones, dtype);
    size = times(device, size, elapsed);
    angle = times(device, angle, elapsed);
  }
  const a = asComplex(device, size, "re", config.headSize);
  const b = asComplex(device, angle, "im", config.headSize);
  return runOp(device, add, { a, b }, {}).out;
}

function forward(
  device: Device,
  params: ForwardParams<GateLoopConfig>,
  u: OpInput,
  options: ForwardOptions = {},
): ForwardResult {
  const { config: { feature, headSize: size }, tensors } = params;
  const { dtype } = u;
  const scope = openScope(device);
  try {
    const projected = linear(scope, tensors, u, "inProj");
    const sizes = Array.from({ length: PARTS }, () => feature);
    const [z, v, k, q, g, w] = parts(scope, projected, sizes);
    const products = runOp(scope, outer, { a: k!, b: v! }, { size }).out;
    const scanned = runOp(scope, diagonalScan, {
      v: asComplex(scope, products),
      A: logTransitions(scope, params, [g!, w!], options),
      x0: carried(options.state?.["h"], dtype),
    }, { variant: "logs" });
    const states = realPart(scope, scanned.x);
    const read = runOp(scope, contract, { q: q!, s: states }, { size }).out;
    const gated = runOp(scope, gate, { y: read, z }, { activation: "silu" }).out;
    const y = linear(scope, tensors, gated, "outProj");
    return { y: scope.keep(y), state: { h: scope.keep(scanned.state) } };
  } finally {
    scope.release();
  }
}

function initialState(
  { feature, headSize }: GateLoopConfig,
  batch: number,
  dtype: Dtype = "f64",
): LayerState {
  return { h: zeros([batch, feature * headSize, 2], dtype) };
}

/** GateLoop; see the head of this file. */
export const gateLoop: Layer<GateLoopConfig> = timed({
  name: "gate_loop",
  papers: [
    {
      title: "GateLoop: Fully Data-Controlled Linear Recurrence for Sequence Modeling",
      arxiv: "2311.01927",
    },
  ],
  validate,
  init,
  forward,
  initialState,
  // Over one sample the op is the recurrence.
  step: (params, u, state, dtScale = 1) => stepByForward(forward, params, u, state, dtScale),
  stateBytes: (config, batch, dtype) => bytesOfState(initialState(config, batch, dtype)),
  halfStepsExact: () => "a sample adds its key and value whole, however long it lasts",
  examples: [{ feature: 5, headSize: 1 }, { feature: 6, headSize: 3 }],
});
