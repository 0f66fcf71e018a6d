// RMS normalisation of groups of features, optionally gated. One workgroup a group.
#import shared/bounds
#import shared/activation
#import shared/row_sum

struct Dims { groups: u32, size: u32, feature: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> gradOut: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradX: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradZ: array<f32>;
@group(0) @binding(7) var<storage, read_write> scaled: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// x, gated already where the gate comes first.
fn gated(i: u32) -> f32 {
#if GATE_FIRST
  return x[i] * silu(z[i]);
#else
  return x[i];
#end
}

@compute @workgroup_size(GROUP)
fn normalize(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups);
  // Uniform over the workgroup, so no invocation misses a barrier.
  if (row >= dims.groups) {
    return;
  }
  let start = row * dims.size;
  var squares = 0.0;
  for (var i = local; i < dims.size; i += GROUP) {
    let v = gated(start + i);
    squares += v * v;
  }
  let mean = rowSum(local, squares) / f32(dims.size);
  let inverse = 1.0 / sqrt(mean + dims.eps);
  for (var i = local; i < dims.size; i += GROUP) {
    let at = start + i;
    var v = gated(at) * inverse;
#if HAS_WEIGHT
    v *= weight[at % dims.feature];
#end
#if GATE_LAST
    v *= silu(z[at]);
#end
    out[at] = v;
  }
}

fn weightAt(i: u32) -> f32 {
#if HAS_WEIGHT
  return weight[i % dims.feature];
#else
  return 1.0;
#end
}

/// gradOut, past the gate where the gate comes last.
fn ungated(i: u32) -> f32 {
#if GATE_LAST
  return gradOut[i] * silu(z[i]);
#else
  return gradOut[i];
#end
}

@compute @workgroup_size(GROUP)
fn normalize_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups);
  if (row >= dims.groups) {
    return;
  }
  let start = row * dims.size;
  var squares = 0.0;
  var along = 0.0;
  for (var i = start + local; i < start + dims.size; i += GROUP) {
    let v = gated(i);
    squares += v * v;
    along += ungated(i) * weightAt(i) * v;
  }
  let inverse = 1.0 / sqrt(rowSum(local, squares) / f32(dims.size) + dims.eps);
  let pull = inverse * inverse * rowSum(local, along) / f32(dims.size);
  for (var i = start + local; i < start + dims.size; i += GROUP) {
    let v = gated(i);
    let gradV = inverse * (ungated(i) * weightAt(i) - v * pull);
#if GATE_FIRST
    gradX[i] = gradV * silu(z[i]);
    gradZ[i] = gradV * x[i] * siluSlope(z[i]);
#else
    gradX[i] = gradV;
#end
#if GATE_LAST
    gradZ[i] = gradOut[i] * v * inverse * weightAt(i) * siluSlope(z[i]);
#end
#if HAS_WEIGHT
    scaled[i] = ungated(i) * v * inverse;
#end
  }
}
