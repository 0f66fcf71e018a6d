// Discretisation of one complex mode and its derivatives; src/ops/_helpers/discretize_mode.ts
// defines them. BILINEAR chooses the rule.
#import shared/trig

/// Abar in xy, and in zw the factor f of Bbar = f B.
fn discretizeMode(lambda: vec2f, step: f32) -> vec4f {
  let z = step * lambda;
#if BILINEAR
  let below = vec2f(1.0 - 0.5 * z.x, -0.5 * z.y);
  let above = vec2f(1.0 + 0.5 * z.x, 0.5 * z.y);
  return vec4f(complexDiv(above, below), complexDiv(vec2f(step, 0.0), below));
#else
  let em1 = complexExpMinus1(z);
  let zero = dot(lambda, lambda) == 0.0;
  let divisor = select(lambda, vec2f(1.0, 0.0), zero);
  let factor = select(complexDiv(em1, divisor), vec2f(step, 0.0), zero);
  // Adding 1 would leave its rounding where the exponential has all but vanished.
  let abar = select(em1 + vec2f(1.0, 0.0), complexExp(z), z.x < -0.5);
  return vec4f(abar, factor);
#end
}

/// ((z - 1) exp(z) + 1) / z^2, by its series where that would cancel.
fn holdSlope(z: vec2f) -> vec2f {
  if (dot(z, z) < 0.25) {
    var sum = vec2f(1.7361111e-4, 0.0) + 2.2045855e-5 * z;
    sum = vec2f(1.1904762e-3, 0.0) + complexMul(sum, z);
    sum = vec2f(6.9444444e-3, 0.0) + complexMul(sum, z);
    sum = vec2f(3.3333333e-2, 0.0) + complexMul(sum, z);
    sum = vec2f(0.125, 0.0) + complexMul(sum, z);
    sum = vec2f(0.33333333, 0.0) + complexMul(sum, z);
    return vec2f(0.5, 0.0) + complexMul(sum, z);
  }
  let above = complexMul(z - vec2f(1.0, 0.0), complexExp(z)) + vec2f(1.0, 0.0);
  return complexDiv(above, complexMul(z, z));
}

/// Derivatives of Abar and f with respect to lambda and the step.
struct ModeSlopes {
  abarByLambda: vec2f, abarByStep: vec2f, factorByLambda: vec2f, factorByStep: vec2f
}

fn slopesOfMode(lambda: vec2f, step: f32, abar: vec2f) -> ModeSlopes {
  let z = step * lambda;
#if BILINEAR
  let w = complexDiv(vec2f(1.0, 0.0), vec2f(1.0 - 0.5 * z.x, -0.5 * z.y));
  let square = complexMul(w, w);
  return ModeSlopes(step * square, complexMul(lambda, square), 0.5 * step * step * square, square);
#else
  return ModeSlopes(step * abar, complexMul(lambda, abar), step * step * holdSlope(z), abar);
#end
}
