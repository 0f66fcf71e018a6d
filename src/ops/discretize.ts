/**
 * A diagonal system from its learned parameters: what puts the discretisation of a layer on the
 * way of its gradients, and on the device of its training.
 *
 *   lambda = −exp(logDecay) + i·frequency        dt = exp(logDt)
 *   zoh       Abar = exp(dt·lambda)                     Bbar = (Abar − 1)/lambda·B
 *   bilinear  Abar = (1 + dt·lambda/2)/(1 − dt·lambda/2)   Bbar = dt·B/(1 − dt·lambda/2)
 *
 * S4D (arXiv 2206.11893) equation 7 with the parameters of its section 3.4. In f32 on a GPU its
 * exponentials are good to a few roundings; where no gradient is wanted, layers discretise on the
 * host in f64 instead.
 *
 * Tolerance: WGSL's exp is good to 3 + 2|x| ULP; 5e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import { expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, normal, uniform } from "./_helpers/cases.ts";
import {
  adjointTimes,
  discretizeMode,
  dot,
  slopesOfMode,
  times,
} from "./_helpers/discretize_mode.ts";
import { groupsFor, POINTWISE_GROUP } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode discretize}. */
export interface DiscretizeParams {
  readonly method: "zoh" | "bilinear";
}

type Input = "logDt" | "logDecay" | "frequency" | "B";
type Shapes = Named<Input, never, Shape>;

function outputShapes(shapes: Shapes, params: DiscretizeParams): { Abar: Shape; Bbar: Shape } {
  expectRank("logDecay", 2, shapes.logDecay);
  const [feature, state] = shapes.logDecay as [number, number];
  expectShape("logDt", ["feature"], [feature], shapes.logDt);
  expectShape("frequency", ["feature", "state"], [feature, state], shapes.frequency);
  expectShape("B", ["feature", "state", "complex"], [feature, state, 2], shapes.B);
  if (params.method !== "zoh" && params.method !== "bilinear") {
    throw new InvalidValueError("method", params.method, "zoh or bilinear");
  }
  return { Abar: shapes.B, Bbar: shapes.B };
}

/** The twin: logDt [feature], logDecay and frequency [feature, state], the others c64 of those. */
function cpu(
  { logDt, logDecay, frequency, B }: Named<Input, never, FloatArray>,
  { Abar, Bbar }: { readonly Abar: FloatArray; readonly Bbar: FloatArray },
  shapes: Shapes,
  params: DiscretizeParams,
): void {
  const state = shapes.logDecay[1]!;
  for (let i = 0; i < logDecay.length; i++) {
    const lambda = { re: -Math.exp(logDecay[i]!), im: frequency[i]! };
    const dt = Math.exp(logDt[Math.floor(i / state)]!);
    const mode = discretizeMode(lambda, dt, params.method === "bilinear");
    const input = times(mode.factor, { re: B[2 * i]!, im: B[2 * i + 1]! });
    Abar[2 * i] = mode.Abar.re;
    Abar[2 * i + 1] = mode.Abar.im;
    Bbar[2 * i] = input.re;
    Bbar[2 * i + 1] = input.im;
  }
}

function launch(shapes: Shapes, params: DiscretizeParams): LaunchPlan {
  const [feature, state] = shapes.logDecay as [number, number];
  return {
    scratch: {},
    passes: [{
      entry: "discretize_modes",
      constants: { GROUP: POINTWISE_GROUP, BILINEAR: params.method === "bilinear" ? 1 : 0 },
      dims: { feature, state },
      bindings: ["logDt", "logDecay", "frequency", "B", "Abar", "Bbar"],
      workgroups: [groupsFor(feature * state, POINTWISE_GROUP), 1, 1],
    }],
  };
}

/** The chain rule through f, Abar, lambda and dt; derivatives in `_helpers/discretize_mode.ts`. */
const backward: Backward<DiscretizeParams, Input, never, "Abar" | "Bbar"> = {
  needs: ["logDt", "logDecay", "frequency", "B"],
  cpu(given, { gradLogDt, gradLogDecay, gradFrequency, gradB }, shapes, params) {
    const { logDt, logDecay, frequency, B, gradAbar, gradBbar } = given;
    const state = shapes.logDecay[1]!;
    const bilinear = params.method === "bilinear";
    const steps = new Float64Array(shapes.logDt[0]!);
    for (let i = 0; i < logDecay!.length; i++) {
      const lambda = { re: -Math.exp(logDecay![i]!), im: frequency![i]! };
      const dt = Math.exp(logDt![Math.floor(i / state)]!);
      const { factor } = discretizeMode(lambda, dt, bilinear);
      const slopes = slopesOfMode(lambda, dt, bilinear);
      const ofAbar = { re: gradAbar![2 * i]!, im: gradAbar![2 * i + 1]! };
      const ofBbar = { re: gradBbar![2 * i]!, im: gradBbar![2 * i + 1]! };
      const ofB = adjointTimes(factor, ofBbar);
      const ofFactor = adjointTimes({ re: B![2 * i]!, im: B![2 * i + 1]! }, ofBbar);
      const byAbar = adjointTimes(slopes.AbarByLambda, ofAbar);
      const byFactor = adjointTimes(slopes.factorByLambda, ofFactor);
      gradB![2 * i] = ofB.re;
      gradB![2 * i + 1] = ofB.im;
      gradLogDecay![i] = (byAbar.re + byFactor.re) * lambda.re;
      gradFrequency![i] = byAbar.im + byFactor.im;
      const ofStep = dot(slopes.AbarByDt, ofAbar) + dot(slopes.factorByDt, ofFactor);
      steps[Math.floor(i / state)]! += dt * ofStep;
    }
    gradLogDt!.set(steps);
  },
  launch(shapes, params) {
    const [feature, state] = shapes.logDecay as [number, number];
    const [pass] = launch(shapes, params).passes;
    const inputs = ["logDt", "logDecay", "frequency", "B", "gradAbar", "gradBbar"];
    const bindings = [...inputs, "gradLogDecay", "gradFrequency", "gradB", "steps"];
    return joinPlans(
      {
        scratch: { steps: feature * state },
        passes: [{ ...pass!, entry: "discretize_backward", bindings }],
      },
      columnSums({ target: "gradLogDt", left: "steps", rows: state, columns: feature }),
    );
  },
  tolerance: 1e-5,
};

type Case = OpCase<DiscretizeParams, Input, never>;

function system(
  name: string,
  [feature, state]: readonly [number, number],
  method: DiscretizeParams["method"],
  quick = false,
): Case {
  return {
    name,
    quick,
    params: { method },
    inputs: (random) => ({
      logDt: uniform(random, [feature], -6, -1),
      logDecay: uniform(random, [feature, state], -2, 1),
      frequency: normal(random, [feature, state], 4),
      B: normal(random, [feature, state, 2]),
    }),
  };
}

const cases: readonly Case[] = [
  system("one mode", [1, 1], "zoh"),
  system("zero-order hold", [5, 13], "zoh", true),
  system("bilinear", [5, 13], "bilinear"),
  {
    name: "large decay",
    params: { method: "zoh" },
    inputs: () => ({
      logDt: constant([2], 2),
      logDecay: constant([2, 3], 3),
      frequency: constant([2, 3], 1),
      B: constant([2, 3, 2], 1),
    }),
  },
];

/** Diagonal system from its parameters; equations and shapes at the head of this file. */
export const discretize = defineOp<DiscretizeParams, Input, never, "Abar" | "Bbar">({
  name: "discretize",
  inputs: ["logDt", "logDecay", "frequency", "B"],
  optional: [],
  outputs: ["Abar", "Bbar"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => shapes.logDecay[0]! * shapes.logDecay[1]!,
  sized: (work) => system(`${work} modes`, [Math.max(1, Math.round(work / 16)), 16], "zoh"),
  cases,
  tolerance: 5e-6,
  backward,
});
