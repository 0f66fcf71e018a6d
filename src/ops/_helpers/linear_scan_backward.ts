/** The twin of the backward of `linear_scan`; equations in that file. */
import type { Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, Named, Some } from "../op.ts";
import { adjointTimes, discretizeMode, dot, slopesOfMode, times } from "./discretize_mode.ts";
import type { Complex } from "./discretize_mode.ts";

type Input = "u" | "A" | "B" | "C";
type OptionalInput = "D" | "dt" | "x0";
type Output = "y" | "state";

interface Params {
  readonly variant: "lti" | "perStep";
  readonly discretization?: "zoh" | "bilinear";
  readonly conjugatePairs?: boolean;
}

function at(array: FloatArray, index: number): Complex {
  return { re: array[2 * index]!, im: array[2 * index + 1]! };
}

function addTo(array: FloatArray, index: number, value: Complex): void {
  array[2 * index]! += value.re;
  array[2 * index + 1]! += value.im;
}

/** Abar and Bbar of a mode at a step, and the factor f where they are made there. */
function modeAt(A: Complex, B: Complex, dt: number | undefined, bilinear: boolean) {
  if (dt === undefined) return { Abar: A, Bbar: B, factor: undefined };
  const { Abar, factor } = discretizeMode(A, dt, bilinear);
  return { Abar, Bbar: times(factor, B), factor };
}

/** Gradients of all inputs: one mode of one feature after another, forward and back again. */
export function linearScanBackward(
  given: Some<Input | OptionalInput | Output | GradientOf<Output>, FloatArray>,
  gradients: Some<GradientOf<Input | OptionalInput>, FloatArray>,
  shapes: Named<Input, OptionalInput, Shape>,
  params: Params,
): void {
  const { u, A, B, C, D, dt, x0, gradY, gradState } = given;
  const { gradU, gradDt, gradX0 } = gradients;
  const [batch, length, feature] = shapes.u as [number, number, number];
  const states = shapes.A[1]!;
  const scale = params.conjugatePairs === false ? 1 : 2;
  const bilinear = params.discretization === "bilinear";
  const sums = {
    A: new Float64Array(A!.length),
    B: new Float64Array(A!.length),
    C: new Float64Array(A!.length),
    D: new Float64Array(feature),
  };
  const inputs = new Float64Array(length);
  const steps = new Float64Array(length);
  const x: Complex[] = [];
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const indexOf = (k: number) => (b * length + k) * feature + d;
      for (let k = 0; k < length; k++) {
        const gradient = gradY![indexOf(k)]!;
        inputs[k] = D ? D[d]! * gradient : 0;
        steps[k] = 0;
        sums.D[d]! += gradient * u![indexOf(k)]!;
      }
      for (let n = 0; n < states; n++) {
        const m = d * states + n;
        const carried = b * feature * states + m;
        const [a, input, c] = [at(A!, m), at(B!, m), at(C!, m)];
        const stepAt = (k: number) => modeAt(a, input, dt?.[indexOf(k)], bilinear);
        x[0] = x0 ? at(x0, carried) : { re: 0, im: 0 };
        for (let k = 0; k < length; k++) {
          const { Abar, Bbar } = stepAt(k);
          const moved = times(Abar, x[k]!);
          const sample = u![indexOf(k)]!;
          x[k + 1] = { re: moved.re + Bbar.re * sample, im: moved.im + Bbar.im * sample };
        }
        let flow = at(gradState!, carried);
        for (let k = length - 1; k >= 0; k--) {
          const sample = u![indexOf(k)]!;
          const gradient = scale * gradY![indexOf(k)]!;
          const { Abar, Bbar, factor } = stepAt(k);
          flow = { re: flow.re + gradient * c.re, im: flow.im - gradient * c.im };
          addTo(sums.C, m, { re: gradient * x[k + 1]!.re, im: -gradient * x[k + 1]!.im });
          inputs[k]! += dot(Bbar, flow);
          const ofAbar = adjointTimes(x[k]!, flow);
          const ofBbar = { re: flow.re * sample, im: flow.im * sample };
          if (factor === undefined) {
            addTo(sums.A, m, ofAbar);
            addTo(sums.B, m, ofBbar);
          } else {
            const slopes = slopesOfMode(a, dt![indexOf(k)]!, bilinear);
            const ofFactor = adjointTimes(input, ofBbar);
            addTo(sums.B, m, adjointTimes(factor, ofBbar));
            addTo(sums.A, m, adjointTimes(slopes.AbarByLambda, ofAbar));
            addTo(sums.A, m, adjointTimes(slopes.factorByLambda, ofFactor));
            steps[k]! += dot(slopes.AbarByDt, ofAbar) + dot(slopes.factorByDt, ofFactor);
          }
          flow = adjointTimes(Abar, flow);
        }
        if (gradX0) {
          gradX0[2 * carried] = flow.re;
          gradX0[2 * carried + 1] = flow.im;
        }
      }
      for (let k = 0; k < length; k++) {
        gradU![indexOf(k)] = inputs[k]!;
        if (gradDt) gradDt[indexOf(k)] = steps[k]!;
      }
    }
  }
  gradients.gradA!.set(sums.A);
  gradients.gradB!.set(sums.B);
  gradients.gradC!.set(sums.C);
  gradients.gradD?.set(sums.D);
}
