// Causal depthwise convolution: one invocation an output, taps unrolled; then the carried state.
#import shared/bounds
#import shared/activation

struct Dims { batch: u32, length: u32, feature: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> x0: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

const PAST = ${WIDTH - 1}u;

/// Input at position `k` of the carried window: the PAST carried inputs, then the sequence.
fn windowAt(b: u32, d: u32, k: u32) -> f32 {
  if (k >= PAST) {
    return u[(b * dims.length + k - PAST) * dims.feature + d];
  }
#if HAS_X0
  return x0[(b * dims.feature + d) * PAST + k];
#else
  return 0.0;
#end
}

@compute @workgroup_size(GROUP)
fn convolve(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.batch * dims.length * dims.feature) {
    return;
  }
  let d = i % dims.feature;
  let k = i / dims.feature % dims.length;
  let b = i / dims.feature / dims.length;
  var sum = 0.0;
#if HAS_BIAS
  sum = bias[d];
#end
#for j in 0..WIDTH
  sum += weight[d * WIDTH + ${j}u] * windowAt(b, d, k + ${j}u);
#end
#if SILU
  y[i] = silu(sum);
#else
  y[i] = sum;
#end
}

@compute @workgroup_size(GROUP)
fn carry_state(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
#if WIDTH > 1
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.batch * dims.feature * PAST) {
    let row = i / PAST;
    state[i] = windowAt(row / dims.feature, row % dims.feature, dims.length + i % PAST);
  }
#end
}
