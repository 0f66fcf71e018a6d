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
