// A sequence after the samples before it, and the last samples of both.
//
// join_samples     all samples, one after the other
// keep_last        the last `past` of them, each feature's side by side
// part_u, part_x0  back: the gradient of a sample is that of its two places
//
// An invocation has one number of what it writes.
#import shared/bounds

struct Dims { count: u32, length: u32, feature: u32, past: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> x0: array<f32>;
@group(0) @binding(2) var<storage, read_write> joined: array<f32>;
@group(0) @binding(3) var<storage, read_write> state: array<f32>;
@group(0) @binding(4) var<storage, read> gradJoined: array<f32>;
@group(0) @binding(5) var<storage, read> gradState: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradX0: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Sample j of the joined sequence of row b and feature d.
fn sampleAt(b: u32, j: u32, d: u32) -> f32 {
  if (j >= dims.past) {
    return u[(b * dims.length + j - dims.past) * dims.feature + d];
  }
#if HAS_X0
  return x0[(b * dims.feature + d) * dims.past + j];
#else
  return 0.0;
#end
}

/// Its gradient: that of its place in the sequence and of its place in the state.
fn gradientAt(b: u32, j: u32, d: u32) -> f32 {
  var sum = gradJoined[(b * (dims.past + dims.length) + j) * dims.feature + d];
  if (j >= dims.length) {
    sum += gradState[(b * dims.feature + d) * dims.past + j - dims.length];
  }
  return sum;
}

@compute @workgroup_size(GROUP)
fn join_samples(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let row = i / dims.feature;
    let samples = dims.past + dims.length;
    joined[i] = sampleAt(row / samples, row % samples, i % dims.feature);
  }
}

@compute @workgroup_size(GROUP)
fn keep_last(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let row = i / dims.past;
    state[i] = sampleAt(row / dims.feature, dims.length + i % dims.past, row % dims.feature);
  }
}

@compute @workgroup_size(GROUP)
fn part_u(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let row = i / dims.feature;
    gradU[i] = gradientAt(row / dims.length, dims.past + row % dims.length, i % dims.feature);
  }
}

@compute @workgroup_size(GROUP)
fn part_x0(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let row = i / dims.past;
    gradX0[i] = gradientAt(row / dims.feature, i % dims.past, row % dims.feature);
  }
}
