// Layer normalisation of rows. One workgroup a row; the variance is summed around the mean.
#import shared/bounds
#import shared/row_sum

struct Dims { rows: u32, feature: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> gradOut: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradX: array<f32>;
@group(0) @binding(6) var<storage, read_write> scaled: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn normalize(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups);
  // Uniform over the workgroup, so no invocation misses a barrier.
  if (row >= dims.rows) {
    return;
  }
  let start = row * dims.feature;
  var sum = 0.0;
  for (var i = local; i < dims.feature; i += GROUP) {
    sum += x[start + i];
  }
  let mean = rowSum(local, sum) / f32(dims.feature);
  var squares = 0.0;
  for (var i = local; i < dims.feature; i += GROUP) {
    let centred = x[start + i] - mean;
    squares += centred * centred;
  }
  let variance = rowSum(local, squares) / f32(dims.feature);
  let inverse = 1.0 / sqrt(variance + dims.eps);
  for (var i = local; i < dims.feature; i += GROUP) {
    var v = (x[start + i] - mean) * inverse;
#if HAS_WEIGHT
    v *= weight[i];
#end
#if HAS_BIAS
    v += bias[i];
#end
    out[start + i] = v;
  }
}

/// gradOut times the weight.
fn weighted(start: u32, i: u32) -> f32 {
#if HAS_WEIGHT
  return gradOut[start + i] * weight[i];
#else
  return gradOut[start + i];
#end
}

@compute @workgroup_size(GROUP)
fn normalize_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups);
  if (row >= dims.rows) {
    return;
  }
  let start = row * dims.feature;
  let size = f32(dims.feature);
  var sum = 0.0;
  for (var i = local; i < dims.feature; i += GROUP) {
    sum += x[start + i];
  }
  let mean = rowSum(local, sum) / size;
  var squares = 0.0;
  for (var i = local; i < dims.feature; i += GROUP) {
    let centred = x[start + i] - mean;
    squares += centred * centred;
  }
  let inverse = 1.0 / sqrt(rowSum(local, squares) / size + dims.eps);
  var along = 0.0;
  var total = 0.0;
  for (var i = local; i < dims.feature; i += GROUP) {
    let g = weighted(start, i);
    along += g * (x[start + i] - mean) * inverse;
    total += g;
  }
  let alongMean = rowSum(local, along) / size;
  let totalMean = rowSum(local, total) / size;
  for (var i = local; i < dims.feature; i += GROUP) {
    let v = (x[start + i] - mean) * inverse;
    gradX[start + i] = inverse * (weighted(start, i) - totalMean - v * alongMean);
#if HAS_WEIGHT
    scaled[start + i] = gradOut[start + i] * v;
#end
  }
}
