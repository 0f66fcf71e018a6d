/**
 * What the losses of rows share: the weighted mean of one value a row, its backward, and the ops
 * that only differ in how a row's value comes from its prediction and its target.
 *
 *   loss = Σ w·value / Σ w        total = Σ w        (w = 1 without weights)
 *
 *   gradValue[i]   = gradLoss·w[i]/total
 *   gradWeights[i] = gradLoss·(value[i] − loss)/total + gradTotal
 *
 * A row of weight 0 is missing: its prediction and its target may be anything, NaN too, and it has
 * no part in any output or gradient (gradWeights is 0 there). With no row at all the loss is 0.
 */
import type { GpuLimits } from "../../device/device.ts";
import { ShapeError } from "../../base/errors.ts";
import { expectAxis, expectShape, type Shape, sizeOf } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type Op,
  type OpCase,
  type Pass,
} from "../op.ts";
import { groupsFor, spreadGroups, WIDE_GROUP } from "./plan.ts";

const AXES = ["batch", "length", "channel"];

/** Requires targets, and weights where they are given, to be one a row. */
export function expectRows(
  rows: Shape,
  targets: Shape,
  weights: Shape | undefined,
): void {
  expectShape("targets", AXES, rows, targets);
  if (weights) expectShape("weights", AXES, rows, weights);
}

/** Rows that one workgroup adds up. */
const RUN = 4096;
/**
 * Workgroups of the first pass; more rows get longer runs. With 1,024 `squared_error` reached 61 %
 * of an H100's byte floor, with these 80 %; `quantile_loss` takes the same time with either.
 */
const RUNS_MAX = 4096;

/** Which sums {@linkcode meanPasses} takes. */
export interface MeanOptions {
  readonly rows: number;
  readonly hasWeights: boolean;
  /** `values` holds (value, hit) of each row, and `correct` = Σ w·hit is wanted, too. */
  readonly hasHits: boolean;
}

/** Numbers that a run hands to the fold: Σ w·value, Σ w and, with hits, Σ w·hit. */
function sumsOf({ hasHits }: MeanOptions): number {
  return hasHits ? 3 : 2;
}

/** How rows are cut into runs that one workgroup adds up. */
interface Runs {
  readonly run: number;
  readonly runs: number;
}

function runsOf(rows: number): Runs {
  const run = Math.max(RUN, Math.ceil(rows / RUNS_MAX));
  return { run, runs: Math.max(1, Math.ceil(rows / run)) };
}

/** Passes from `values` (and `weights`) to `loss`, `total` (and `correct`). */
export function meanPasses(
  options: MeanOptions,
  { run, runs }: Runs = runsOf(options.rows),
): Pick<LaunchPlan, "scratch" | "passes"> {
  const { rows, hasWeights, hasHits } = options;
  const common = {
    shader: "shared/weighted_mean",
    constants: constantsOf(options),
    dims: { rows, run, runs },
  };
  return {
    scratch: { runSums: runs * sumsOf(options) },
    passes: [{
      ...common,
      entry: "sum_run",
      bindings: ["values", ...(hasWeights ? ["weights"] : []), "runSums"],
      workgroups: [runs, 1, 1],
    }, {
      ...common,
      entry: "fold_runs",
      bindings: ["runSums", "loss", "total", ...(hasHits ? ["correct"] : [])],
      workgroups: [1, 1, 1],
    }],
  };
}

/** Rows that a workgroup of a loss's own shader has at a time. */
const TILE_ROWS = 128;
/** Tiles of a run at least. */
const RUN_TILES_MIN = 8;
/** Columns up to which a tile of rows is brought to workgroup memory: 8 KiB of it. */
const STAGED_COLUMNS_MAX = 16;

function constantsOf({ hasWeights, hasHits }: MeanOptions): Pass["constants"] {
  return {
    GROUP: WIDE_GROUP,
    HAS_WEIGHTS: hasWeights ? 1 : 0,
    HAS_HITS: hasHits ? 1 : 0,
  };
}

/** The pass from `values` and the gradients of the sums to `gradWeights`. */
export function weightGradientPass(options: MeanOptions, limits: GpuLimits): Pass {
  return {
    shader: "shared/weighted_mean",
    entry: "weight_gradients",
    constants: constantsOf(options),
    dims: { rows: options.rows, run: 0, runs: 0 },
    bindings: [
      "values",
      "weights",
      "loss",
      "total",
      "gradLoss",
      "gradTotal",
      ...(options.hasHits ? ["gradCorrect"] : []),
      "gradWeights",
    ],
    workgroups: spreadGroups(groupsFor(options.rows, WIDE_GROUP), limits),
  };
}

/** A loss that is a mean over rows, as {@linkcode defineRowLoss} wants it. */
export interface RowLoss<P> {
  readonly name: string;
  /** Numbers of a row's prediction; 0 where `predictions` has the very shape of `targets`. */
  columns(params: P): number;
  /** Refuses params that are out of range. */
  check(params: P): void;
  /** The loss of the row whose prediction begins at `at`. */
  value(predictions: FloatArray, at: number, target: number, params: P): number;
  /**
   * Writes the derivatives of {@linkcode RowLoss.value} with respect to the prediction into
   * `slopes`.
   *
   * @returns the derivative with respect to the target
   */
  slopesInto(
    slopes: Float64Array,
    predictions: FloatArray,
    at: number,
    target: number,
    params: P,
  ): number;
  /** A number that the shader reads as `dims.scale`; default 1. */
  scale?(params: P): number;
  /** Constants that the shader reads. */
  tables?(params: P): NonNullable<LaunchPlan["tables"]>;
  readonly cases: readonly OpCase<P, "predictions" | "targets", "weights">[];
  sized(work: number): OpCase<P, "predictions" | "targets", "weights">;
  readonly tolerance: number;
  readonly gradientTolerance: number;
}

/** Inputs and outputs of every loss of rows. */
export type RowLossOp<P> = Op<P, "predictions" | "targets", "weights", "loss" | "total">;

type Shapes = Named<"predictions" | "targets", "weights", Shape>;

/**
 * Makes an op of a loss: predictions [rows.., columns] (or [rows..]), targets [rows..], weights
 * [rows..] -> loss [1], total [1].
 */
export function defineRowLoss<P>(loss: RowLoss<P>): RowLossOp<P> {
  return defineOp<P, "predictions" | "targets", "weights", "loss" | "total">({
    name: loss.name,
    inputs: ["predictions", "targets"],
    optional: ["weights"],
    outputs: ["loss", "total"],
    outputShapes(shapes, params) {
      loss.check(params);
      const columns = loss.columns(params);
      if (columns > 0) expectAxis("predictions.column", columns, shapes.predictions.at(-1));
      expectRows(rowShape(loss, shapes, params), shapes.targets, shapes.weights);
      if (sizeOf(shapes.targets) < 1) throw new ShapeError("targets", 1, 0);
      return { loss: [1], total: [1] };
    },
    cpu({ predictions, targets, weights }, outputs, _shapes, params) {
      const stride = Math.max(1, loss.columns(params));
      let sum = 0;
      let total = 0;
      for (let i = 0; i < targets.length; i++) {
        const w = weights ? weights[i]! : 1;
        if (w === 0) continue;
        sum += w * loss.value(predictions, i * stride, targets[i]!, params);
        total += w;
      }
      outputs.loss[0] = total === 0 ? 0 : sum / total;
      outputs.total[0] = total;
    },
    launch(shapes, params) {
      const rows = sizeOf(shapes.targets);
      const run = TILE_ROWS * Math.max(RUN_TILES_MIN, Math.ceil(rows / TILE_ROWS / RUNS_MAX));
      const runs = Math.ceil(rows / run);
      const mean = meanPasses(meanOptions(shapes), { run, runs });
      const pass = rowPass(loss, "sum_rows", ["runSums"], shapes, params, [runs, 1, 1]);
      return {
        scratch: mean.scratch,
        tables: loss.tables?.(params) ?? {},
        passes: [{ ...pass, dims: { ...pass.dims, run } }, mean.passes.at(-1)!],
      };
    },
    work: (shapes) => sizeOf(shapes.predictions),
    sized: (work) => loss.sized(work),
    cases: loss.cases,
    tolerance: loss.tolerance,
    backward: backwardOf(loss),
  });
}

/** The shape of the rows, from that of the predictions. */
function rowShape<P>(loss: RowLoss<P>, { predictions }: Shapes, params: P): Shape {
  return loss.columns(params) > 0 ? predictions.slice(0, -1) : predictions;
}

function meanOptions(shapes: Shapes): MeanOptions {
  const rows = sizeOf(shapes.targets);
  return { rows, hasWeights: shapes.weights !== undefined, hasHits: false };
}

/** A pass of the loss's own shader, one invocation a row. */
function rowPass<P>(
  loss: RowLoss<P>,
  entry: string,
  bindings: readonly string[],
  shapes: Shapes,
  params: P,
  workgroups: Pass["workgroups"],
): Pass {
  const rows = sizeOf(shapes.targets);
  const stride = Math.max(1, loss.columns(params));
  const isStaged = stride > 1 && stride <= STAGED_COLUMNS_MAX;
  return {
    entry,
    constants: {
      GROUP: TILE_ROWS,
      HAS_WEIGHTS: shapes.weights ? 1 : 0,
      STAGED: isStaged ? 1 : 0,
      COLUMNS: isStaged ? stride : 0,
      BACK: entry === "row_gradients" ? 1 : 0,
    },
    dims: { rows, stride, scale: loss.scale?.(params) ?? 1, run: 0 },
    bindings: [
      "predictions",
      "targets",
      ...(shapes.weights ? ["weights"] : []),
      ...Object.keys(loss.tables?.(params) ?? {}),
      ...bindings,
    ],
    workgroups,
  };
}

function backwardOf<P>(
  loss: RowLoss<P>,
): Backward<P, "predictions" | "targets", "weights", "loss" | "total"> {
  return {
    needs: ["predictions", "targets", "weights", "loss", "total"],
    cpu(given, { gradPredictions, gradTargets, gradWeights }, _shapes, params) {
      const { predictions, targets, weights } = given;
      const columns = loss.columns(params);
      const stride = Math.max(1, columns);
      const slopes = new Float64Array(stride);
      const total = given.total![0]!;
      const inverse = total === 0 ? 0 : given.gradLoss![0]! / total;
      for (let i = 0; i < targets!.length; i++) {
        const at = i * stride;
        const w = weights ? weights[i]! : 1;
        if (w === 0) {
          gradPredictions!.fill(0, at, at + stride);
          gradTargets![i] = 0;
          gradWeights![i] = 0;
          continue;
        }
        const slope = loss.slopesInto(slopes, predictions!, at, targets![i]!, params);
        for (let j = 0; j < stride; j++) gradPredictions![at + j] = inverse * w * slopes[j]!;
        gradTargets![i] = inverse * w * slope;
        if (gradWeights === undefined) continue;
        const value = loss.value(predictions!, at, targets![i]!, params);
        gradWeights[i] = inverse * (value - given.loss![0]!) + given.gradTotal![0]!;
      }
    },
    launch(shapes, params, limits) {
      const slopes = ["total", "gradLoss", "gradPredictions", "gradTargets"];
      const tiles = spreadGroups(groupsFor(sizeOf(shapes.targets), TILE_ROWS), limits);
      const passes = [rowPass(loss, "row_gradients", slopes, shapes, params, tiles)];
      if (shapes.weights) {
        passes.push(
          rowPass(loss, "row_values", ["values"], shapes, params, tiles),
          weightGradientPass(meanOptions(shapes), limits),
        );
      }
      return {
        scratch: shapes.weights ? { values: sizeOf(shapes.targets) } : {},
        tables: loss.tables?.(params) ?? {},
        passes,
      };
    },
    tolerance: loss.gradientTolerance,
  };
}
