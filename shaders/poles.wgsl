// Poles lambda = -exp(logDecay) + i frequency, and the gradients back. One invocation a mode.
#import shared/bounds
#import shared/exp

struct Dims { count: u32 }

@group(0) @binding(0) var<storage, read> logDecay: array<f32>;
@group(0) @binding(1) var<storage, read> frequency: array<f32>;
@group(0) @binding(2) var<storage, read_write> lambda: array<vec2f>;
@group(0) @binding(3) var<storage, read> gradLambda: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> gradLogDecay: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradFrequency: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn join(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    lambda[i] = vec2f(-expAccurate(logDecay[i]), frequency[i]);
  }
}

@compute @workgroup_size(GROUP)
fn part(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    gradLogDecay[i] = -expAccurate(logDecay[i]) * gradLambda[i].x;
    gradFrequency[i] = gradLambda[i].y;
  }
}
