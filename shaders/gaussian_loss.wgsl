// Negative log likelihood of a normal distribution: rows of (mean, log scale).
//
//   value = log(2 pi) / 2 + log scale + z^2 / 2       z = (target - mean) / scale
//
// Layout of the work: shared/row_loss.
#import shared/row_loss

/// log(2 pi) / 2
const HALF_LOG_TURN = 0.91893853;

fn rowValue(row: u32, first: u32) -> f32 {
  let z = (targets[row] - predictionAt(first)) * exp(-predictionAt(first + 1u));
  return HALF_LOG_TURN + predictionAt(first + 1u) + 0.5 * z * z;
}

#if BACK
fn rowGradients(row: u32, first: u32, factor: f32) -> f32 {
  let inverse = exp(-predictionAt(first + 1u));
  let z = (targets[row] - predictionAt(first)) * inverse;
  setGradient(first, -factor * z * inverse);
  setGradient(first + 1u, factor * (1.0 - z * z));
  return factor * z * inverse;
}
#end
