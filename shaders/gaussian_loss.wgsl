// Negative log likelihood of a normal distribution: rows of (mean, log scale).
#import shared/row_loss

const HALF_LOG_TURN = 0.91893853;

fn rowValue(row: u32) -> f32 {
  let z = (targets[row] - predictions[2u * row]) * exp(-predictions[2u * row + 1u]);
  return HALF_LOG_TURN + predictions[2u * row + 1u] + 0.5 * z * z;
}

fn rowGradients(row: u32, factor: f32) -> f32 {
  let inverse = exp(-predictions[2u * row + 1u]);
  let z = (targets[row] - predictions[2u * row]) * inverse;
  gradPredictions[2u * row] = -factor * z * inverse;
  gradPredictions[2u * row + 1u] = factor * (1.0 - z * z);
  return factor * z * inverse;
}
