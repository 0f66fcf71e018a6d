/**
 * What `mamba_step` and `mamba_step_half` share: shapes, the twin and the cases. Equations and
 * layouts stand in `src/ops/mamba_step.ts`.
 */
import { InvalidValueError } from "../../base/errors.ts";
import { nextUniform, type RandomState } from "../../base/random.ts";
import { expectAxis, expectRank, expectShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import { type FloatArray, tensorOf } from "../../tensor/tensor.ts";
import type { Named, OpCase } from "../op.ts";
import { silu, softplus } from "./activation.ts";
import { constant, fill, normal, uniform } from "./cases.ts";
import { LANE } from "./lanes.ts";
import {
  mambaOffsets,
  type MambaParts,
  type MambaSizes,
  packMambaWeights,
  rankVectors,
  ROW_FIELDS,
  selectedOf,
} from "./mamba_weights.ts";

/** Parameters of a step. */
export interface MambaStepParams extends MambaSizes {
  /** Whether x is normalised before the block. */
  readonly norm: boolean;
  /** Added to the mean of squares. */
  readonly eps: number;
}

/** Names of the inputs. */
export type MambaInput = "x" | "rows" | "weights" | "state" | "window";
/** Their shapes. */
export type MambaShapes = Named<MambaInput, never, Shape>;

/** @throws {InvalidValueError} a size is no multiple of a vector, or eps is not positive */
function checkParams(params: MambaStepParams): void {
  for (const name of ["feature", "inner", "state"] as const) {
    const value = params[name];
    if (!Number.isInteger(value) || value < LANE || value % LANE !== 0) {
      throw new InvalidValueError(name, value, `a multiple of ${LANE}`);
    }
  }
  for (const name of ["width", "rank"] as const) {
    const value = params[name];
    if (!Number.isInteger(value) || value < 1) {
      throw new InvalidValueError(name, value, "a whole number of at least 1");
    }
  }
  if (!(params.eps > 0)) throw new InvalidValueError("eps", params.eps, "a number above 0");
}

/** Checks sizes and shapes; gives the outputs' shapes. */
export function mambaOutputShapes(
  shapes: MambaShapes,
  params: MambaStepParams,
): { out: Shape; nextState: Shape; nextWindow: Shape } {
  checkParams(params);
  const { feature, inner, state, width } = params;
  expectRank("x", 2, shapes.x);
  expectAxis("x.feature", feature, shapes.x[1]);
  expectRank("rows", 2, shapes.rows);
  expectAxis("rows.batch", shapes.x[0]!, shapes.rows[0]);
  if (shapes.rows[1]! < ROW_FIELDS) {
    throw new InvalidValueError("rows.field", shapes.rows[1], `at least ${ROW_FIELDS}`);
  }
  expectShape("weights", ["element"], [LANE * mambaOffsets(params).end], shapes.weights);
  expectRank("state", 4, shapes.state);
  const [capacity = 0] = shapes.state;
  const lanes = [capacity, state / LANE, inner, LANE];
  expectShape("state", ["row", "state/4", "inner", "lane"], lanes, shapes.state);
  const window = [capacity, width - 1, inner];
  expectShape("window", ["row", "width-1", "inner"], window, shapes.window);
  return { out: shapes.x, nextState: shapes.state, nextWindow: shapes.window };
}

/** A product with packed weights: inputs to `columns` sums, from a part's first vector on. */
function product(
  weights: FloatArray,
  part: { readonly at: number; readonly columns: number },
  input: ArrayLike<number>,
): Float64Array {
  const { at, columns } = part;
  const sums = new Float64Array(columns);
  for (let k = 0; k < input.length; k++) {
    const value = input[k]!;
    const first = LANE * (at + Math.floor(k / LANE) * columns) + k % LANE;
    for (let c = 0; c < columns; c++) sums[c] = sums[c]! + weights[first + LANE * c]! * value;
  }
  return sums;
}

/** Number `k` of a column of packed weights. */
function weightAt(
  weights: FloatArray,
  at: number,
  columns: number,
  column: number,
  k: number,
): number {
  return weights[LANE * (at + Math.floor(k / LANE) * columns + column) + k % LANE]!;
}

/** [a, z] of one row. */
function projected(
  weights: FloatArray,
  x: FloatArray,
  row: number,
  params: MambaStepParams,
): Float64Array {
  const { feature, inner, norm, eps, bias } = params;
  const at = mambaOffsets(params);
  const input = x.subarray(row * feature, (row + 1) * feature);
  const sums = product(weights, { at: at.inProj, columns: 2 * inner }, input);
  let square = 0;
  for (const value of input) square += value * value;
  const factor = norm ? 1 / Math.sqrt(square / feature + eps) : 1;
  for (let c = 0; c < sums.length; c++) {
    const added = bias ? weights[LANE * (at.bias + c % inner) + Math.floor(c / inner)]! : 0;
    sums[c] = factor * sums[c]! + added;
  }
  return sums;
}

/** The convolution of one row, its new inputs in the place of the oldest. */
function convolved(
  weights: FloatArray,
  window: FloatArray,
  first: number,
  oldest: number,
  a: Float64Array,
  params: MambaStepParams,
): Float64Array {
  const { inner, width } = params;
  const past = width - 1;
  const at = mambaOffsets(params);
  const v = new Float64Array(inner);
  for (let d = 0; d < inner; d++) {
    let sum = weights[LANE * (at.lane + d)]! +
      weightAt(weights, at.taps, inner, d, past) * a[d]!;
    for (let j = 0; j < past; j++) {
      const place = first + ((oldest + j) % past) * inner + d;
      sum += weightAt(weights, at.taps, inner, d, j) * window[place]!;
    }
    v[d] = silu(sum);
    if (past > 0) window[first + oldest * inner + d] = a[d]!;
  }
  return v;
}

/** Advances the states of one row; gives C·h + D·v. */
function advanced(
  weights: FloatArray,
  states: FloatArray,
  first: number,
  v: Float64Array,
  elapsed: number,
  params: MambaStepParams & { kept(state: number): number },
): Float64Array {
  const { inner, state, rank, kept } = params;
  const at = mambaOffsets(params);
  const selected = product(weights, { at: at.xProj, columns: selectedOf(params) }, v);
  const B = LANE * rankVectors(params);
  const y = new Float64Array(inner);
  for (let d = 0; d < inner; d++) {
    let raw = weights[LANE * (at.lane + d) + 1]!;
    for (let r = 0; r < rank; r++) {
      raw += weightAt(weights, at.dtProj, inner, d, r) * selected[r]!;
    }
    const dt = softplus(raw) * elapsed;
    let sum = weights[LANE * (at.lane + d) + 2]! * v[d]!;
    for (let n = 0; n < state; n++) {
      const place = first + (Math.floor(n / LANE) * inner + d) * LANE + n % LANE;
      const decay = 2 ** (dt * weightAt(weights, at.A, inner, d, n));
      const next = decay * states[place]! + dt * v[d]! * selected[B + n]!;
      states[place] = kept(next);
      sum += selected[B + state + n]! * next;
    }
    y[d] = sum;
  }
  return y;
}

/**
 * The twin.
 *
 *   x           features between the layers             [batch, feature]
 *   rows        slot, oldest input, elapsed time, ..    [batch, at least 3]
 *   weights     packed                                  [element]
 *   state       of every stream                         [row, state/4, inner, 4]
 *   window      the convolution's last inputs, a ring   [row, width−1, inner]
 *   out         x and what the block adds               [batch, feature]
 *   nextState   goes on from state
 *   nextWindow  goes on from window
 *
 * @param kept  how a state is stored
 */
export function mambaTwin(
  { x, rows, weights }: Named<MambaInput, never, FloatArray>,
  outputs: {
    readonly out: FloatArray;
    readonly nextState: FloatArray;
    readonly nextWindow: FloatArray;
  },
  shapes: MambaShapes,
  params: MambaStepParams,
  kept: (state: number) => number = (state) => state,
): void {
  const { feature, inner, state, width, bias } = params;
  const { out, nextState, nextWindow } = outputs;
  const at = mambaOffsets(params);
  const fields = shapes.rows[1]!;
  for (let b = 0; b < shapes.x[0]!; b++) {
    const [slot, oldest, elapsed] = rows.subarray(b * fields, b * fields + ROW_FIELDS);
    const own = out.subarray(b * feature, (b + 1) * feature);
    if (!(slot! >= 0 && slot! < shapes.state[0]!)) {
      own.fill(0);
      continue;
    }
    const az = projected(weights, x, b, params);
    const window = slot! * (width - 1) * inner;
    const v = convolved(weights, nextWindow, window, oldest!, az, params);
    const first = slot! * inner * state;
    const y = advanced(weights, nextState, first, v, elapsed!, { ...params, kept });
    for (let d = 0; d < inner; d++) y[d] = y[d]! * silu(az[inner + d]!);
    const added = product(weights, { at: at.outProj, columns: feature }, y);
    for (let f = 0; f < feature; f++) {
      const shift = bias ? weights[LANE * at.outBias + f]! : 0;
      own[f] = x[b * feature + f]! + added[f]! + shift;
    }
  }
}

/** A case of either op. */
export type MambaCase = OpCase<MambaStepParams, MambaInput, never>;

interface CaseSizes extends MambaSizes {
  readonly capacity: number;
  /** The streams of the batch; all of them where absent. */
  readonly slots?: readonly number[];
  readonly norm?: boolean;
}

/** Weights of the usual sizes: small projections, steps from 0.01 to 0.1, decays −1 … −state. */
function drawParts(random: RandomState, sizes: MambaSizes): MambaParts {
  const { feature, inner, state, width, rank, bias } = sizes;
  const linear = (out: number, fanIn: number) => normal(random, [out, fanIn], 1 / Math.sqrt(fanIn));
  return {
    inProj: linear(2 * inner, feature),
    convWeight: linear(inner, width),
    convBias: normal(random, [inner], 0.1),
    xProj: linear(rank + 2 * state, inner),
    dtProj: linear(inner, rank),
    dtBias: uniform(random, [inner], -4.5, -2.2),
    logA: fill([inner, state], (i) => Math.log(1 + i % state)),
    D: constant([inner], 1),
    outProj: linear(feature, inner),
    normWeight: uniform(random, [feature], 0.5, 1.5),
    ...(bias && { inBias: normal(random, [2 * inner], 0.1), outBias: normal(random, [feature]) }),
  };
}

function drawn(name: string, sizes: CaseSizes, quick = false): MambaCase {
  const { capacity, slots, norm = true, ...rest } = sizes;
  const { feature, inner, state, width } = rest;
  const batch = slots?.length ?? capacity;
  return {
    name,
    quick,
    params: { ...rest, norm, eps: 1e-5 },
    inputs: (random) => {
      const weights = new Float32Array(packMambaWeights(rest, drawParts(random, rest)));
      const rowOf = [
        (b: number) => slots ? slots[b]! : capacity - 1 - b,
        (b: number) => width > 1 ? b % (width - 1) : 0,
        () => 0.5 + nextUniform(random),
      ];
      return {
        x: normal(random, [batch, feature]),
        rows: fill([batch, 5], (i) => i % 5 < ROW_FIELDS ? rowOf[i % 5]!(Math.floor(i / 5)) : NaN),
        weights: tensorOf([weights.length], weights),
        state: normal(random, [capacity, state / LANE, inner, LANE]),
        window: normal(random, [capacity, width - 1, inner]),
      };
    },
  };
}

const SMALL: CaseSizes = {
  feature: 8,
  inner: 16,
  state: 4,
  width: 4,
  rank: 1,
  bias: false,
  capacity: 9,
};

/** Sizes that reach every side of the shader. */
export const MAMBA_CASES: readonly MambaCase[] = [
  drawn("every stream, a tile and one", SMALL, true),
  drawn("some streams with padding", { ...SMALL, slots: [8, -1, 0, 9, 3] }),
  drawn("one stream", { ...SMALL, capacity: 1 }),
  drawn("biases, no norm, wide rank", { ...SMALL, bias: true, norm: false, rank: 5, state: 8 }),
  drawn("no window", { ...SMALL, width: 1 }),
  drawn("a window of more than a vector", { ...SMALL, width: 6, feature: 4, inner: 12 }),
  drawn("many streams, of which a workgroup loads some at a time", {
    ...{ feature: 4, inner: 8, state: 4, width: 2, rank: 1, bias: false },
    capacity: 1600,
  }),
  drawn("several ranges and vectors", {
    ...{ feature: 16, inner: 32, state: 8, width: 4, rank: 2, bias: false },
    capacity: 21,
  }),
];

/** A case of about so many products. */
export function mambaSized(work: number): MambaCase {
  const perStream = LANE * mambaOffsets(SMALL).end;
  return drawn(`${work} products`, {
    ...SMALL,
    capacity: Math.max(1, Math.round(work / perStream)),
  });
}

/** Products of a run. */
export function mambaWork({ x, weights }: MambaShapes): number {
  return x[0]! * sizeOf(weights);
}
