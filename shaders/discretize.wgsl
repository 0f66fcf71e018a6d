// Diagonal systems from their parameters, and the gradients back. One invocation a mode; the
// equations of a mode are in shared/discretize_mode.
#import shared/discretize_mode

struct Dims { feature: u32, state: u32 }

@group(0) @binding(0) var<storage, read> logDt: array<f32>;
@group(0) @binding(1) var<storage, read> logDecay: array<f32>;
@group(0) @binding(2) var<storage, read> frequency: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> Abar: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> Bbar: array<vec2f>;
@group(0) @binding(6) var<storage, read> gradAbar: array<vec2f>;
@group(0) @binding(7) var<storage, read> gradBbar: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> gradLogDecay: array<f32>;
@group(0) @binding(9) var<storage, read_write> gradFrequency: array<f32>;
@group(0) @binding(10) var<storage, read_write> gradB: array<vec2f>;
// What each mode adds to the gradient of its feature's logDt, [state, feature].
@group(0) @binding(11) var<storage, read_write> steps: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn discretize_modes(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = group.x * GROUP + local;
  if (i < dims.feature * dims.state) {
    let lambda = vec2f(-expAccurate(logDecay[i]), frequency[i]);
    let mode = discretizeMode(lambda, expAccurate(logDt[i / dims.state]));
    Abar[i] = mode.xy;
    Bbar[i] = complexMul(mode.zw, B[i]);
  }
}

@compute @workgroup_size(GROUP)
fn discretize_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = group.x * GROUP + local;
  if (i >= dims.feature * dims.state) {
    return;
  }
  let lambda = vec2f(-expAccurate(logDecay[i]), frequency[i]);
  let step = expAccurate(logDt[i / dims.state]);
  let mode = discretizeMode(lambda, step);
  let slopes = slopesOfMode(lambda, step, mode.xy);
  gradB[i] = complexMul(complexConj(mode.zw), gradBbar[i]);
  let ofFactor = complexMul(complexConj(B[i]), gradBbar[i]);
  let ofLambda = complexMul(complexConj(slopes.abarByLambda), gradAbar[i])
    + complexMul(complexConj(slopes.factorByLambda), ofFactor);
  gradLogDecay[i] = ofLambda.x * lambda.x;
  gradFrequency[i] = ofLambda.y;
  let ofStep = dot(slopes.abarByStep, gradAbar[i]) + dot(slopes.factorByStep, ofFactor);
  steps[i % dims.state * dims.feature + i / dims.state] = step * ofStep;
}
