// Complex numbers as vec2f: x is the real, y the imaginary part.

fn complexMul(a: vec2f, b: vec2f) -> vec2f {
  return vec2f(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

fn complexConj(a: vec2f) -> vec2f {
  return vec2f(a.x, -a.y);
}

/// a / b, without scaling: the operands here are of moderate size.
fn complexDiv(a: vec2f, b: vec2f) -> vec2f {
  let inverse = 1.0 / dot(b, b);
  return vec2f(a.x * b.x + a.y * b.y, a.y * b.x - a.x * b.y) * inverse;
}

/// 1 / z to a rounding or so: a division here may be off by several, which a recurrence that takes
/// the quotient thousands of times turns into a phase. One Newton step makes it good.
fn complexReciprocal(z: vec2f) -> vec2f {
  let first = complexConj(z) / dot(z, z);
  let rest = vec2f(
    fma(z.y, first.y, fma(-z.x, first.x, 1.0)),
    -fma(z.x, first.y, z.y * first.x),
  );
  return first + complexMul(first, rest);
}

/// 1 / x in the same way.
fn reciprocal(x: f32) -> f32 {
  let first = 1.0 / x;
  return fma(first, fma(-x, first, 1.0), first);
}
