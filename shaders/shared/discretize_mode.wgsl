// One mode of a diagonal system over one step; src/ops/_helpers/discretize_mode.ts defines it.
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
  let held = select(em1 + vec2f(1.0, 0.0), complexExp(z), z.x < -0.5);
  return vec4f(held, factor);
#end
}
