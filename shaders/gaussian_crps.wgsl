// Continuous ranked probability score of a normal distribution: rows of (mean, log scale).
//
//   value = scale (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))       z = (target - mean) / scale
//
// Layout of the work: shared/row_loss.
#import shared/row_loss
#import shared/activation

/// 1/sqrt(pi)
const ONE_OVER_ROOT_PI = 0.5641896;

/// 2 Phi(z) - 1 for the standard normal distribution function Phi.
fn central(z: f32) -> f32 {
  let tail = erfcPositive(abs(z) * ROOT_HALF);
  return select(tail - 1.0, 1.0 - tail, z >= 0.0);
}

/// 2 phi(z) - 1/sqrt(pi) for the standard normal density phi.
fn spread(z: f32) -> f32 {
  return ROOT_2_OVER_PI * expNegativeSquare(z * ROOT_HALF) - ONE_OVER_ROOT_PI;
}

fn rowValue(row: u32, first: u32) -> f32 {
  let scale = exp(predictionAt(first + 1u));
  let error = targets[row] - predictionAt(first);
  return error * central(error / scale) + scale * spread(error / scale);
}

#if BACK
fn rowGradients(row: u32, first: u32, factor: f32) -> f32 {
  let scale = exp(predictionAt(first + 1u));
  let z = (targets[row] - predictionAt(first)) / scale;
  setGradient(first, -factor * central(z));
  setGradient(first + 1u, factor * scale * spread(z));
  return factor * central(z);
}
#end
