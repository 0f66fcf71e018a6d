// The pointwise function that the constant KIND names, of one value or, with WIDE, of four.
#import shared/activation_kind

#if WIDE
alias Element = vec4f;

fn actOf(x: vec4f, beta: f32) -> vec4f {
  return vec4f(act(x.x, beta), act(x.y, beta), act(x.z, beta), act(x.w, beta));
}

/// Its derivative.
fn actSlopeOf(x: vec4f, beta: f32) -> vec4f {
  return vec4f(
    actSlope(x.x, beta),
    actSlope(x.y, beta),
    actSlope(x.z, beta),
    actSlope(x.w, beta),
  );
}
#else
alias Element = f32;

fn actOf(x: f32, beta: f32) -> f32 {
  return act(x, beta);
}

/// Its derivative.
fn actSlopeOf(x: f32, beta: f32) -> f32 {
  return actSlope(x, beta);
}
#end
