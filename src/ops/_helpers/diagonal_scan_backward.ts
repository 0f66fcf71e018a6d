/** The twin of the backward of `diagonal_scan`; equations in that file. */
import type { Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, Named, Some } from "../op.ts";
import { adjointTimes, discretizeMode, dot, slopesOfMode } from "./discretize_mode.ts";
import type { Complex } from "./discretize_mode.ts";

type Input = "v" | "A";
type OptionalInput = "dt" | "x0";
type Output = "x" | "state";

interface Params {
  readonly variant: "lti" | "perStep" | "logs";
  readonly discretization?: "zoh" | "bilinear";
  readonly reverse?: boolean;
}

function at(array: FloatArray, index: number): Complex {
  return { re: array[2 * index]!, im: array[2 * index + 1]! };
}

function put(array: FloatArray, index: number, value: Complex): void {
  array[2 * index] = value.re;
  array[2 * index + 1] = value.im;
}

const ZERO: Complex = { re: 0, im: 0 };

function exponential({ re, im }: Complex): Complex {
  const size = Math.exp(re);
  return { re: size * Math.cos(im), im: size * Math.sin(im) };
}

/** Gradients of all inputs: one mode of one row after another, against the scan's direction. */
export function diagonalScanBackward(
  given: Some<Input | OptionalInput | Output | GradientOf<Output>, FloatArray>,
  gradients: Some<GradientOf<Input | OptionalInput>, FloatArray>,
  shapes: Named<Input, OptionalInput, Shape>,
  params: Params,
): void {
  const { v, A, dt, x0, x, gradX, gradState } = given;
  const { gradV, gradDt, gradX0 } = gradients;
  const [batch, length, states] = shapes.v as [number, number, number, number];
  const bilinear = params.discretization === "bilinear";
  const logs = params.variant === "logs";
  const sums = new Float64Array(logs ? 0 : A!.length);
  const add = (n: number, value: Complex) => {
    sums[2 * n]! += value.re;
    sums[2 * n + 1]! += value.im;
  };
  for (let b = 0; b < batch; b++) {
    for (let n = 0; n < states; n++) {
      const carried = b * states + n;
      const lambda = logs ? ZERO : at(A!, n);
      const indexOf = (step: number) =>
        (b * length + (params.reverse ? length - 1 - step : step)) * states + n;
      let flow = at(gradState!, carried);
      for (let step = length - 1; step >= 0; step--) {
        const index = indexOf(step);
        const arrived = at(gradX!, index);
        flow = { re: flow.re + arrived.re, im: flow.im + arrived.im };
        const before = step > 0 ? at(x!, indexOf(step - 1)) : x0 ? at(x0, carried) : ZERO;
        const ofAbar = adjointTimes(before, flow);
        if (logs) {
          const Abar = exponential(at(A!, index));
          put(gradV!, index, flow);
          put(gradients.gradA!, index, adjointTimes(Abar, ofAbar));
          flow = adjointTimes(Abar, flow);
          continue;
        }
        if (dt === undefined) {
          put(gradV!, index, flow);
          add(n, ofAbar);
          flow = adjointTimes(lambda, flow);
          continue;
        }
        const { Abar, factor } = discretizeMode(lambda, dt[index]!, bilinear);
        const slopes = slopesOfMode(lambda, dt[index]!, bilinear);
        const ofFactor = adjointTimes(at(v!, index), flow);
        put(gradV!, index, adjointTimes(factor, flow));
        add(n, adjointTimes(slopes.AbarByLambda, ofAbar));
        add(n, adjointTimes(slopes.factorByLambda, ofFactor));
        gradDt![index] = dot(slopes.AbarByDt, ofAbar) + dot(slopes.factorByDt, ofFactor);
        flow = adjointTimes(Abar, flow);
      }
      if (gradX0) put(gradX0, carried, flow);
    }
  }
  if (!logs) gradients.gradA!.set(sums);
}
