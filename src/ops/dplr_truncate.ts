/**
 * The output matrix of S4's truncated generating function.
 *
 *   Ctilde = C·(I − exp(−damping)·Abar^length)
 *   Abar = (I − dt/2·A)⁻¹·(I + dt/2·A),   A = diag(lambda) − P·P*
 *
 * S4 (arXiv 2111.00396) section 3 and appendix C.3: what `dplr_kernel` takes in the place of C. The
 * published code stores Ctilde itself, without damping, which belongs to one length; here C is
 * stored, and this op lies on the way of its gradients.
 *
 * The power is taken by squaring the difference Q from the identity, with Q ← Q·Q + 2·Q, of the
 * real matrix that acts on (re, im) pairs. The first Q is that of one step by Woodbury's identity;
 * a small step keeps its digits, where 1 − (1 − ε)^length would not.
 *
 * Back through the squarings, gradQ ← gradQ·Qᵀ + Qᵀ·gradQ + 2·gradQ; with W = I + Q/2 of one step,
 * the gradient of dt/2·A is E = Wᵀ·2·gradQ·Wᵀ, and
 *
 *   gradLambda = dt/2·(its blocks of E)    gradP = −dt·(E + Eᵀ)·P    gradDt = (E, A)/2
 *
 * The squares are found again. Quadratic in the state's memory, cubic in its work, and logarithmic
 * in the length.
 *
 * Tolerance: a dozen products of matrices in f32, 2e-5.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { addScaled, identity, multiply, transpose } from "../ssm/dense.ts";
import { dplrDifference, type DplrStep, dplrStep } from "../ssm/dplr.ts";
import { doubledDifference, truncatedOutput } from "../ssm/dplr.ts";
import { expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, leftHalfPlane, normal, uniform } from "./_helpers/cases.ts";
import { checkDamping, checkTaps } from "./_helpers/dplr_taps.ts";
import { groupsFor, POINTWISE_GROUP } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import {
  type Backward,
  defineOp,
  type GradientOf,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Pass,
  type Some,
} from "./op.ts";

/** Parameters of {@linkcode dplrTruncate}. */
export interface DplrTruncateParams {
  /** Taps, a power of two from 2 to `DPLR_TAPS_MAX` (`_helpers/dplr_taps.ts`). */
  readonly length: number;
  /** That of the kernel's nodes, from 0 to `DAMPING_MAX`; default 0. */
  readonly damping?: number;
}

/** Largest rank, as in `dplr_scan`. */
const RANK_MAX = 2;

/** Most real states of a feature, whose matrices are squared. */
export const TRUNCATE_STATES_MAX = 1024;

type Input = "lambda" | "P" | "C" | "dt";
type Shapes = Named<Input, never, Shape>;

function outputShapes(
  shapes: Shapes,
  { length, damping = 0 }: DplrTruncateParams,
): { Ctilde: Shape } {
  expectRank("P", 4, shapes.P);
  const [feature, rank, half] = shapes.P as [number, number, number, number];
  expectShape("P", ["feature", "rank", "half", "complex"], [feature, rank, half, 2], shapes.P);
  if (rank < 1 || rank > RANK_MAX) throw new InvalidValueError("P.rank", rank, `1 to ${RANK_MAX}`);
  if (half < 1 || 2 * half > TRUNCATE_STATES_MAX) {
    throw new InvalidValueError("P.half", half, `1 to ${TRUNCATE_STATES_MAX / 2}`);
  }
  const bank = ["feature", "half", "complex"];
  expectShape("lambda", bank, [feature, half, 2], shapes.lambda);
  expectShape("C", bank, [feature, half, 2], shapes.C);
  expectShape("dt", ["feature"], [feature], shapes.dt);
  checkTaps(length);
  checkDamping(damping);
  if (length < 2 || !Number.isInteger(Math.log2(length))) {
    throw new InvalidValueError("length", length, "a power of two of at least 2");
  }
  return { Ctilde: shapes.C };
}

/** The step of one feature. */
function stepOf(
  { lambda, P, dt }: Some<Input, FloatArray>,
  d: number,
  rank: number,
  half: number,
): DplrStep {
  const of = (array: FloatArray, width: number) => array.subarray(d * width, (d + 1) * width);
  const modes = of(lambda!, 2 * half);
  return dplrStep({ lambda: modes, P: of(P!, 2 * half * rank), B: modes, half, rank }, dt![d]!);
}

/**
 * The twin.
 *
 *   lambda  poles of the diagonal part   [feature, half] c64
 *   P       low-rank factor              [feature, rank, half] c64
 *   C       output                       [feature, half] c64
 *   dt      step sizes                   [feature]
 *   Ctilde                               [feature, half] c64
 */
function cpu(
  inputs: Named<Input, never, FloatArray>,
  outputs: { readonly Ctilde: FloatArray },
  shapes: Shapes,
  { length, damping = 0 }: DplrTruncateParams,
): void {
  const [feature, rank, half] = shapes.P as [number, number, number, number];
  for (let d = 0; d < feature; d++) {
    const row = inputs.C.subarray(2 * d * half, 2 * (d + 1) * half);
    const step = stepOf(inputs, d, rank, half);
    outputs.Ctilde.set(truncatedOutput(step, row, length, damping), 2 * d * half);
  }
}

/** (re, −im) of pairs: Re(C·x) as a product of real rows and columns, and back. */
function conjugated(pairs: FloatArray): Float64Array {
  return Float64Array.from(pairs, (value, n) => n % 2 === 0 ? value : -value);
}

/** The gradient of dt/2·A, and that of C, from the gradient of Ctilde. */
function squaresBack(step: DplrStep, C: FloatArray, gradient: FloatArray, length: number) {
  const size = 2 * step.system.half;
  const squares = [dplrDifference(step)];
  for (let taps = 1; taps < length; taps *= 2) {
    squares.push(doubledDifference(squares.at(-1)!, size));
  }
  const power = squares.pop()!;
  const g = conjugated(gradient);
  const gradC = conjugated(multiply(power, g, size, size, 1)).map((value) => -value);
  let back: Float64Array = multiply(conjugated(C), g, size, 1, size).map((value) => -value);
  for (const Q of squares.reverse()) {
    const turned = transpose(Q, size, size);
    const sides = addScaled(
      multiply(back, turned, size, size, size),
      multiply(turned, back, size, size, size),
    );
    back = addScaled(sides, back, 2);
  }
  const W = transpose(addScaled(identity(size), dplrDifference(step), 0.5), size, size);
  const right = multiply(back, W, size, size, size);
  return { gradC, E: multiply(W, right, size, size, size).map((value) => 2 * value) };
}

function backwardTwin(
  given: Some<Input | GradientOf<"Ctilde">, FloatArray>,
  gradients: Some<GradientOf<Input>, FloatArray>,
  shapes: Shapes,
  { length, damping = 0 }: DplrTruncateParams,
): void {
  const [feature, rank, half] = shapes.P as [number, number, number, number];
  const size = 2 * half;
  // Ctilde = faded·C·(I − Abar^length) + (1 − faded)·C.
  const faded = Math.exp(-damping);
  const rest = -Math.expm1(-damping);
  for (let d = 0; d < feature; d++) {
    const bank = (array: FloatArray) => array.subarray(d * size, (d + 1) * size);
    const step = stepOf(given, d, rank, half);
    const { system, dt } = step;
    const gradient = Float64Array.from(bank(given.gradCtilde!));
    const ofRow = gradient.map((value) => faded * value);
    const { gradC, E } = squaresBack(step, bank(given.C!), ofRow, length);
    gradients.gradC!.set(addScaled(gradC, gradient, rest), d * size);
    let sumDt = 0;
    for (let n = 0; n < size; n += 2) {
      const re = E[n * size + n]! + E[(n + 1) * size + n + 1]!;
      const im = E[(n + 1) * size + n]! - E[n * size + n + 1]!;
      gradients.gradLambda![d * size + n] = dt / 2 * re;
      gradients.gradLambda![d * size + n + 1] = dt / 2 * im;
      sumDt += (system.lambda[n]! * re + system.lambda[n + 1]! * im) / 2;
    }
    for (let r = 0; r < rank; r++) {
      for (let i = 0; i < size; i++) {
        let sum = 0;
        for (let j = 0; j < size; j++) {
          sum += (E[i * size + j]! + E[j * size + i]!) * system.P[r * size + j]!;
        }
        gradients.gradP![(d * rank + r) * size + i] = -dt * sum;
        sumDt -= system.P[r * size + i]! * sum / 2;
      }
    }
    gradients.gradDt![d] = sumDt;
  }
}

/** Side of the tiles in which matrices are multiplied; its square is a workgroup. */
const TILE = 16;

/** Passes of a feature's matrices: the difference of one step, and its squares. */
function squaring(shapes: Shapes, { length, damping = 0 }: DplrTruncateParams) {
  const [feature, rank, half] = shapes.P as [number, number, number, number];
  const size = 2 * half;
  const constants = { GROUP: POINTWISE_GROUP, TILE, RANK: rank, HALF: half };
  const damped = { faded: Math.exp(-damping), rest: -Math.expm1(-damping) };
  const count = Math.log2(length);
  const tiles = groupsFor(size, TILE);
  const pass = (entry: string, bindings: string[], columns: number): Pass => ({
    entry,
    constants: { ...constants, TRANSPOSE_LEFT: 0, TRANSPOSE_RIGHT: 0 },
    dims: { feature, factor: 0, shift: 0, ...damped },
    bindings,
    workgroups: [columns, feature, 1],
  });
  /** product = factor·left·right + shift·base; `left'` is transposed. */
  const product = (
    left: string,
    right: string,
    base: string,
    to: string,
    weights: Weights,
  ): Pass => ({
    entry: "multiply",
    constants: {
      ...constants,
      TRANSPOSE_LEFT: left.endsWith("'") ? 1 : 0,
      TRANSPOSE_RIGHT: right.endsWith("'") ? 1 : 0,
    },
    dims: { feature, ...weights, ...damped },
    bindings: [
      ...[`left=${left.replace("'", "")}`, `right=${right.replace("'", "")}`],
      ...[`base=${base}`, `product=${to}`],
    ],
    workgroups: [tiles, tiles, feature],
  });
  const difference = pass(
    "difference",
    ["lambda", "P", "dt", "product=square0"],
    groupsFor(size, POINTWISE_GROUP),
  );
  const squares = Array.from({ length: count - 1 }, (_, i) => {
    const [from, to] = [`square${i}`, `square${i + 1}`];
    return product(from, from, from, to, { factor: 1, shift: 2 });
  });
  const matrix = feature * size * size;
  const scratch = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`square${i}`, matrix]),
  );
  return { passes: [difference, ...squares], scratch, pass, product, matrix, count };
}

type Weights = Readonly<Record<"factor" | "shift", number>>;

function launch(shapes: Shapes, params: DplrTruncateParams, _limits: GpuLimits): LaunchPlan {
  const { passes, scratch, pass, count } = squaring(shapes, params);
  const last = `square=square${count - 1}`;
  return { scratch, passes: [...passes, pass("truncate", ["C", last, "Ctilde"], 1)] };
}

const backward: Backward<DplrTruncateParams, Input, never, "Ctilde"> = {
  needs: ["lambda", "P", "C", "dt"],
  cpu: backwardTwin,
  launch(shapes, params) {
    const [feature, , half] = shapes.P as [number, number, number, number];
    const { passes, scratch, pass, product, matrix, count } = squaring(shapes, params);
    const rows = pass(
      "rows_back",
      ["C", "gradCtilde", `square=square${count - 1}`, "gradC", "product=back"],
      1,
    );
    const back: Pass[] = [rows];
    let [from, to] = ["back", "next"] as [string, string];
    for (let i = count - 2; i >= 0; i--) {
      const Q = `square${i}`;
      back.push(
        product(from, `${Q}'`, from, "side", { factor: 1, shift: 2 }),
        product(`${Q}'`, from, "side", to, { factor: 1, shift: 1 }),
      );
      [from, to] = [to, from];
    }
    // E = Wᵀ·2·back·Wᵀ with W = I + Q/2.
    back.push(
      product(from, "square0'", from, "side", { factor: 1, shift: 2 }),
      product("square0'", "side", "side", to, { factor: 0.5, shift: 1 }),
    );
    const gather = pass(
      "gather",
      ["lambda", "P", "dt", `base=${to}`, "gradLambda", "gradP", "steps"],
      groupsFor(half, POINTWISE_GROUP),
    );
    const own = { back: matrix, side: matrix, next: matrix, steps: half * feature };
    return joinPlans(
      { scratch: { ...scratch, ...own }, passes: [...passes, ...back, gather] },
      columnSums({ target: "gradDt", left: "steps", rows: half, columns: feature }),
    );
  },
  // Twice as many products of matrices as forward, of which the last are divided by small steps.
  tolerance: 5e-5,
};

type Case = OpCase<DplrTruncateParams, Input, never>;

function modes(
  name: string,
  [feature, half, length]: readonly [number, number, number],
  rank: number,
  change: {
    quick?: boolean;
    dt?: readonly [number, number];
    turn?: number;
    damping?: number;
  } = {},
): Case {
  const [low, high] = change.dt ?? [0.02, 0.3];
  return {
    name,
    quick: change.quick ?? false,
    params: { length, ...(change.damping !== undefined && { damping: change.damping }) },
    inputs: (random) => ({
      lambda: leftHalfPlane(random, [feature, half], 2, change.turn ?? 20),
      P: normal(random, [feature, rank, half, 2], 0.5),
      C: normal(random, [feature, half, 2]),
      dt: uniform(random, [feature], low, high),
    }),
  };
}

const cases: readonly Case[] = [
  modes("two taps", [2, 3, 2], 1),
  modes("one tile", [2, 8, 32], 1, { quick: true }),
  modes("rank two, one tile and some", [3, 9, 16], 2, { quick: true }),
  modes("damped", [2, 9, 16], 2, { damping: 1 }),
  modes("several tiles", [2, 17, 8], 1),
  modes("long", [2, 3, 512], 1, { dt: [0.01, 0.02], turn: 1 }),
  modes("small steps", [2, 4, 64], 2, { dt: [1e-5, 1e-4] }),
  {
    name: "no low-rank part",
    params: { length: 16 },
    inputs: (random) => ({
      lambda: leftHalfPlane(random, [2, 3], 2, 20),
      P: constant([2, 1, 3, 2], 0),
      C: normal(random, [2, 3, 2]),
      dt: constant([2], 0.1),
    }),
  },
];

/** Truncated output matrix; equation and shapes at the head of this file. */
export const dplrTruncate = defineOp<DplrTruncateParams, Input, never, "Ctilde">({
  name: "dplr_truncate",
  inputs: ["lambda", "P", "C", "dt"],
  optional: [],
  outputs: ["Ctilde"],
  outputShapes,
  cpu,
  launch,
  work: (shapes, { length }) => shapes.P[0]! * (2 * shapes.P[2]!) ** 3 * Math.log2(length),
  sized: (work) => {
    const size = Math.max(1, Math.min(32, Math.round(Math.cbrt(work / 32) / 2)));
    const feature = Math.max(1, Math.round(work / (8 * size ** 3 * 4)));
    return modes(`${work} multiply-adds`, [feature, size, 16], 1);
  },
  cases,
  tolerance: 2e-5,
  backward,
});
