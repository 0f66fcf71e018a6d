/** The twin of the backward of `selective_scan`; equations in that file. */
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, Some } from "../op.ts";
import { silu, siluSlope, softplus, softplusSlope } from "./activation.ts";

type Input = "u" | "delta" | "A" | "B" | "C" | "D" | "z" | "deltaBias" | "x0";
type Output = "y" | "state";

/** Sizes of a call, checked. */
export interface Sizes {
  readonly batch: number;
  readonly length: number;
  readonly feature: number;
  readonly state: number;
  /** Stored numbers of one state: 2 for complex. */
  readonly parts: number;
  /** Groups of B; 0 where B is fixed. */
  readonly groupB: number;
  readonly groupC: number;
}

/** Where the row of B or C for one step and feature begins. */
export function offsetOf(sizes: Sizes, group: number, b: number, k: number, d: number): number {
  const width = sizes.state * sizes.parts;
  if (group === 0) return d * width;
  const g = Math.floor(d * group / sizes.feature);
  return ((b * sizes.length + k) * group + g) * width;
}

/** exp(dt·A) of one state; the imaginary part is 0 for real A. */
function decayInto(out: Float64Array, A: FloatArray, at: number, dt: number, parts: number): void {
  const modulus = Math.exp(dt * A[at]!);
  const angle = parts === 2 ? dt * A[at + 1]! : 0;
  out[0] = modulus * Math.cos(angle);
  out[1] = modulus * Math.sin(angle);
}

type Given = Some<Input | Output | GradientOf<Output>, FloatArray>;

/** What the steps of one feature of one row read, and where. */
function seriesOf(given: Given, sizes: Sizes, isSoftplus: boolean, b: number, d: number) {
  const { length, feature, state, parts } = sizes;
  const bias = given.deltaBias?.[d] ?? 0;
  const indexOf = (k: number) => (b * length + k) * feature + d;
  const rawAt = (k: number) => given.delta![indexOf(k)]! + bias;
  return {
    indexOf,
    rawAt,
    stepAt: (k: number) => isSoftplus ? softplus(rawAt(k)) : rawAt(k),
    ofA: d * state * parts,
    ofB: (k: number) => offsetOf(sizes, sizes.groupB, b, k, d),
    ofC: (k: number) => offsetOf(sizes, sizes.groupC, b, k, d),
    carried: (b * feature + d) * state * parts,
    skip: given.D?.[d] ?? 0,
  };
}

type Series = ReturnType<typeof seriesOf>;

/** The states after every step behind the one before the first, which `x` begins with. */
function advanceInto(x: Float64Array, given: Given, sizes: Sizes, series: Series): void {
  const { length, parts } = sizes;
  const [u, A, B] = [given.u!, given.A!, given.B!];
  const width = sizes.state * parts;
  const decay = new Float64Array(2);
  for (let k = 0; k < length; k++) {
    const dt = series.stepAt(k);
    const scaled = dt * u[series.indexOf(k)]!;
    const ofB = series.ofB(k);
    for (let i = 0; i < width; i += parts) {
      decayInto(decay, A, series.ofA + i, dt, parts);
      const at = k * width + i;
      const imaginary = parts === 2 ? x[at + 1]! : 0;
      x[at + width] = decay[0]! * x[at]! - decay[1]! * imaginary + scaled * B[ofB + i]!;
      if (parts === 1) continue;
      x[at + width + 1] = decay[0]! * imaginary + decay[1]! * x[at]! + scaled * B[ofB + i + 1]!;
    }
  }
}

/** Gradients that many features, rows or steps add to. */
interface Sums {
  readonly A: Float64Array;
  readonly B: Float64Array;
  readonly C: Float64Array;
  readonly D: Float64Array;
  readonly deltaBias: Float64Array;
}

/** What one step gives: C·x + D·u, and the gradients of dt·u and of dt through dt·A. */
interface StatesBack {
  output: number;
  ofInput: number;
  ofStep: number;
}

/**
 * One step of the way back over all states of a feature: adds to the sums of A, B and C, and turns
 * the flow after the step into the flow before it.
 *
 * @param x         states before every step and after the last                [length + 1, state]
 * @param gradient  of the output before the gate
 */
function statesBackInto(
  flow: Float64Array,
  sums: Sums,
  { given, sizes, series, x }: { given: Given; sizes: Sizes; series: Series; x: Float64Array },
  k: number,
  gradient: number,
): StatesBack {
  const { parts } = sizes;
  const [A, B, C] = [given.A!, given.B!, given.C!];
  const [dt, sample] = [series.stepAt(k), given.u![series.indexOf(k)]!];
  const [ofA, ofB, ofC] = [series.ofA, series.ofB(k), series.ofC(k)];
  const width = sizes.state * parts;
  const isPair = parts === 2;
  // Conjugate pairs are stored once and count twice.
  const scale = parts;
  const decay = new Float64Array(2);
  const back: StatesBack = { output: series.skip * sample, ofInput: 0, ofStep: 0 };
  for (let i = 0; i < width; i += parts) {
    const before = k * width + i;
    const after = before + width;
    const [ar, ai] = [A[ofA + i]!, isPair ? A[ofA + i + 1]! : 0];
    const [br, bi] = [B[ofB + i]!, isPair ? B[ofB + i + 1]! : 0];
    const [cr, ci] = [C[ofC + i]!, isPair ? C[ofC + i + 1]! : 0];
    const [xr, xi] = [x[before]!, isPair ? x[before + 1]! : 0];
    const [nextR, nextI] = [x[after]!, isPair ? x[after + 1]! : 0];
    back.output += scale * (cr * nextR - ci * nextI);
    const fr = flow[i]! + scale * gradient * cr;
    const fi = (isPair ? flow[i + 1]! : 0) - scale * gradient * ci;
    decayInto(decay, A, ofA + i, dt, parts);
    const backR = decay[0]! * fr + decay[1]! * fi;
    const backI = decay[0]! * fi - decay[1]! * fr;
    // The gradient of dt·A: conj(decay)·flow·conj(x).
    const ofPowerR = backR * xr + backI * xi;
    const ofPowerI = backI * xr - backR * xi;
    back.ofInput += br * fr + bi * fi;
    back.ofStep += ar * ofPowerR + ai * ofPowerI;
    sums.A[ofA + i]! += dt * ofPowerR;
    sums.B[ofB + i]! += dt * sample * fr;
    sums.C[ofC + i]! += scale * gradient * nextR;
    flow[i] = backR;
    if (!isPair) continue;
    sums.A[ofA + i + 1]! += dt * ofPowerI;
    sums.B[ofB + i + 1]! += dt * sample * fi;
    sums.C[ofC + i + 1]! -= scale * gradient * nextI;
    flow[i + 1] = backI;
  }
  return back;
}

/** Gradients of all inputs: one feature of one row after another, forward and back again. */
export function selectiveScanBackward(
  given: Given,
  gradients: Some<GradientOf<Input>, FloatArray>,
  sizes: Sizes,
  isSoftplus: boolean,
): void {
  const { batch, length, feature } = sizes;
  const { z, x0, gradY, gradState } = given;
  const { gradU, gradDelta, gradZ, gradX0 } = gradients;
  const width = sizes.state * sizes.parts;
  const sums: Sums = {
    A: new Float64Array(given.A!.length),
    B: new Float64Array(given.B!.length),
    C: new Float64Array(given.C!.length),
    D: new Float64Array(feature),
    deltaBias: new Float64Array(feature),
  };
  // The states before every step and after the last one.
  const x = new Float64Array((length + 1) * width);
  const flow = new Float64Array(width);
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const series = seriesOf(given, sizes, isSoftplus, b, d);
      const { carried, skip } = series;
      for (let i = 0; i < width; i++) x[i] = x0 ? x0[carried + i]! : 0;
      advanceInto(x, given, sizes, series);
      for (let i = 0; i < width; i++) flow[i] = gradState![carried + i]!;
      for (let k = length - 1; k >= 0; k--) {
        const at = series.indexOf(k);
        const sample = given.u![at]!;
        const gradient = z ? gradY![at]! * silu(z[at]!) : gradY![at]!;
        const back = statesBackInto(flow, sums, { given, sizes, series, x }, k, gradient);
        const slope = isSoftplus ? softplusSlope(series.rawAt(k)) : 1;
        const ofDelta = slope * (back.ofStep + sample * back.ofInput);
        gradU![at] = series.stepAt(k) * back.ofInput + skip * gradient;
        gradDelta![at] = ofDelta;
        if (gradZ) gradZ[at] = gradY![at]! * back.output * siluSlope(z![at]!);
        sums.D[d]! += gradient * sample;
        sums.deltaBias[d]! += ofDelta;
      }
      for (let i = 0; i < width && gradX0; i++) gradX0[carried + i] = flow[i]!;
    }
  }
  gradients.gradA!.set(sums.A);
  gradients.gradB!.set(sums.B);
  gradients.gradC!.set(sums.C);
  gradients.gradD?.set(sums.D);
  gradients.gradDeltaBias?.set(sums.deltaBias);
}
