// Damped averages as a diagonal system, and the gradients back. One invocation an average;
// src/ops/ema_system.ts has the equations.
#import shared/activation
#import shared/bounds

struct Dims { count: u32 }

@group(0) @binding(0) var<storage, read> alpha: array<f32>;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read_write> A: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> B: array<vec2f>;
@group(0) @binding(5) var<storage, read> gradA: array<vec2f>;
@group(0) @binding(6) var<storage, read> gradB: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> gradAlpha: array<f32>;
@group(0) @binding(8) var<storage, read_write> gradDelta: array<f32>;
@group(0) @binding(9) var<storage, read_write> gradBeta: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Terms of the series below p = 1/2: the last is 2^-24 of the first.
const SERIES_TERMS = 24u;

/// r = -log(1 - p) / p in x, dr/dp in y.
fn holdOf(p: f32, kept: f32) -> vec2f {
  if (p >= 0.5) {
    let r = -log(kept) / p;
    return vec2f(r, (1.0 / kept - r) / p);
  }
  var r = 0.0;
  var slope = 0.0;
  for (var n = SERIES_TERMS; n >= 1u; n--) {
    r = r * p + 1.0 / f32(n);
    if (n > 1u) {
      slope = slope * p + f32(n - 1u) / f32(n);
    }
  }
  return vec2f(r, slope);
}

@compute @workgroup_size(GROUP)
fn make_system(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let share = sigmoid(alpha[i]);
    let p = share * sigmoid(delta[i]);
    let kept = sigmoid(-alpha[i]) + share * sigmoid(-delta[i]);
#if CONTINUOUS
    let r = holdOf(p, kept).x;
    A[i] = vec2f(-p * r, 0.0);
    B[i] = vec2f(share * beta[i] * r, 0.0);
#else
    A[i] = vec2f(kept, 0.0);
    B[i] = vec2f(share * beta[i], 0.0);
#end
  }
}

@compute @workgroup_size(GROUP)
fn ema_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let share = sigmoid(alpha[i]);
    let damping = sigmoid(delta[i]);
    let ofA = gradA[i].x;
    let ofB = gradB[i].x;
#if CONTINUOUS
    let kept = sigmoid(-alpha[i]) + share * sigmoid(-delta[i]);
    let hold = holdOf(share * damping, kept);
    let ofP = -ofA / kept + ofB * share * beta[i] * hold.y;
    let ofW = ofB * hold.x;
#else
    let ofP = -ofA;
    let ofW = ofB;
#end
    gradAlpha[i] = share * sigmoid(-alpha[i]) * (ofP * damping + ofW * beta[i]);
    gradDelta[i] = ofP * share * damping * sigmoid(-delta[i]);
    gradBeta[i] = ofW * share;
  }
}
