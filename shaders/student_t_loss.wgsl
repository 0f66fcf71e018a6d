// Negative log likelihood of Student's t distribution: rows of (mean, log scale, log of the
// degrees of freedom); the equation is in src/ops/student_t_loss.ts. Layout of the work:
// shared/row_loss.
#import shared/row_loss
#import shared/activation

/// log(2 pi) / 2
const HALF_LOG_TURN = 0.91893853;
/// From here on four terms of the series are exact to 7e-9.
const SERIES_FROM = 4.0;

/// log(gamma(x + 1/2)/gamma(x)/sqrt(x)), as src/ops/_helpers/gamma_ratio.ts has it.
fn logGammaRatio(x: f32) -> f32 {
  var sum = 0.0;
  var at = x;
  for (; at < SERIES_FROM; at += 1.0) {
    let odd = 2.0 * at + 1.0;
    sum += 0.5 * log((4.0 * at / odd) * ((at + 1.0) / odd));
  }
  let w = 1.0 / (at * at);
  return sum + (-0.125 + w * (0.0052083333 + w * (-0.0015625 + w * 0.0011858259))) / at;
}

/// x times its derivative.
fn logGammaRatioSlope(x: f32) -> f32 {
  var sum = 0.0;
  var at = x;
  for (; at < SERIES_FROM; at += 1.0) {
    sum += x / at / (2.0 * (at + 1.0) * (2.0 * at + 1.0));
  }
  let w = 1.0 / (at * at);
  return sum + x / at * (0.125 + w * (-0.015625 + w * (0.0078125 - w * 0.0083007813))) / at;
}

struct Tail {
  /// log(1 + q) for q = z*z/(2x), where x is half the degrees of freedom.
  log: f32,
  /// q/(1 + q)
  share: f32,
  /// share/z
  slope: f32,
}

/// By the root of q, whose square may overflow.
fn tailOf(z: f32, x: f32) -> Tail {
  let root = abs(z) * inverseSqrt(2.0 * x);
  if (root <= 1.0) {
    let q = root * root;
    return Tail(logOnePlus(q), q / (1.0 + q), z / (2.0 * x) / (1.0 + q));
  }
  let p = 1.0 / root;
  return Tail(2.0 * log(root) + logOnePlus(p * p), 1.0 / (1.0 + p * p), 1.0 / (1.0 + p * p) / z);
}

fn rowValue(row: u32, first: u32) -> f32 {
  let logScale = predictionAt(first + 1u);
  let x = 0.5 * exp(predictionAt(first + 2u));
  let tail = tailOf((targets[row] - predictionAt(first)) * exp(-logScale), x);
  return HALF_LOG_TURN + logScale - logGammaRatio(x) + (x + 0.5) * tail.log;
}

#if BACK
fn rowGradients(row: u32, first: u32, factor: f32) -> f32 {
  let inverse = exp(-predictionAt(first + 1u));
  let x = 0.5 * exp(predictionAt(first + 2u));
  let tail = tailOf((targets[row] - predictionAt(first)) * inverse, x);
  let slope = factor * (2.0 * x + 1.0) * tail.slope * inverse;
  setGradient(first, -slope);
  setGradient(first + 1u, factor * (1.0 - (2.0 * x + 1.0) * tail.share));
  setGradient(first + 2u, factor
    * (x * tail.log - (x + 0.5) * tail.share - logGammaRatioSlope(x)));
  return slope;
}
#end
