/**
 * Convolution kernel of a diagonal-plus-low-rank system: S4's algorithm 1.
 *
 *   kernel[l] = 2·Re(C·Abar^l·Bbar),   l < length
 *
 * given Ctilde = C·(I − exp(−damping)·Abar^length), as the op `dplr_truncate` makes it.
 *
 * The generating function of the taps at the nodes ω = exp(−(damping + 2πi·k)/length) needs only
 * Cauchy sums over the modes and, for the low-rank part, Woodbury's identity:
 *
 *   q(v) = Σ_n v_n/(2(1 − ω) − dt·lambda_n·(1 + ω)) over all modes and their conjugates
 *   spectrum[k] = 2·q(C·B) − 2s·q(C·P)·(I + s·q(P*·P))⁻¹·q(P*·B),   s = 1 + ω, each q times dt
 *
 * and an inverse transform gives the taps. S4 (arXiv 2111.00396) section 3, theorem 3 and appendix
 * C.3. The paper's z = 2(1 − ω)/(1 + ω) is infinite at ω = −1; with numerator and denominator
 * multiplied by 1 + ω nothing is, and that node needs no special case.
 *
 * The paper's nodes are the roots of unity, damping 0. A mode that hardly decays over the length
 * then has its pole beside a node, and what Ctilde leaves of it is next to nothing: in f32 the taps
 * lose some thousand roundings. Nodes on a smaller circle keep a distance to all poles; the
 * transform gives the taps times exp(−damping·l/length), whose undoing costs at most exp(damping).
 *
 * More taps than needed do no harm, since Ctilde belongs to `length`; a power of two is transformed
 * fastest by the twin.
 *
 * Back: with M = 2(1 − ω)·I − dt·s·A over all modes and conjugates, spectrum = 2·dt·C·M⁻¹·B. Given
 * the right and the left solution R = dt·M⁻¹·B and L = dt·C·M⁻¹ (Woodbury again),
 *
 *   d spectrum = 2·L·dB + 2·dC·R + 2s·L·dA·R + 4(1 − ω)/dt²·(L·R)·d(dt),   dA = d lambda − d(P·P*)
 *
 * and the spectrum's gradient is the transform of the kernel's. No term of dt's gradient cancels.
 *
 * Tolerance: f32 sums over nodes and modes are off by about 1e-6 of the largest tap where the modes
 * forget within the length or the nodes are damped; 2e-5 leaves room for the divisions of other
 * drivers.
 */
import { InvalidValueError } from "../base/errors.ts";
import { expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, fill, leftHalfPlane, normal, uniform } from "./_helpers/cases.ts";
import { dplrKernelBackward } from "./_helpers/dplr_kernel_backward.ts";
import { nodeRoom, solveNodeInto } from "./_helpers/dplr_node.ts";
import { checkDamping, checkTaps, nodeCount, tapNode } from "./_helpers/dplr_taps.ts";
import { tapTransform, tapWeight } from "./_helpers/dplr_taps.ts";
import { groupsFor, POINTWISE_GROUP } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode dplrKernel}. */
export interface DplrKernelParams {
  /** Taps, from 1 to `DPLR_TAPS_MAX` (`_helpers/dplr_taps.ts`). */
  readonly length: number;
  /** That of Ctilde, from 0 to `DAMPING_MAX`; default 0. */
  readonly damping?: number;
}

/** Largest rank, as in `dplr_scan`. */
const RANK_MAX = 2;

type Input = "lambda" | "P" | "B" | "C" | "dt";
type Shapes = Named<Input, never, Shape>;

function outputShapes(
  shapes: Shapes,
  { length, damping = 0 }: DplrKernelParams,
): { kernel: Shape } {
  expectRank("P", 4, shapes.P);
  const [feature, rank, half] = shapes.P as [number, number, number, number];
  expectShape("P", ["feature", "rank", "half", "complex"], [feature, rank, half, 2], shapes.P);
  if (rank < 1 || rank > RANK_MAX) throw new InvalidValueError("P.rank", rank, `1 to ${RANK_MAX}`);
  const bank = ["feature", "half", "complex"];
  expectShape("lambda", bank, [feature, half, 2], shapes.lambda);
  expectShape("B", bank, [feature, half, 2], shapes.B);
  expectShape("C", bank, [feature, half, 2], shapes.C);
  expectShape("dt", ["feature"], [feature], shapes.dt);
  checkTaps(length);
  checkDamping(damping);
  return { kernel: [feature, length] };
}

/**
 * The twin.
 *
 *   lambda  poles of the diagonal part        [feature, half] c64
 *   P       low-rank factor                   [feature, rank, half] c64
 *   B, C    input, truncated output Ctilde    [feature, half] c64
 *   dt      step sizes                        [feature]
 *   kernel                                    [feature, length]
 */
function cpu(
  inputs: Named<Input, never, FloatArray>,
  outputs: { readonly kernel: FloatArray },
  shapes: Shapes,
  { length, damping = 0 }: DplrKernelParams,
): void {
  const [features, rank, half] = shapes.P as [number, number, number, number];
  const room = nodeRoom(half, rank);
  const transform = tapTransform(length);
  const re = new Float64Array(length);
  const im = new Float64Array(length);
  for (let d = 0; d < features; d++) {
    const bank = (array: FloatArray) => array.subarray(2 * d * half, 2 * (d + 1) * half);
    const rows = Array.from({ length: rank }, (_, r) => {
      const at = 2 * (d * rank + r) * half;
      return inputs.P.subarray(at, at + 2 * half);
    });
    const feature = {
      lambda: bank(inputs.lambda),
      P: rows,
      B: bank(inputs.B),
      C: bank(inputs.C),
      dt: inputs.dt[d]!,
    };
    for (let k = 0; k < nodeCount(length); k++) {
      solveNodeInto(room, feature, tapNode(k, length, damping));
      const mirror = (length - k) % length;
      re[k] = re[mirror] = 2 * room.value[0]!;
      im[mirror] = -2 * room.value[1]!;
      // The real nodes of a real sequence are their own mirrors.
      im[k] = mirror === k ? 0 : 2 * room.value[1]!;
    }
    transform(re, im, true);
    for (let l = 0; l < length; l++) {
      outputs.kernel[d * length + l] = re[l]! / length * tapWeight(l, length, damping);
    }
  }
}

/** cos and sin of π·k/length, k < 2·length: nodes at half angles, and twiddles at even k. */
function angleTable(length: number): Float32Array {
  const table = new Float32Array(4 * length);
  for (let k = 0; k < 2 * length; k++) {
    table[2 * k] = 2 * k === length ? 0 : Math.cos(Math.PI * k / length);
    table[2 * k + 1] = Math.sin(Math.PI * k / length);
  }
  return table;
}

function launch(shapes: Shapes, { length, damping = 0 }: DplrKernelParams): LaunchPlan {
  const [feature, rank, half] = shapes.P as [number, number, number, number];
  // Positions on the circle wrap by a mask where the length is a power of two.
  const MASKED = (length & (length - 1)) === 0 ? 1 : 0;
  const constants = { GROUP: POINTWISE_GROUP, RANK: rank, MASKED };
  const rate = damping / length;
  const circle = { rate, radius: Math.exp(-rate), inside: -Math.expm1(-rate) };
  const dims = { length, half, feature, ...circle };
  const pass = (entry: string, bindings: string[], points: number) => ({
    entry,
    constants,
    dims,
    bindings: [...bindings, "angles"],
    workgroups: [groupsFor(points, POINTWISE_GROUP), feature, 1] as const,
  });
  return {
    scratch: { spectrum: feature * (nodeCount(length)) * 2 },
    tables: { angles: { key: `dplr_kernel/${length}`, make: () => angleTable(length) } },
    passes: [
      pass("evaluate", ["lambda", "P", "B", "C", "dt", "spectrum"], nodeCount(length)),
      pass("invert", ["spectrum", "kernel"], length),
    ],
  };
}

const backward: Backward<DplrKernelParams, Input, never, "kernel"> = {
  needs: ["lambda", "P", "B", "C", "dt"],
  cpu: dplrKernelBackward,
  launch(shapes, params) {
    const [feature, rank, half] = shapes.P as [number, number, number, number];
    const plan = launch(shapes, params);
    const [evaluate] = plan.passes;
    const system = ["lambda", "P", "B", "C", "dt", "angles"];
    const nodes = nodeCount(params.length);
    const passes = [
      { ...evaluate!, entry: "adjoint_nodes", bindings: [...system, "gradKernel", "nodes"] },
      {
        ...evaluate!,
        entry: "adjoint_modes",
        bindings: [...system, "nodes", "gradLambda", "gradP", "gradB", "gradC", "steps"],
        workgroups: [half, feature, 1] as const,
      },
    ];
    const scratch = { nodes: feature * nodes * 2 * (1 + 2 * rank), steps: half * feature };
    const own = joinPlans(
      { scratch, passes },
      columnSums({ target: "gradDt", left: "steps", rows: half, columns: feature }),
    );
    return { ...own, tables: plan.tables! };
  },
  // A pole's gradient squares its distance to the nodes, which costs digits once more.
  tolerance: 5e-5,
};

type KernelCase = OpCase<DplrKernelParams, Input, never>;

function modes(
  name: string,
  [feature, half, length]: readonly [number, number, number],
  rank: number,
  quick = false,
  damping?: number,
): KernelCase {
  return {
    name,
    quick,
    params: { length, ...(damping !== undefined && { damping }) },
    inputs: (random) => ({
      lambda: leftHalfPlane(random, [feature, half], 2, 20),
      P: normal(random, [feature, rank, half, 2], 0.5),
      B: normal(random, [feature, half, 2]),
      C: normal(random, [feature, half, 2]),
      dt: uniform(random, [feature], 0.02, 0.3),
    }),
  };
}

const cases: readonly KernelCase[] = [
  modes("two taps", [2, 3, 2], 1),
  modes("one workgroup", [3, 4, 64], 1, true),
  modes("rank two", [3, 4, 128], 2, true),
  modes("several workgroups", [2, 17, 512], 1),
  modes("one tap", [2, 3, 1], 1),
  modes("damped", [2, 4, 64], 2, false, 1),
  modes("damped, an odd length", [2, 4, 77], 1, false, 3),
  modes("an odd length", [2, 4, 77], 2),
  modes("an even length, no power of two", [3, 4, 40], 1),
  {
    name: "no low-rank part, zero output",
    params: { length: 16 },
    inputs: (random) => ({
      lambda: leftHalfPlane(random, [2, 3], 2, 20),
      P: constant([2, 1, 3, 2], 0),
      B: normal(random, [2, 3, 2]),
      C: fill([2, 3, 2], (i) => i < 6 ? 0 : 1),
      dt: constant([2], 0.1),
    }),
  },
];

/** Kernel of a diagonal-plus-low-rank system; equation at the head of this file. */
export const dplrKernel = defineOp<DplrKernelParams, Input, never, "kernel">({
  name: "dplr_kernel",
  inputs: ["lambda", "P", "B", "C", "dt"],
  optional: [],
  outputs: ["kernel"],
  outputShapes,
  cpu,
  launch,
  work: (shapes, { length }) => shapes.P[0]! * length * (shapes.P[2]! + Math.log2(length)),
  sized: (work) => {
    const length = 2 ** Math.max(1, Math.round(Math.log2(Math.max(2, work / 32))));
    return modes(`${work} terms`, [2, 8, Math.min(length, 4096)], 1);
  },
  cases,
  tolerance: 2e-5,
  backward,
});
