// What the states of a selective scan are made of: f32, or vec2f for complex A.
#import shared/complex
#import shared/trig

#if COMPLEX
alias Number = vec2f;

fn decayOf(a: Number, step: f32) -> Number {
  return complexExp(step * a);
}

fn times(a: Number, x: Number) -> Number {
  return complexMul(a, x);
}

fn readout(c: Number, x: Number) -> f32 {
  return 2.0 * (c.x * x.x - c.y * x.y);
}

/// conj(a) x.
fn adjoint(a: Number, x: Number) -> Number {
  return complexMul(complexConj(a), x);
}

/// Re(conj(a) x).
fn inner(a: Number, x: Number) -> f32 {
  return dot(a, x);
}

/// Gradient of the readout with respect to C where the state is x, or to x where C is x.
fn readoutSlope(x: Number) -> Number {
  return 2.0 * complexConj(x);
}
#else
alias Number = f32;

fn decayOf(a: Number, step: f32) -> Number {
  return exp(step * a);
}

fn times(a: Number, x: Number) -> Number {
  return a * x;
}

fn readout(c: Number, x: Number) -> f32 {
  return c * x;
}

fn adjoint(a: Number, x: Number) -> Number {
  return a * x;
}

fn inner(a: Number, x: Number) -> f32 {
  return a * x;
}

fn readoutSlope(x: Number) -> Number {
  return x;
}
#end
