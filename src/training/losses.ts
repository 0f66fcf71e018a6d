/**
 * What a training minimises, by name: the loss ops with the shapes that a model's output and an
 * example's target have. Everything stays on the device.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { Device, DeviceTensor } from "../device/mod.ts";
import {
  crossEntropy,
  gaussianCrps,
  gaussianLoss,
  type OpInput,
  quantileLoss,
  runOp,
  squaredError,
  studentTLoss,
} from "../ops/mod.ts";
import { sizeOf } from "../tensor/shape.ts";
import { reshape } from "../tensor/tensor.ts";

/** A loss; what a target's prediction consists of is said by {@linkcode columnsOf}. */
export type Loss =
  /** Mean squared error of a point. */
  | { readonly kind: "squaredError" }
  /** Minus the log of the share of a class; the only one whose targets are numbers of classes. */
  | { readonly kind: "crossEntropy"; readonly classes: number }
  /** Mean pinball loss of quantiles. */
  | { readonly kind: "quantile"; readonly quantiles: readonly number[] }
  /** Ranked probability score as far as evenly spaced quantiles tell it: twice the pinball loss. */
  | { readonly kind: "quantileCrps"; readonly quantiles: readonly number[] }
  /** Negative log likelihood under a normal distribution (mean, log scale). */
  | { readonly kind: "gaussian" }
  /** Ranked probability score of a normal distribution (mean, log scale). */
  | { readonly kind: "gaussianCrps" }
  /** Negative log likelihood under Student's t (mean, log scale, log degrees of freedom). */
  | { readonly kind: "studentT" };

/** Names of the losses. */
export const LOSS_KINDS = [
  "squaredError",
  "crossEntropy",
  "quantile",
  "quantileCrps",
  "gaussian",
  "gaussianCrps",
  "studentT",
] as const satisfies readonly Loss["kind"][];

/** Numbers that a model must give for each target. */
export function columnsOf(loss: Loss): number {
  switch (loss.kind) {
    case "squaredError":
      return 1;
    case "crossEntropy":
      return loss.classes;
    case "quantile":
    case "quantileCrps":
      return loss.quantiles.length;
    case "gaussian":
    case "gaussianCrps":
      return 2;
    case "studentT":
      return 3;
    default:
      loss satisfies never;
      throw new InvalidValueError("loss.kind", loss, `one of ${LOSS_KINDS.join(", ")}`);
  }
}

/** What {@linkcode lossOf} gives. */
export interface LossResult {
  /** The mean over the targets, by weight. [1] */
  readonly loss: DeviceTensor;
  /** Sums and totals by name: `accuracy`, the share of hits, of a cross-entropy. [1] each */
  readonly metrics: Readonly<
    Record<string, { readonly sum: DeviceTensor; readonly total: DeviceTensor }>
  >;
}

/**
 * The loss of predictions on a device; on a tape's device it is recorded.
 *
 * @param predictions any shape of [targets.., column] elements in this order        [..]
 * @param targets     what was to be predicted                                       [..]
 * @param weights     of each target, at least 0; 0 where it is missing, which may then be NaN
 * @returns loss and metrics, to be freed by the caller; the loss is 0 where every target is missing
 * @throws {ShapeError} predictions are not {@linkcode columnsOf} numbers for each target
 * @throws {InvalidValueError} a loss's parameter is out of range
 */
export function lossOf(
  device: Device,
  loss: Loss,
  predictions: DeviceTensor,
  targets: OpInput,
  weights?: OpInput,
): LossResult {
  const columns = columnsOf(loss);
  const isPoint = loss.kind === "squaredError";
  const rows = [sizeOf(targets.shape)];
  const given = {
    targets: reshape(targets, rows),
    weights: weights && reshape(weights, rows),
  };
  const shaped = reshape(predictions, isPoint ? rows : [...rows, columns]);
  if (loss.kind === "crossEntropy") {
    const inputs = { ...given, logits: shaped };
    const { loss: value, total, correct } = runOp(device, crossEntropy, inputs, {});
    return { loss: value, metrics: { accuracy: { sum: correct, total } } };
  }
  const result = runRowLoss(device, loss, { ...given, predictions: shaped });
  device.free(result.total);
  return { loss: result.loss, metrics: {} };
}

function runRowLoss(
  device: Device,
  loss: Exclude<Loss, { kind: "crossEntropy" }>,
  inputs: {
    readonly predictions: OpInput;
    readonly targets: OpInput;
    readonly weights: OpInput | undefined;
  },
): { readonly loss: DeviceTensor; readonly total: DeviceTensor } {
  switch (loss.kind) {
    case "squaredError":
      return runOp(device, squaredError, inputs, {});
    case "quantile":
      return runOp(device, quantileLoss, inputs, { quantiles: loss.quantiles });
    case "quantileCrps":
      return runOp(device, quantileLoss, inputs, { quantiles: loss.quantiles, scale: 2 });
    case "gaussian":
      return runOp(device, gaussianLoss, inputs, {});
    case "gaussianCrps":
      return runOp(device, gaussianCrps, inputs, {});
    case "studentT":
      return runOp(device, studentTLoss, inputs, {});
    default:
      return loss satisfies never;
  }
}
