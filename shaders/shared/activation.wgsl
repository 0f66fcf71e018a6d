// Pointwise functions in f32; src/ops/_helpers/activation.ts defines them.

/// sqrt(1/2), sqrt(2/pi) and 1/sqrt(2 pi).
const ROOT_HALF = 0.70710677;
const ROOT_2_OVER_PI = 0.7978846;
const ONE_OVER_ROOT_TURN = 0.3989423;
/// Of the cube in the approximation of gelu by tanh.
const GELU_CUBE = 0.044715;

fn sigmoid(x: f32) -> f32 {
  // The exponential of a negative number cannot overflow.
  let e = exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn silu(x: f32) -> f32 {
  return x * sigmoid(x);
}

/// log(1 + e) for 0 <= e <= 1: the polynomial keeps what adding 1 would round away.
fn logOnePlus(e: f32) -> f32 {
  let series = e * (1.0 + e * (-0.5 + e * (0.33333334 + e * (-0.25 + e * (0.2
    + e * (-0.16666667 + e * 0.14285715))))));
  return select(log(1.0 + e), series, e < 0.1);
}

fn softplus(x: f32) -> f32 {
  // log(1 + e) = 2 artanh(s), s = e / (2 + e) <= 1/3, its series in s*s fitted to 4e-9: as good
  // relative to its own size for the smallest e, and without a logarithm or a branch.
  let e = exp(-abs(x));
  let s = e / (2.0 + e);
  let t = s * s;
  let series = 2.0 + t * (0.66666315 + t * (0.4002491 + t * (0.27960608 + t * 0.2817831)));
  return max(x, 0.0) + s * series;
}

/// exp(-x*x) with the rounding of the square made good: needed where x*x is large.
fn expNegativeSquare(x: f32) -> f32 {
  let high = trunc(x * 16.0) / 16.0;
  return exp(-high * high) * exp(-(x - high) * (x + high));
}

/// Complementary error function for x >= 0, after Abramowitz and Stegun 7.1.26 (error 1.5e-7).
fn erfcPositive(x: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.3275911 * x);
  let sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027
    + t * 1.061405429))));
  return sum * expNegativeSquare(x);
}

fn gelu(x: f32) -> f32 {
  let tail = 0.5 * erfcPositive(abs(x) * ROOT_HALF);
  return x * select(tail, 1.0 - tail, x >= 0.0);
}

fn tanhStable(x: f32) -> f32 {
  // The built-in may overflow to NaN for large arguments.
  return tanh(clamp(x, -15.0, 15.0));
}

fn geluTanh(x: f32) -> f32 {
  return 0.5 * x * (1.0 + tanhStable(ROOT_2_OVER_PI * (x + GELU_CUBE * x * x * x)));
}

fn logSigmoid(x: f32) -> f32 {
  return min(x, 0.0) - logOnePlus(exp(-abs(x)));
}

// Their derivatives.

fn siluSlope(x: f32) -> f32 {
  let s = sigmoid(x);
  return s * (1.0 + x * sigmoid(-x));
}

fn geluSlope(x: f32) -> f32 {
  let tail = 0.5 * erfcPositive(abs(x) * ROOT_HALF);
  let density = ONE_OVER_ROOT_TURN * expNegativeSquare(x * ROOT_HALF);
  return select(tail, 1.0 - tail, x >= 0.0) + x * density;
}

/// 1 - tanh(x)^2 as a product, which does not cancel far out.
fn tanhSlope(x: f32) -> f32 {
  return 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x);
}

fn geluTanhSlope(x: f32) -> f32 {
  let inner = ROOT_2_OVER_PI * (x + GELU_CUBE * x * x * x);
  let turn = 0.5 * x * tanhSlope(inner) * ROOT_2_OVER_PI * (1.0 + 3.0 * GELU_CUBE * x * x);
  return sigmoid(2.0 * inner) + turn;
}

fn softplusSlope(x: f32) -> f32 {
  return select(sigmoid(x), 1.0, x > 20.0);
}
