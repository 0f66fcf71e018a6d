// The discretisation of a mode by a method: a rule (BILINEAR chooses it), or none where CONTINUOUS,
// for scans that discretise every step by its own size.
#import shared/discretize_mode

/// Abar in xy, in zw the factor of B.
fn modeBy(lambda: vec2f, step: f32) -> vec4f {
#if CONTINUOUS
  return vec4f(lambda, 1.0, 0.0);
#else
  return discretizeMode(lambda, step);
#end
}

/// How both change with lambda and the step.
fn slopesBy(lambda: vec2f, step: f32, abar: vec2f) -> ModeSlopes {
#if CONTINUOUS
  let none = vec2f(0.0);
  return ModeSlopes(vec2f(1.0, 0.0), none, none, none);
#else
  return slopesOfMode(lambda, step, abar);
#end
}
