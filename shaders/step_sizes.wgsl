// Step sizes dt = scale exp(logDt), and the gradient of the scale. One invocation an element.
#import shared/bounds
#import shared/exp

struct Dims { count: u32, feature: u32 }

@group(0) @binding(0) var<storage, read> logDt: array<f32>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> dt: array<f32>;
@group(0) @binding(3) var<storage, read> gradDt: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradScale: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn spread_steps(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let step = expAccurate(logDt[i % dims.feature]);
#if HAS_SCALE
  dt[i] = scale[i / dims.feature] * step;
#else
  dt[i] = step;
#end
}

/// One invocation a row: the sum over its features.
@compute @workgroup_size(GROUP)
fn scale_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.count) {
    return;
  }
  var sum = 0.0;
  for (var d = 0u; d < dims.feature; d++) {
    sum += gradDt[row * dims.feature + d] * expAccurate(logDt[d]);
  }
  gradScale[row] = sum;
}
