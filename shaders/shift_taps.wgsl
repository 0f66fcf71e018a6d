// The taps of a shift system, newest last, and the gradients back. One invocation a tap.
#import shared/bounds

struct Dims { feature: u32, state: u32 }

@group(0) @binding(0) var<storage, read> B: array<f32>;
@group(0) @binding(1) var<storage, read> C: array<f32>;
@group(0) @binding(2) var<storage, read> D: array<f32>;
@group(0) @binding(3) var<storage, read_write> weight: array<f32>;
@group(0) @binding(4) var<storage, read> gradWeight: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradB: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradC: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradD: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn correlate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.feature * dims.state) {
    return;
  }
  let first = i / dims.state * dims.state;
  let lag = dims.state - 1u - i % dims.state;
  var sum = 0.0;
  for (var n = lag; n < dims.state; n++) {
    sum += C[first + n] * B[first + n - lag];
  }
#if HAS_D
  sum += select(0.0, D[i / dims.state], lag == 0u);
#end
  weight[i] = sum;
}

@compute @workgroup_size(GROUP)
fn back_to_system(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.feature * dims.state) {
    return;
  }
  let n = i % dims.state;
  // The tap at lag 0.
  let newest = i - n + dims.state - 1u;
  var ofB = 0.0;
  for (var lag = 0u; lag < dims.state - n; lag++) {
    ofB += gradWeight[newest - lag] * C[i + lag];
  }
  var ofC = 0.0;
  for (var lag = 0u; lag <= n; lag++) {
    ofC += gradWeight[newest - lag] * B[i - lag];
  }
  gradB[i] = ofB;
  gradC[i] = ofC;
#if HAS_D
  if (n == 0u) {
    gradD[i / dims.state] = gradWeight[newest];
  }
#end
}
