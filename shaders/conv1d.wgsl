// Causal depthwise convolution: one invocation an output, taps unrolled; then the carried state.
// Back: slopes = gradY act' first; then every input gathers what it gave to the outputs.
#import shared/bounds
#import shared/activation

struct Dims { batch: u32, length: u32, feature: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> x0: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;
@group(0) @binding(6) var<storage, read> gradY: array<f32>;
@group(0) @binding(7) var<storage, read> gradState: array<f32>;
@group(0) @binding(8) var<storage, read_write> slopes: array<f32>;
@group(0) @binding(9) var<storage, read_write> taps: array<f32>;
@group(0) @binding(10) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(11) var<storage, read_write> gradX0: array<f32>;
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

/// The output at a position before the activation.
fn linearAt(i: u32) -> f32 {
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
  return sum;
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
  let sum = linearAt(i);
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

@compute @workgroup_size(GROUP)
fn find_slopes(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.batch * dims.length * dims.feature) {
#if SILU
    slopes[i] = gradY[i] * siluSlope(linearAt(i));
#else
    slopes[i] = gradY[i];
#end
  }
}

/// Gradient of position `k` of the window.
fn gradWindowAt(b: u32, d: u32, k: u32) -> f32 {
  var sum = 0.0;
#for j in 0..WIDTH
  // Before the first output the subtraction wraps to a huge number, which is past the last too.
  let output${j} = k - ${j}u;
  if (output${j} < dims.length) {
    sum += weight[d * WIDTH + ${j}u] * slopes[(b * dims.length + output${j}) * dims.feature + d];
  }
#end
#if WIDTH > 1
  if (k >= dims.length) {
    sum += gradState[(b * dims.feature + d) * PAST + k - dims.length];
  }
#end
  return sum;
}

@compute @workgroup_size(GROUP)
fn back_to_inputs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.batch * dims.length * dims.feature) {
    let k = i / dims.feature % dims.length;
    gradU[i] = gradWindowAt(i / dims.feature / dims.length, i % dims.feature, k + PAST);
  }
}

@compute @workgroup_size(GROUP)
fn back_to_state(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
#if WIDTH > 1
  if (i < dims.batch * dims.feature * PAST) {
    let row = i / PAST;
    gradX0[i] = gradWindowAt(row / dims.feature, row % dims.feature, i % PAST);
  }
#end
}

/// taps[part, d, j]: the products of slopes and inputs over TAP_ROWS rows of batch and time.
@compute @workgroup_size(GROUP)
fn sum_taps(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  let width = dims.feature * WIDTH;
  let rows = dims.batch * dims.length;
  let first = i / width * TAP_ROWS;
  if (first >= rows) {
    return;
  }
  let d = i % width / WIDTH;
  let j = i % WIDTH;
  var sum = 0.0;
  for (var row = first; row < min(first + TAP_ROWS, rows); row++) {
    let input = windowAt(row / dims.length, d, row % dims.length + j);
    sum += slopes[row * dims.feature + d] * input;
  }
  taps[i] = sum;
}
