/**
 * Mean cross-entropy of logits with classes, and how many classes were the largest logit.
 *
 *   value[row]  = log Σ_j exp(logits[row, j]) − logits[row, c]        c = targets[row]
 *   loss[0]     = Σ w·value / Σ w        total[0] = Σ w        (w = 1 without weights)
 *   correct[0]  = Σ w·[c is the first of the largest logits]
 *
 *   gradLogits[row, j] = gradLoss·w/total·(softmax(logits[row])_j − [j = c])
 *
 * The negative log likelihood of a softmax (Bishop, Pattern Recognition and Machine Learning,
 * equation 4.108). The largest logit is taken out first, so that no exponential overflows, and the
 * own class is kept out of the sum: neither the loss nor the gradient of a sure row cancels.
 * `correct` and `targets` pass no gradient.
 *
 * Logits are [rows.., class], targets and weights [rows..]. A target is the class's number, stored
 * as a float (exact to 2^24); a fraction goes to the nearest class and what is out of range to the
 * first or last (`expectIds` refuses such values on the host). A row of weight 0 is missing: it may
 * be NaN and has no part in any output or gradient. Weights are at least 0.
 *
 * Tolerance: WGSL's exp is good to 3 + 2|x| ULP, and the sums add their rounding; 5e-6.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { lastAxis, rowsOf, type Shape, sizeOf } from "../tensor/shape.ts";
import type { FloatArray, Tensor } from "../tensor/tensor.ts";
import { constant, fill, normal } from "./_helpers/cases.ts";
import { nearestId } from "../tensor/ids.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./_helpers/plan.ts";
import { caseWeights, withMissing } from "./_helpers/row_cases.ts";
import { expectRows, meanPasses, weightGradientPass } from "./_helpers/row_loss.ts";
import { type Backward, defineOp, type LaunchPlan, type Named, type OpCase } from "./op.ts";

/** `cross_entropy` takes no parameters. */
export type CrossEntropyParams = Record<string, never>;

type Shapes = Named<"logits" | "targets", "weights", Shape>;
type Outputs = "loss" | "total" | "correct";

function outputShapes(shapes: Shapes): { readonly [key in Outputs]: Shape } {
  const classes = lastAxis("logits", shapes.logits);
  if (classes < 1) throw new InvalidValueError("logits.class", classes, "at least 1");
  expectRows(shapes.logits.slice(0, -1), shapes.targets, shapes.weights);
  return { loss: [1], total: [1], correct: [1] };
}

interface RowSums {
  readonly own: number;
  readonly top: number;
  /** Σ exp(logit − top) over all classes but the row's own. */
  readonly others: number;
  /** No class before its own has a logit as large, and none after it a larger one. */
  readonly isHit: boolean;
}

function reduceRow(logits: FloatArray, start: number, classes: number, own: number): RowSums {
  let top = -Infinity;
  let first = 0;
  for (let j = 0; j < classes; j++) {
    if (!(logits[start + j]! > top)) continue;
    top = logits[start + j]!;
    first = j;
  }
  let others = 0;
  for (let j = 0; j < classes; j++) if (j !== own) others += Math.exp(logits[start + j]! - top);
  return { own, top, others, isHit: first === own };
}

function valueOf(logits: FloatArray, start: number, { own, top, others }: RowSums): number {
  const below = top - logits[start + own]!;
  return below === 0 ? Math.log1p(others) : below + Math.log(others + Math.exp(-below));
}

function cpu(
  { logits, targets, weights }: Named<"logits" | "targets", "weights", FloatArray>,
  outputs: { readonly [key in Outputs]: FloatArray },
  shapes: Shapes,
): void {
  const classes = lastAxis("logits", shapes.logits);
  let sum = 0;
  let total = 0;
  let correct = 0;
  for (let row = 0; row < targets.length; row++) {
    const w = weights ? weights[row]! : 1;
    if (w === 0) continue;
    const start = row * classes;
    const sums = reduceRow(logits, start, classes, nearestId(targets[row]!, classes));
    sum += w * valueOf(logits, start, sums);
    total += w;
    if (sums.isHit) correct += w;
  }
  outputs.loss[0] = total === 0 ? 0 : sum / total;
  outputs.total[0] = total;
  outputs.correct[0] = correct;
}

/** Rows of up to this many classes are left to one invocation each. */
const NARROW_MAX = 32;

function rowPass(entry: string, shapes: Shapes, bindings: readonly string[], limits: GpuLimits) {
  const classes = lastAxis("logits", shapes.logits);
  const rows = rowsOf(shapes.logits);
  const wide = classes > NARROW_MAX;
  return {
    entry,
    constants: {
      GROUP: POINTWISE_GROUP,
      WIDE: wide ? 1 : 0,
      HAS_WEIGHTS: shapes.weights ? 1 : 0,
    },
    dims: { rows, classes },
    bindings: ["logits", "targets", ...(shapes.weights ? ["weights"] : []), ...bindings],
    workgroups: spreadGroups(wide ? rows : groupsFor(rows, POINTWISE_GROUP), limits),
  };
}

function meanOptions(shapes: Shapes) {
  const rows = rowsOf(shapes.logits);
  return { rows, hasWeights: shapes.weights !== undefined, hasHits: true };
}

function launch(shapes: Shapes, _params: CrossEntropyParams, limits: GpuLimits): LaunchPlan {
  const mean = meanPasses(meanOptions(shapes));
  return {
    scratch: { ...mean.scratch, values: 2 * sizeOf(shapes.targets) },
    passes: [rowPass("row_values", shapes, ["values"], limits), ...mean.passes],
  };
}

const backward: Backward<CrossEntropyParams, "logits" | "targets", "weights", Outputs> = {
  needs: ["logits", "targets", "weights", "loss", "total"],
  cpu(given, { gradLogits, gradTargets, gradWeights }, shapes) {
    const { logits, targets, weights } = given;
    const classes = lastAxis("logits", shapes.logits);
    const total = given.total![0]!;
    const inverse = total === 0 ? 0 : given.gradLoss![0]! / total;
    gradTargets!.fill(0);
    for (let row = 0; row < targets!.length; row++) {
      const start = row * classes;
      const w = weights ? weights[row]! : 1;
      if (w === 0) {
        gradLogits!.fill(0, start, start + classes);
        gradWeights![row] = 0;
        continue;
      }
      const own = nearestId(targets![row]!, classes);
      const sums = reduceRow(logits!, start, classes, own);
      const all = sums.others + Math.exp(logits![start + own]! - sums.top);
      for (let j = 0; j < classes; j++) {
        const share = j === own ? -sums.others : Math.exp(logits![start + j]! - sums.top);
        gradLogits![start + j] = inverse * w * share / all;
      }
      if (gradWeights === undefined) continue;
      gradWeights[row] = inverse * (valueOf(logits!, start, sums) - given.loss![0]!) +
        given.gradTotal![0]! + (sums.isHit ? given.gradCorrect![0]! : 0);
    }
  },
  launch(shapes, _params, limits) {
    const bindings = ["total", "gradLoss", "gradLogits", "gradTargets"];
    const passes = [rowPass("row_gradients", shapes, bindings, limits)];
    if (!shapes.weights) return { scratch: {}, passes };
    return {
      scratch: { values: 2 * sizeOf(shapes.targets) },
      passes: [
        ...passes,
        rowPass("row_values", shapes, ["values"], limits),
        weightGradientPass(meanOptions(shapes), limits),
      ],
    };
  },
  tolerance: 1e-5,
};

type Case = OpCase<CrossEntropyParams, "logits" | "targets", "weights">;

function classes(rows: Shape, count: number): Tensor {
  return fill(rows, (i) => (7 * i + (i >> 3)) % count);
}

const drawn = (name: string, rows: Shape, count: number, quick = false): Case => ({
  name,
  quick,
  params: {},
  inputs: (random) => ({
    logits: normal(random, [...rows, count], 2),
    targets: classes(rows, count),
  }),
});

const weighted = (name: string, count: number, missing: number): Case => ({
  name,
  params: {},
  inputs: (random) => {
    const weights = caseWeights(random, [5, 13], missing);
    const targets = withMissing(classes([5, 13], count), weights);
    return { logits: normal(random, [5, 13, count], 2), targets, weights };
  },
});

const cases: readonly Case[] = [
  drawn("one row, two classes", [1], 2),
  drawn("several axes", [3, 5], 16, true),
  drawn("a run and one", [4097], 3),
  drawn("a workgroup a row", [7], 33),
  drawn("many classes", [3], 1000),
  weighted("weighted", 16, 0),
  weighted("weighted, many classes", 65, 0),
  weighted("missing targets", 16, 3),
  weighted("missing targets, many classes", 65, 3),
  {
    name: "all targets missing",
    params: {},
    inputs: (random) => ({
      logits: normal(random, [3, 4]),
      targets: constant([3], NaN),
      weights: constant([3], 0),
    }),
  },
  {
    name: "sure rows, right and wrong",
    params: {},
    inputs: () => ({
      logits: fill([4, 5], (i) => i % 5 === 2 ? 30 : i % 3),
      targets: fill([4], (i) => i),
    }),
  },
  {
    name: "equal logits: the first is the largest",
    params: {},
    inputs: () => ({ logits: constant([6, 40], 1.5), targets: fill([6], (i) => i % 2) }),
  },
  {
    name: "far apart",
    params: {},
    inputs: () => ({
      logits: fill([4, 9], (i) => (i % 9 === 3 ? 80 : i % 2 === 0 ? -1e9 : 0)),
      targets: fill([4], (i) => i),
    }),
  },
];

/** Mean cross-entropy; equation at the head of this file. */
export const crossEntropy = defineOp<
  CrossEntropyParams,
  "logits" | "targets",
  "weights",
  Outputs
>({
  name: "cross_entropy",
  inputs: ["logits", "targets"],
  optional: ["weights"],
  outputs: ["loss", "total", "correct"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => sizeOf(shapes.logits),
  sized: (work) => drawn(`${work} elements`, [Math.max(1, Math.round(work / 16))], 16),
  cases,
  tolerance: 5e-6,
  backward,
});
