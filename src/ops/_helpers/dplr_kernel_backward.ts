/** The twin of the backward of `dplr_kernel`; equations in that file. */
import type { Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, Named, Some } from "../op.ts";
import { type DplrFeature, nodeRoom, type SolvedNode, solveNodeInto } from "./dplr_node.ts";
import { nodeCount, type TapNode, tapNode, tapTransform, tapWeight } from "./dplr_taps.ts";

type Input = "lambda" | "P" | "B" | "C" | "dt";

/** Sums over the nodes of one feature. */
interface Sums {
  readonly lambda: Float64Array;
  readonly B: Float64Array;
  readonly C: Float64Array;
  readonly P: readonly Float64Array[];
}

/**
 * The right and the left solution of the resolvent at pair `n`, at the mode and at its conjugate:
 * out = h∘(B − s·P·rho) and h∘(C − s·sigma·P*), as [R, L, R', L'] c64.
 */
function solutionsInto(
  out: Float64Array,
  { B, C, P }: DplrFeature,
  { resolvent }: SolvedNode,
  low: { readonly rho: Float64Array; readonly sigma: Float64Array },
  n: number,
): void {
  for (let side = 0; side < 2; side++) {
    const sign = side === 0 ? 1 : -1;
    let rightRe = B[n]!;
    let rightIm = sign * B[n + 1]!;
    let leftRe = C[n]!;
    let leftIm = sign * C[n + 1]!;
    for (let r = 0; r < P.length; r++) {
      const re = P[r]![n]!;
      const im = sign * P[r]![n + 1]!;
      rightRe -= re * low.rho[2 * r]! - im * low.rho[2 * r + 1]!;
      rightIm -= re * low.rho[2 * r + 1]! + im * low.rho[2 * r]!;
      leftRe -= re * low.sigma[2 * r]! + im * low.sigma[2 * r + 1]!;
      leftIm -= re * low.sigma[2 * r + 1]! - im * low.sigma[2 * r]!;
    }
    const hr = resolvent[2 * n + 2 * side]!;
    const hi = resolvent[2 * n + 2 * side + 1]!;
    out[4 * side] = hr * rightRe - hi * rightIm;
    out[4 * side + 1] = hr * rightIm + hi * rightRe;
    out[4 * side + 2] = hr * leftRe - hi * leftIm;
    out[4 * side + 3] = hr * leftIm + hi * leftRe;
  }
}

/** Adds 2·(G·conj(a) + conj(G)·b), the gradient of an x that is held as 2·(a·x + b·conj(x)). */
function add(
  sums: Float64Array,
  n: number,
  [gr, gi]: readonly [number, number],
  ar: number,
  ai: number,
  br: number,
  bi: number,
): void {
  sums[n] = sums[n]! + 2 * (gr * (ar + br) + gi * (ai + bi));
  sums[n + 1] = sums[n + 1]! + 2 * (gi * (ar - br) + gr * (bi - ai));
}

/** Products by s of a node's low-rank sums. */
function scaledInto(out: Float64Array, values: Float64Array, [sr, si]: TapNode["plus"]): void {
  for (let i = 0; i < values.length; i += 2) {
    out[i] = sr * values[i]! - si * values[i + 1]!;
    out[i + 1] = sr * values[i + 1]! + si * values[i]!;
  }
}

/** Adds what one node gives; returns the part of dt's gradient, without 1/dt². */
function addNode(
  sums: Sums,
  feature: DplrFeature,
  node: TapNode,
  G: readonly [number, number],
  room: ReturnType<typeof nodeRoom>,
  low: { readonly rho: Float64Array; readonly sigma: Float64Array },
): number {
  const { plus: [sr, si], minus } = node;
  const x = new Float64Array(8);
  let [totalRe, totalIm] = [0, 0];
  scaledInto(low.rho, room.rho, node.plus);
  scaledInto(low.sigma, room.sigma, node.plus);
  for (let n = 0; n < feature.lambda.length; n += 2) {
    solutionsInto(x, feature, room, low, n);
    const [Rr, Ri, Lr, Li, Or, Oi, Mr, Mi] = x as unknown as Eight;
    add(sums.B, n, G, Lr, Li, Mr, Mi);
    add(sums.C, n, G, Rr, Ri, Or, Oi);
    const [re, im] = [Lr * Rr - Li * Ri, Lr * Ri + Li * Rr];
    const [otherRe, otherIm] = [Mr * Or - Mi * Oi, Mr * Oi + Mi * Or];
    const here = [sr * re - si * im, sr * im + si * re] as const;
    const there = [sr * otherRe - si * otherIm, sr * otherIm + si * otherRe] as const;
    add(sums.lambda, n, G, here[0], here[1], there[0], there[1]);
    for (let r = 0; r < feature.P.length; r++) {
      const [pr, pi] = [low.rho[2 * r]!, low.rho[2 * r + 1]!];
      const [qr, qi] = [low.sigma[2 * r]!, low.sigma[2 * r + 1]!];
      add(
        sums.P[r]!,
        n,
        G,
        -(Lr * pr - Li * pi + qr * Or - qi * Oi),
        -(Lr * pi + Li * pr + qr * Oi + qi * Or),
        -(Mr * pr - Mi * pi + qr * Rr - qi * Ri),
        -(Mr * pi + Mi * pr + qr * Ri + qi * Rr),
      );
    }
    totalRe += re + otherRe;
    totalIm += im + otherIm;
  }
  const stepRe = minus[0] * totalRe - minus[1] * totalIm;
  const stepIm = minus[0] * totalIm + minus[1] * totalRe;
  return 4 * (G[0] * stepRe + G[1] * stepIm);
}

type Eight = [number, number, number, number, number, number, number, number];

/** Gradients of all inputs. */
export function dplrKernelBackward(
  given: Some<Input | GradientOf<"kernel">, FloatArray>,
  gradients: Some<GradientOf<Input>, FloatArray>,
  shapes: Named<Input, never, Shape>,
  { length, damping = 0 }: { readonly length: number; readonly damping?: number },
): void {
  const [count, rank, half] = shapes.P as [number, number, number, number];
  const width = 2 * half;
  const transform = tapTransform(length);
  const re = new Float64Array(length);
  const im = new Float64Array(length);
  const room = nodeRoom(half, rank);
  const low = { rho: new Float64Array(2 * rank), sigma: new Float64Array(2 * rank) };
  for (let d = 0; d < count; d++) {
    const bank = (array: FloatArray) => array.subarray(d * width, (d + 1) * width);
    const rowAt = (r: number) => (d * rank + r) * width;
    const P = Array.from(
      { length: rank },
      (_, r) => given.P!.subarray(rowAt(r), rowAt(r) + width),
    );
    const dt = given.dt![d]!;
    const [lambda, B, C] = [bank(given.lambda!), bank(given.B!), bank(given.C!)];
    const zeros = () => new Float64Array(width);
    const sums: Sums = { lambda: zeros(), B: zeros(), C: zeros(), P: P.map(zeros) };
    for (let l = 0; l < length; l++) {
      re[l] = given.gradKernel![d * length + l]! * tapWeight(l, length, damping);
    }
    im.fill(0);
    transform(re, im, false);
    let ofStep = 0;
    for (let k = 0; k < nodeCount(length); k++) {
      const node = tapNode(k, length, damping);
      solveNodeInto(room, { lambda, P, B, C, dt }, node);
      // The taps see the real parts of the real nodes, and all others twice.
      const isReal = k === 0 || 2 * k === length;
      const G = isReal
        ? [re[k]! / length, 0] as const
        : [2 * re[k]! / length, 2 * im[k]! / length] as const;
      ofStep += addNode(sums, { lambda, P, B, C, dt }, node, G, room, low);
    }
    gradients.gradLambda!.set(sums.lambda, d * width);
    gradients.gradB!.set(sums.B, d * width);
    gradients.gradC!.set(sums.C, d * width);
    sums.P.forEach((row, r) => gradients.gradP!.set(row, rowAt(r)));
    gradients.gradDt![d] = ofStep / dt / dt;
  }
}
