// The exponential within a rounding or two of f32. WGSL's own may be off by 3 + 2|x| of them, the
// same way for every step of a scan, and an angle of many radians passes that on.

const EXP_LEAST = -87.0;
const EXP_MOST = 88.0;

/// exp(x) = 2^n exp(r), |r| <= ln(2)/2: the series to r^7, off by less than 6e-9, and exact powers.
fn expAccurate(x: f32) -> f32 {
  let inside = clamp(x, EXP_LEAST, EXP_MOST);
  let n = round(inside * 1.4426950408889634);
  // ln(2) in two parts, the first of 9 bits, so that its product with n is exact.
  let r = (inside - n * 0.693359375) + n * 2.1219444005469057e-4;
  let tail = 0.5 + r * (1.6666667e-1 + r * (4.1666668e-2 + r * (8.3333333e-3
    + r * (1.3888889e-3 + r * 1.9841270e-4))));
  let power = bitcast<f32>(u32(i32(n) + 127) << 23u);
  let value = power * (1.0 + (r + r * r * tail));
  // Past the range of normal numbers the built-in decides between 0, infinity and what is near.
  return select(value, exp(x), x < EXP_LEAST || x > EXP_MOST);
}
