// The pointwise function that the constant KIND names.
#import shared/activation
#import shared/exp

/// The function of this pipeline; codes as in ACTIVATIONS.
fn act(x: f32, beta: f32) -> f32 {
#if KIND == 0
  return x;
#end
#if KIND == 1
  return silu(x);
#end
#if KIND == 2
  return gelu(x);
#end
#if KIND == 3
  return geluTanh(x);
#end
#if KIND == 4
  return softplus(beta * x) / beta;
#end
#if KIND == 5
  return sigmoid(x);
#end
#if KIND == 6
  return tanhStable(x);
#end
#if KIND == 7
  return max(x, 0.0);
#end
#if KIND == 8
  return logSigmoid(x);
#end
#if KIND == 9
  return -expAccurate(x);
#end
}

/// Its derivative.
fn actSlope(x: f32, beta: f32) -> f32 {
#if KIND == 0
  return 1.0;
#end
#if KIND == 1
  return siluSlope(x);
#end
#if KIND == 2
  return geluSlope(x);
#end
#if KIND == 3
  return geluTanhSlope(x);
#end
#if KIND == 4
  return softplusSlope(beta * x);
#end
#if KIND == 5
  return sigmoid(x) * sigmoid(-x);
#end
#if KIND == 6
  return tanhSlope(x);
#end
#if KIND == 7
  return select(0.0, 1.0, x > 0.0);
#end
#if KIND == 8
  return sigmoid(-x);
#end
#if KIND == 9
  return -expAccurate(x);
#end
}
