// Step sizes from the input, times the elapsed times of the samples; equations in
// src/ops/timed_steps.ts. An Element is VECTOR features, and so are sizes.
#import shared/bounds
#import shared/activation_vector
#if BACK
#import shared/row_sum
#end

struct Dims { count: u32, width: u32, rows: u32 }

@group(0) @binding(0) var<storage, read> raw: array<Element>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> delta: array<Element>;
@group(0) @binding(3) var<storage, read> gradDelta: array<Element>;
@group(0) @binding(4) var<storage, read_write> gradRaw: array<Element>;
@group(0) @binding(5) var<storage, read_write> gradScale: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

#if BACK
/// A workgroup has a row, so that the sum over its features costs no pass of its own.
@compute @workgroup_size(GROUP)
fn steps_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups);
  // Uniform over the workgroup, so no invocation misses a barrier.
  if (row >= dims.rows) {
    return;
  }
  let elapsed = scale[row];
  var sum = 0.0;
  for (var i = local; i < dims.width; i += GROUP) {
    let at = row * dims.width + i;
    let x = raw[at];
    let gradient = gradDelta[at];
    gradRaw[at] = elapsed * gradient * actSlopeOf(x, 1.0);
    sum += elementSum(gradient * actOf(x, 1.0));
  }
  let all = rowSum(local, sum);
  if (local == 0u) {
    gradScale[row] = all;
  }
}
#else
@compute @workgroup_size(GROUP)
fn time_steps(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    delta[i] = scale[i / dims.width] * actOf(raw[i], 1.0);
  }
}
#end
