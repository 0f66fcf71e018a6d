/**
 * A diagonal system with many inputs from its learned parameters, as the layer S5 multiplies by it:
 * what puts its discretisation on the way of its gradients, and on the device of its training.
 *
 *   lambda = min(lambdaRe, −decayMin) + i·lambdaIm        dt = exp(logDt)
 *   zoh         Abar = exp(dt·lambda)                        f = (Abar − 1)/lambda
 *   bilinear    Abar = (1 + dt·lambda/2)/(1 − dt·lambda/2)   f = dt/(1 − dt·lambda/2)
 *   continuous  Abar = lambda                                f = 1
 *   Bbar[n, d] = f[n]·B[n, d], its real parts in one row and its imaginary parts in the next
 *
 * S5 (arXiv 2208.04933) equations 5 and 6; one step size a mode, shared by all inputs. The last
 * method is for scans that give each step its own size and discretise there. Without `decayMin`
 * lambda is taken as it is; where the minimum holds, lambdaRe has no gradient.
 *
 * Tolerance: as in `discretize`, WGSL's exp is good to 3 + 2|x| ULP; 5e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import { expectRank, expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, normal, uniform } from "./_helpers/cases.ts";
import {
  adjointTimes,
  type Complex,
  DISCRETE_METHODS,
  type DiscreteMethod,
  dot,
  methodConstants,
  modeBy,
  slopesBy,
  times,
} from "./_helpers/discretize_mode.ts";
import { groupsFor, POINTWISE_GROUP, ROW_GROUP } from "./_helpers/plan.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** Parameters of {@linkcode mimoSystem}. */
export interface MimoSystemParams {
  readonly method: DiscreteMethod;
  /** Keeps the real parts of lambda at or below −decayMin; they are taken as they are without. */
  readonly decayMin?: number;
}

type Input = "logDt" | "lambdaRe" | "lambdaIm" | "B";
type Shapes = Named<Input, never, Shape>;

function outputShapes(shapes: Shapes, params: MimoSystemParams): { Abar: Shape; Bbar: Shape } {
  expectRank("B", 3, shapes.B);
  const [mode, feature] = shapes.B as [number, number, number];
  expectShape("B", ["mode", "feature", "complex"], [mode, feature, 2], shapes.B);
  for (const name of ["logDt", "lambdaRe", "lambdaIm"] as const) {
    expectShape(name, ["mode"], [mode], shapes[name]);
  }
  const { method, decayMin } = params;
  if (!DISCRETE_METHODS.includes(method)) {
    throw new InvalidValueError("method", method, `one of ${DISCRETE_METHODS.join(", ")}`);
  }
  if (decayMin !== undefined && !(decayMin >= 0 && Number.isFinite(decayMin))) {
    throw new InvalidValueError("decayMin", decayMin, "a finite number of at least 0");
  }
  return { Abar: [mode, 2], Bbar: [mode, 2, feature] };
}

function lambdaAt(re: number, im: number, { decayMin }: MimoSystemParams): Complex {
  return { re: decayMin === undefined ? re : Math.min(re, -decayMin), im };
}

/**
 * The twin.
 *
 *   logDt, lambdaRe, lambdaIm                        [mode]
 *   B                                                [mode, feature] c64
 *   Abar                                             [mode] c64
 *   Bbar  real parts, then imaginary parts           [mode, 2, feature]
 */
function cpu(
  { logDt, lambdaRe, lambdaIm, B }: Named<Input, never, FloatArray>,
  { Abar, Bbar }: { readonly Abar: FloatArray; readonly Bbar: FloatArray },
  shapes: Shapes,
  params: MimoSystemParams,
): void {
  const [modes, feature] = shapes.B as [number, number, number];
  for (let n = 0; n < modes; n++) {
    const lambda = lambdaAt(lambdaRe[n]!, lambdaIm[n]!, params);
    const mode = modeBy(params.method, lambda, Math.exp(logDt[n]!));
    Abar[2 * n] = mode.Abar.re;
    Abar[2 * n + 1] = mode.Abar.im;
    for (let d = 0; d < feature; d++) {
      const at = 2 * (n * feature + d);
      const input = times(mode.factor, { re: B[at]!, im: B[at + 1]! });
      Bbar[2 * n * feature + d] = input.re;
      Bbar[(2 * n + 1) * feature + d] = input.im;
    }
  }
}

function constantsOf({ method, decayMin }: MimoSystemParams) {
  return {
    GROUP: POINTWISE_GROUP,
    CLIP: decayMin === undefined ? 0 : 1,
    ...methodConstants(method),
  };
}

function dimsOf(shapes: Shapes, { decayMin = 0 }: MimoSystemParams) {
  return { modes: shapes.B[0]!, feature: shapes.B[1]!, reMax: -decayMin };
}

function launch(shapes: Shapes, params: MimoSystemParams): LaunchPlan {
  return {
    scratch: {},
    passes: [{
      entry: "make_system",
      constants: constantsOf(params),
      dims: dimsOf(shapes, params),
      bindings: ["logDt", "lambdaRe", "lambdaIm", "B", "Abar", "Bbar"],
      workgroups: [groupsFor(sizeOf(shapes.B) / 2, POINTWISE_GROUP), 1, 1],
    }],
  };
}

/** The chain rule through f, Abar, lambda and dt; derivatives in `_helpers/discretize_mode.ts`. */
const backward: Backward<MimoSystemParams, Input, never, "Abar" | "Bbar"> = {
  needs: ["logDt", "lambdaRe", "lambdaIm", "B"],
  cpu(given, { gradLogDt, gradLambdaRe, gradLambdaIm, gradB }, shapes, params) {
    const { logDt, lambdaRe, lambdaIm, B, gradAbar, gradBbar } = given;
    const [modes, feature] = shapes.B as [number, number, number];
    for (let n = 0; n < modes; n++) {
      const lambda = lambdaAt(lambdaRe![n]!, lambdaIm![n]!, params);
      const dt = Math.exp(logDt![n]!);
      const { factor } = modeBy(params.method, lambda, dt);
      let ofFactor: Complex = { re: 0, im: 0 };
      for (let d = 0; d < feature; d++) {
        const at = 2 * (n * feature + d);
        const ofBbar = {
          re: gradBbar![2 * n * feature + d]!,
          im: gradBbar![(2 * n + 1) * feature + d]!,
        };
        const ofB = adjointTimes(factor, ofBbar);
        gradB![at] = ofB.re;
        gradB![at + 1] = ofB.im;
        const share = adjointTimes({ re: B![at]!, im: B![at + 1]! }, ofBbar);
        ofFactor = { re: ofFactor.re + share.re, im: ofFactor.im + share.im };
      }
      const slopes = slopesBy(params.method, lambda, dt);
      const ofAbar = { re: gradAbar![2 * n]!, im: gradAbar![2 * n + 1]! };
      const byAbar = adjointTimes(slopes.AbarByLambda, ofAbar);
      const byFactor = adjointTimes(slopes.factorByLambda, ofFactor);
      gradLambdaRe![n] = lambda.re === lambdaRe![n]! ? byAbar.re + byFactor.re : 0;
      gradLambdaIm![n] = byAbar.im + byFactor.im;
      gradLogDt![n] = dt * (dot(slopes.AbarByDt, ofAbar) + dot(slopes.factorByDt, ofFactor));
    }
  },
  launch(shapes, params) {
    const modes = shapes.B[0]!;
    const dims = dimsOf(shapes, params);
    const poles = ["logDt", "lambdaRe", "lambdaIm"];
    return {
      scratch: { ofFactors: 2 * modes },
      passes: [{
        entry: "back_to_inputs",
        constants: { ...constantsOf(params), GROUP: ROW_GROUP },
        dims,
        bindings: [...poles, "B", "gradBbar", "gradB", "ofFactors"],
        workgroups: [modes, 1, 1],
      }, {
        entry: "back_to_modes",
        constants: constantsOf(params),
        dims,
        bindings: [
          ...[...poles, "gradAbar", "ofFactors"],
          ...["gradLogDt", "gradLambdaRe", "gradLambdaIm"],
        ],
        workgroups: [groupsFor(modes, POINTWISE_GROUP), 1, 1],
      }],
    };
  },
  tolerance: 1e-5,
};

type Case = OpCase<MimoSystemParams, Input, never>;

function system(
  name: string,
  [mode, feature]: readonly [number, number],
  params: MimoSystemParams,
  quick = false,
): Case {
  return {
    name,
    quick,
    params,
    inputs: (random) => ({
      logDt: uniform(random, [mode], -6, -1),
      lambdaRe: uniform(random, [mode], -2, -0.01),
      lambdaIm: normal(random, [mode], 4),
      B: normal(random, [mode, feature, 2]),
    }),
  };
}

const cases: readonly Case[] = [
  system("one mode, one input", [1, 1], { method: "zoh" }),
  system("zero-order hold", [5, 13], { method: "zoh" }, true),
  system("bilinear", [13, 5], { method: "bilinear" }),
  system("continuous", [5, 13], { method: "continuous" }),
  system("more inputs than a workgroup", [3, 71], { method: "zoh" }),
  system("some poles held below a minimum", [9, 4], { method: "zoh", decayMin: 1 }),
  {
    name: "large decay",
    params: { method: "zoh" },
    inputs: () => ({
      logDt: constant([3], 2),
      lambdaRe: constant([3], -20),
      lambdaIm: constant([3], 1),
      B: constant([3, 2, 2], 1),
    }),
  },
];

/** Diagonal system with many inputs from its parameters; equations at the head of this file. */
export const mimoSystem = defineOp<MimoSystemParams, Input, never, "Abar" | "Bbar">({
  name: "mimo_system",
  inputs: ["logDt", "lambdaRe", "lambdaIm", "B"],
  optional: [],
  outputs: ["Abar", "Bbar"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => sizeOf(shapes.B) / 2,
  sized: (work) =>
    system(`${work} inputs`, [Math.max(1, Math.round(work / 32)), 32], { method: "zoh" }),
  cases,
  tolerance: 5e-6,
  backward,
});
