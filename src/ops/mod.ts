/** The hub of the ops: every member by name, and the runner that layers call. */
import { activation } from "./activation.ts";
import { adam } from "./adam.ts";
import { add } from "./add.ts";
import { addRows } from "./add_rows.ts";
import { anchorMixture } from "./anchor_mixture.ts";
import { attention } from "./attention.ts";
import { blend } from "./blend.ts";
import { carryPast } from "./carry_past.ts";
import { contract } from "./contract.ts";
import { conv1d } from "./conv1d.ts";
import { crossEntropy } from "./cross_entropy.ts";
import { denseScan } from "./dense_scan.ts";
import { diagonalScan } from "./diagonal_scan.ts";
import { discretize } from "./discretize.ts";
import { discretizeDense } from "./discretize_dense.ts";
import { dplrKernel } from "./dplr_kernel.ts";
import { dplrScan } from "./dplr_scan.ts";
import { dplrTruncate } from "./dplr_truncate.ts";
import { dropout } from "./dropout.ts";
import { emaSystem } from "./ema_system.ts";
import { embedding } from "./embedding.ts";
import { fftConv } from "./fft_conv.ts";
import { gate } from "./gate.ts";
import { gaussianCrps } from "./gaussian_crps.ts";
import { gaussianLoss } from "./gaussian_loss.ts";
import { gatherRows } from "./gather_rows.ts";
import { half } from "./half.ts";
import { kalmanFilter } from "./kalman_filter.ts";
import { kalmanSmoother } from "./kalman_smoother.ts";
import { layerNorm } from "./layer_norm.ts";
import { legsScan } from "./legs_scan.ts";
import { linearScan } from "./linear_scan.ts";
import { mambaStep } from "./mamba_step.ts";
import { mambaStepHalf } from "./mamba_step_half.ts";
import { matmul } from "./matmul.ts";
import { normMatmul } from "./norm_matmul.ts";
import { mimoSystem } from "./mimo_system.ts";
import type { AnyOp } from "./op.ts";
import { outer } from "./outer.ts";
import { pickSamples } from "./pick_samples.ts";
import { poles } from "./poles.ts";
import { pool } from "./pool.ts";
import { putRows } from "./put_rows.ts";
import { quantileLoss } from "./quantile_loss.ts";
import { rmsNorm } from "./rms_norm.ts";
import { selectiveScan } from "./selective_scan.ts";
import { selectiveStateUpdate } from "./selective_state_update.ts";
import { shiftTaps } from "./shift_taps.ts";
import { sharedScan } from "./shared_scan.ts";
import { skip } from "./skip.ts";
import { slice } from "./slice.ts";
import { softmax } from "./softmax.ts";
import { split } from "./split.ts";
import { squaredError } from "./squared_error.ts";
import { squaredNorm } from "./squared_norm.ts";
import { ssd } from "./ssd.ts";
import { stepSizes } from "./step_sizes.ts";
import { studentTLoss } from "./student_t_loss.ts";
import { timedSteps } from "./timed_steps.ts";
import { transpose } from "./transpose.ts";
import { vandermonde } from "./vandermonde.ts";

export { runInto, runOp } from "./run.ts";
export type { OpInput, OpTargets } from "./run.ts";
export {
  activation,
  adam,
  add,
  addRows,
  anchorMixture,
  attention,
  blend,
  carryPast,
  contract,
  conv1d,
  crossEntropy,
  denseScan,
  diagonalScan,
  discretize,
  discretizeDense,
  dplrKernel,
  dplrScan,
  dplrTruncate,
  dropout,
  emaSystem,
  embedding,
  fftConv,
  gate,
  gatherRows,
  gaussianCrps,
  gaussianLoss,
  half,
  kalmanFilter,
  kalmanSmoother,
  layerNorm,
  legsScan,
  linearScan,
  mambaStep,
  mambaStepHalf,
  matmul,
  mimoSystem,
  normMatmul,
  outer,
  pickSamples,
  poles,
  pool,
  putRows,
  quantileLoss,
  rmsNorm,
  selectiveScan,
  selectiveStateUpdate,
  sharedScan,
  shiftTaps,
  skip,
  slice,
  softmax,
  split,
  squaredError,
  squaredNorm,
  ssd,
  stepSizes,
  studentTLoss,
  timedSteps,
  transpose,
  vandermonde,
};

/** Every op; the laws, the self-check and the benches run over this list. */
export const OPS: readonly AnyOp[] = [
  activation,
  adam,
  add,
  addRows,
  anchorMixture,
  attention,
  blend,
  carryPast,
  contract,
  conv1d,
  crossEntropy,
  denseScan,
  diagonalScan,
  discretize,
  discretizeDense,
  dplrKernel,
  dplrScan,
  dplrTruncate,
  dropout,
  emaSystem,
  embedding,
  fftConv,
  gate,
  gatherRows,
  gaussianCrps,
  gaussianLoss,
  half,
  kalmanFilter,
  kalmanSmoother,
  layerNorm,
  legsScan,
  linearScan,
  mambaStep,
  mambaStepHalf,
  matmul,
  normMatmul,
  mimoSystem,
  outer,
  pickSamples,
  poles,
  pool,
  putRows,
  quantileLoss,
  rmsNorm,
  selectiveScan,
  selectiveStateUpdate,
  shiftTaps,
  sharedScan,
  skip,
  slice,
  softmax,
  split,
  squaredError,
  squaredNorm,
  ssd,
  stepSizes,
  studentTLoss,
  timedSteps,
  transpose,
  vandermonde,
];
