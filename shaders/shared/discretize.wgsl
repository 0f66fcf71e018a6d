// One mode of a diagonal system over one step; src/ops/_helpers/discretize.ts defines it.
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
  return vec4f(1.0 + em1.x, em1.y, factor);
#end
}
