// The system of S5 from its parameters, and the gradients back.
//
// make_system     Abar and Bbar: one invocation an element of B
// back_to_inputs  back: gradB, and of each mode the sum over its inputs; a workgroup a mode
// back_to_modes   the gradients of pole and step size from that; one invocation a mode
#import shared/discretize_by
#import shared/row_sum

struct Dims { modes: u32, feature: u32, reMax: f32 }

@group(0) @binding(0) var<storage, read> logDt: array<f32>;
@group(0) @binding(1) var<storage, read> lambdaRe: array<f32>;
@group(0) @binding(2) var<storage, read> lambdaIm: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> Abar: array<vec2f>;
/// A row of real parts, then a row of imaginary parts, for each mode.
@group(0) @binding(5) var<storage, read_write> Bbar: array<f32>;
@group(0) @binding(6) var<storage, read> gradAbar: array<vec2f>;
@group(0) @binding(7) var<storage, read> gradBbar: array<f32>;
@group(0) @binding(8) var<storage, read_write> gradB: array<vec2f>;
/// Gradient of the factor of B, [mode].
@group(0) @binding(9) var<storage, read_write> ofFactors: array<vec2f>;
@group(0) @binding(10) var<storage, read_write> gradLogDt: array<f32>;
@group(0) @binding(11) var<storage, read_write> gradLambdaRe: array<f32>;
@group(0) @binding(12) var<storage, read_write> gradLambdaIm: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

fn lambdaOf(n: u32) -> vec2f {
#if CLIP
  return vec2f(min(lambdaRe[n], dims.reMax), lambdaIm[n]);
#else
  return vec2f(lambdaRe[n], lambdaIm[n]);
#end
}

@compute @workgroup_size(GROUP)
fn make_system(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = group.x * GROUP + local;
  if (i >= dims.modes * dims.feature) {
    return;
  }
  let n = i / dims.feature;
  let d = i % dims.feature;
  let mode = modeBy(lambdaOf(n), expAccurate(logDt[n]));
  let input = complexMul(mode.zw, B[i]);
  Bbar[2u * n * dims.feature + d] = input.x;
  Bbar[(2u * n + 1u) * dims.feature + d] = input.y;
  if (d == 0u) {
    Abar[n] = mode.xy;
  }
}

@compute @workgroup_size(GROUP)
fn back_to_inputs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let n = group.x;
  let factor = modeBy(lambdaOf(n), expAccurate(logDt[n])).zw;
  var ofFactor = vec2f(0.0);
  for (var d = local; d < dims.feature; d += GROUP) {
    let i = n * dims.feature + d;
    let row = 2u * n * dims.feature + d;
    let ofBbar = vec2f(gradBbar[row], gradBbar[row + dims.feature]);
    gradB[i] = complexMul(complexConj(factor), ofBbar);
    ofFactor += complexMul(complexConj(B[i]), ofBbar);
  }
  let re = rowSum(local, ofFactor.x);
  let im = rowSum(local, ofFactor.y);
  if (local == 0u) {
    ofFactors[n] = vec2f(re, im);
  }
}

@compute @workgroup_size(GROUP)
fn back_to_modes(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let n = group.x * GROUP + local;
  if (n >= dims.modes) {
    return;
  }
  let lambda = lambdaOf(n);
  let step = expAccurate(logDt[n]);
  let slopes = slopesBy(lambda, step, modeBy(lambda, step).xy);
  let ofLambda = complexMul(complexConj(slopes.abarByLambda), gradAbar[n])
    + complexMul(complexConj(slopes.factorByLambda), ofFactors[n]);
  // Where the minimum holds, lambda does not follow its parameter.
  gradLambdaRe[n] = select(0.0, ofLambda.x, lambda.x == lambdaRe[n]);
  gradLambdaIm[n] = ofLambda.y;
  let ofStep = dot(slopes.abarByStep, gradAbar[n]) + dot(slopes.factorByStep, ofFactors[n]);
  gradLogDt[n] = step * ofStep;
}
