// Softmax of rows, optionally causal, with the log of the sum. One workgroup a row.
#import shared/bounds
#import shared/row_max
#import shared/row_sum

struct Dims { rows: u32, width: u32, queries: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(3) var<storage, read> gradY: array<f32>;
@group(0) @binding(4) var<storage, read> gradLogSumExp: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradX: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Below every finite f32 that a row may hold after scaling.
const LOWEST = -3.4028234e38;

/// Columns of a row that count; the others get weight zero.
fn visible(row: u32) -> u32 {
#if CAUSAL
  return row % dims.queries + 1u + dims.width - dims.queries;
#else
  return dims.width;
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
  if (row >= dims.rows) {
    return;
  }
  let start = row * dims.width;
  let count = visible(row);
  var largest = LOWEST;
  for (var i = local; i < count; i += GROUP) {
    largest = max(largest, dims.scale * x[start + i]);
  }
  let top = rowMax(local, largest);
  var sum = 0.0;
  for (var i = local; i < count; i += GROUP) {
    sum += exp(dims.scale * x[start + i] - top);
  }
  let total = rowSum(local, sum);
  for (var i = local; i < dims.width; i += GROUP) {
    // The index stays inside the row also where the value is not used.
    let weight = exp(dims.scale * x[start + min(i, count - 1u)] - top) / total;
    y[start + i] = select(0.0, weight, i < count);
  }
  if (local == 0u) {
    logSumExp[row] = top + log(total);
  }
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
  let start = row * dims.width;
  var sum = 0.0;
  for (var i = start + local; i < start + dims.width; i += GROUP) {
    sum += gradY[i] * y[i];
  }
  let shift = gradLogSumExp[row] - rowSum(local, sum);
  for (var i = start + local; i < start + dims.width; i += GROUP) {
    gradX[i] = dims.scale * y[i] * (gradY[i] + shift);
  }
}
