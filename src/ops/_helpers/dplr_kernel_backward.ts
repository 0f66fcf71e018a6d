/** The twin of the backward of `dplr_kernel`; equations in that file. */
import type { Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, Named, Some } from "../op.ts";
import { nodeCount, type TapNode, tapNode, tapTransform } from "./dplr_taps.ts";

type Input = "lambda" | "P" | "B" | "C" | "dt";
type Complex = readonly [re: number, im: number];

const ZERO: Complex = [0, 0];
const times = (a: Complex, b: Complex): Complex => [
  a[0] * b[0] - a[1] * b[1],
  a[0] * b[1] + a[1] * b[0],
];
const plus = (a: Complex, b: Complex): Complex => [a[0] + b[0], a[1] + b[1]];
const minus = (a: Complex, b: Complex): Complex => [a[0] - b[0], a[1] - b[1]];
const conj = (a: Complex): Complex => [a[0], -a[1]];
const scaled = (a: Complex, by: number): Complex => [by * a[0], by * a[1]];
const inverse = (a: Complex): Complex => scaled(conj(a), 1 / (a[0] * a[0] + a[1] * a[1]));

/** Pair `n` of an array. */
const pair = (array: FloatArray, n: number): Complex => [array[2 * n]!, array[2 * n + 1]!];

/** A feature's system. */
interface Feature {
  readonly lambda: FloatArray;
  readonly P: readonly FloatArray[];
  readonly B: FloatArray;
  readonly C: FloatArray;
  readonly dt: number;
  readonly half: number;
}

/** One side of a conjugate pair of modes: its resolvent, and the rows and columns at it. */
interface Mode {
  readonly h: Complex;
  readonly b: Complex;
  readonly c: Complex;
  readonly p: readonly Complex[];
}

/** Both sides of every pair, the stored one first. */
function modesAt(feature: Feature, { plus: s, minus: across }: TapNode): (readonly [Mode, Mode])[] {
  const side = (n: number, turn: (a: Complex) => Complex): Mode => {
    const lambda = turn(pair(feature.lambda, n));
    const below = minus(scaled(across, 2), scaled(times(s, lambda), feature.dt));
    return {
      h: scaled(inverse(below), feature.dt),
      b: turn(pair(feature.B, n)),
      c: turn(pair(feature.C, n)),
      p: feature.P.map((row) => turn(pair(row, n))),
    };
  };
  return Array.from({ length: feature.half }, (_, n) => [side(n, (a) => a), side(n, conj)]);
}

/** The inverse of I + s·q(P*·P), rank 1 or 2. */
function smallInverse(modes: readonly (readonly [Mode, Mode])[], s: Complex): Complex[][] {
  const rank = modes[0]![0].p.length;
  const entry = (r: number, c: number) => {
    let sum: Complex = [r === c ? 1 : 0, 0];
    for (const mode of modes.flat()) {
      sum = plus(sum, times(s, times(times(conj(mode.p[r]!), mode.p[c]!), mode.h)));
    }
    return sum;
  };
  if (rank === 1) return [[inverse(entry(0, 0))]];
  const [a, b, c, d] = [entry(0, 0), entry(0, 1), entry(1, 0), entry(1, 1)];
  const over = inverse(minus(times(a, d), times(b, c)));
  return [
    [times(d, over), scaled(times(b, over), -1)],
    [scaled(times(c, over), -1), times(a, over)],
  ];
}

/** The right and the left solution of the resolvent at a node, times dt, and their products. */
function solve(modes: readonly (readonly [Mode, Mode])[], s: Complex) {
  const ranks = modes[0]![0].p.map((_, r) => r);
  const small = smallInverse(modes, s);
  const all = modes.flat();
  const sum = (term: (mode: Mode) => Complex) =>
    all.reduce((total, mode) => plus(total, times(mode.h, term(mode))), ZERO);
  const ofB = ranks.map((r) => sum(({ b, p }) => times(conj(p[r]!), b)));
  const ofC = ranks.map((r) => sum(({ c, p }) => times(c, p[r]!)));
  const mixed = (pick: (r: number) => Complex) =>
    ranks.reduce((total, r) => plus(total, pick(r)), ZERO);
  // P*·R and L·P.
  const rho = ranks.map((r) => mixed((q) => times(small[r]![q]!, ofB[q]!)));
  const sigma = ranks.map((r) => mixed((q) => times(ofC[q]!, small[q]![r]!)));
  const right = ({ h, b, p }: Mode) =>
    times(h, minus(b, times(s, mixed((r) => times(p[r]!, rho[r]!)))));
  const left = ({ h, c, p }: Mode) =>
    times(h, minus(c, times(s, mixed((r) => times(sigma[r]!, conj(p[r]!))))));
  return { rho, sigma, right, left };
}

/** Adds G·conj(a) + conj(G)·b: the gradient of a number that S holds as a·x + b·conj(x). */
function add(sums: Float64Array, n: number, G: Complex, a: Complex, b: Complex): void {
  const value = plus(times(G, conj(a)), times(conj(G), b));
  sums[2 * n]! += value[0];
  sums[2 * n + 1]! += value[1];
}

/** Gradients of one feature; `spectrum` is that of the loss at a node. */
function featureGradients(
  feature: Feature,
  spectrum: (node: number) => Complex,
  length: number,
) {
  const { half, dt } = feature;
  const bank = () => new Float64Array(2 * half);
  const sums = { lambda: bank(), B: bank(), C: bank(), P: feature.P.map(bank), dt: 0 };
  for (let k = 0; k < nodeCount(length); k++) {
    const node = tapNode(k, length);
    const s = node.plus;
    const modes = modesAt(feature, node);
    const { rho, sigma, right, left } = solve(modes, s);
    const G = spectrum(k);
    for (const [n, [mode, other]] of modes.entries()) {
      const [L, R, otherL, otherR] = [left(mode), right(mode), left(other), right(other)];
      const [here, there] = [times(L, R), times(otherL, otherR)];
      add(sums.B, n, G, scaled(L, 2), scaled(otherL, 2));
      add(sums.C, n, G, scaled(R, 2), scaled(otherR, 2));
      add(sums.lambda, n, G, scaled(times(s, here), 2), scaled(times(s, there), 2));
      for (const [r, row] of sums.P.entries()) {
        const of = (l: Complex, x: Complex) =>
          scaled(times(s, plus(times(l, rho[r]!), times(sigma[r]!, x))), -2);
        add(row, n, G, of(L, otherR), of(otherL, R));
      }
      const ofDt = times(node.minus, plus(here, there));
      sums.dt += 4 / (dt * dt) * (G[0] * ofDt[0] + G[1] * ofDt[1]);
    }
  }
  return sums;
}

/** Gradients of all inputs. */
export function dplrKernelBackward(
  given: Some<Input | GradientOf<"kernel">, FloatArray>,
  gradients: Some<GradientOf<Input>, FloatArray>,
  shapes: Named<Input, never, Shape>,
  { length }: { readonly length: number },
): void {
  const [count, rank, half] = shapes.P as [number, number, number, number];
  const width = 2 * half;
  const transform = tapTransform(length);
  const re = new Float64Array(length);
  const im = new Float64Array(length);
  for (let d = 0; d < count; d++) {
    const bank = (array: FloatArray) => array.subarray(d * width, (d + 1) * width);
    const rowAt = (r: number) => (d * rank + r) * width;
    const feature: Feature = {
      lambda: bank(given.lambda!),
      P: Array.from(
        { length: rank },
        (_, r) => given.P!.subarray(rowAt(r), rowAt(r) + width),
      ),
      B: bank(given.B!),
      C: bank(given.C!),
      dt: given.dt![d]!,
      half,
    };
    re.set(given.gradKernel!.subarray(d * length, (d + 1) * length));
    im.fill(0);
    transform(re, im, false);
    const spectrum = (k: number): Complex => {
      // The taps see the real parts of the real nodes, and all others twice.
      const isReal = k === 0 || 2 * k === length;
      return isReal ? [re[k]! / length, 0] : [2 * re[k]! / length, 2 * im[k]! / length];
    };
    const sums = featureGradients(feature, spectrum, length);
    gradients.gradLambda!.set(sums.lambda, d * width);
    gradients.gradB!.set(sums.B, d * width);
    gradients.gradC!.set(sums.C, d * width);
    sums.P.forEach((row, r) => gradients.gradP!.set(row, rowAt(r)));
    gradients.gradDt![d] = sums.dt;
  }
}
