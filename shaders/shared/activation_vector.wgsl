// The pointwise function that the constant KIND names, of the VECTOR values of an element.
#import shared/activation_kind
#import shared/vector

fn actOf(x: Element, beta: f32) -> Element {
#if VECTOR == 4
  return vec4f(act(x.x, beta), act(x.y, beta), act(x.z, beta), act(x.w, beta));
#else
#if VECTOR == 2
  return vec2f(act(x.x, beta), act(x.y, beta));
#else
  return act(x, beta);
#end
#end
}

/// Its derivative.
fn actSlopeOf(x: Element, beta: f32) -> Element {
#if VECTOR == 4
  return vec4f(
    actSlope(x.x, beta),
    actSlope(x.y, beta),
    actSlope(x.z, beta),
    actSlope(x.w, beta),
  );
#else
#if VECTOR == 2
  return vec2f(actSlope(x.x, beta), actSlope(x.y, beta));
#else
  return actSlope(x, beta);
#end
#end
}
