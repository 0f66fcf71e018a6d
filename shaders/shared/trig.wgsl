// Sine, cosine and complex exponentials with errors of a few f32 roundings. WGSL promises only an
// absolute error of 2^-11 for sin and cos, and none at all outside of -pi to pi.
#import shared/complex
#import shared/exp

const TURNS_PER_RADIAN = 0.15915494309189535;
const RADIANS_PER_TURN = 6.283185307179586;
/// Of a turn in 32 bits, and an eighth of it.
const FIXED_TURN = 4294967296.0;
const FIXED_EIGHTH = 0x20000000u;

/// sin and cos of a quarter turn's half, |x| <= pi/4: Taylor polynomials, remainder below 3e-8.
fn sinCosSmall(x: f32) -> vec2f {
  let q = x * x;
  let s = x + x * q * (-1.6666667e-1 + q * (8.3333333e-3 + q * (-1.9841270e-4 + q * 2.7557319e-6)));
  let c = 1.0 + q * (-0.5 + q * (4.1666668e-2 + q * (-1.3888889e-3 + q * 2.4801587e-5)));
  return vec2f(c, s);
}

/// (cos, sin) after `quadrant` quarter turns beyond `x`.
fn turnQuadrants(x: f32, quadrant: u32) -> vec2f {
  let small = sinCosSmall(x);
  let swapped = select(small, vec2f(-small.y, small.x), (quadrant & 1u) == 1u);
  return select(swapped, -swapped, (quadrant & 2u) == 2u);
}

/// (cos, sin) of an angle in radians. The quarter turns are taken off in three parts, whose first
/// two have so few bits that their product with the count is exact up to 2^14 quarter turns.
fn cosSin(angle: f32) -> vec2f {
  let count = round(angle * (4.0 * TURNS_PER_RADIAN));
  var rest = angle - count * 1.5703125;
  rest = rest - count * 4.8351288e-4;
  rest = rest - count * 3.1383863e-7;
  return turnQuadrants(rest, u32(i32(count)));
}

/// An angle in radians as a fraction of a turn in 32 bits, so that multiples of it wrap exactly.
fn fixedTurn(angle: f32) -> u32 {
  let turns = angle * TURNS_PER_RADIAN;
  let fraction = turns - floor(turns);
  // The fraction may round up to a whole turn, which is none.
  return select(u32(fraction * FIXED_TURN), 0u, fraction >= 1.0);
}

/// (cos, sin) of a fraction of a turn in 32 bits.
fn cosSinFixed(turn: u32) -> vec2f {
  // Nearest quarter turn, and the signed rest of at most an eighth.
  let quadrant = (turn + FIXED_EIGHTH) >> 30u;
  let rest = bitcast<i32>(turn - (quadrant << 30u));
  return turnQuadrants(f32(rest) * (RADIANS_PER_TURN / FIXED_TURN), quadrant);
}

/// exp(x) - 1 without cancellation near 0: a polynomial there, the difference elsewhere.
fn expMinus1(x: f32) -> f32 {
  let series = x * (1.0 + x * (0.5 + x * (1.6666667e-1 + x * (4.1666668e-2 + x * (8.3333333e-3
    + x * (1.3888889e-3 + x * 1.9841270e-4))))));
  return select(expAccurate(x) - 1.0, series, abs(x) < 0.35);
}

/// exp(z) of a complex number.
fn complexExp(z: vec2f) -> vec2f {
  return expAccurate(z.x) * cosSin(z.y);
}

/// exp(z) - 1 by parts that do not cancel for small z.
fn complexExpMinus1(z: vec2f) -> vec2f {
  let unit = cosSin(z.y);
  let half = cosSin(0.5 * z.y).y;
  let em1 = expMinus1(z.x);
  return vec2f(em1 * unit.x - 2.0 * half * half, (1.0 + em1) * unit.y);
}
