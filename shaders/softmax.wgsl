// Softmax of rows, optionally causal, with the log of the sum.
//
//   normalize       one workgroup a row, of any width, swept three times
//   normalize_rows  LANES invocations a row, which hold it in VECTORS registers each (VECTOR is 4,
//                   widths are in fours)
#import shared/bounds
#import shared/lowest
#import shared/vector
#if VECTOR == 4
#import shared/row_lanes
#else
#import shared/row_max
#import shared/row_sum
#end

struct Dims { rows: u32, width: u32, queries: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> y: array<Element>;
@group(0) @binding(2) var<storage, read_write> logSumExp: array<f32>;
@group(0) @binding(3) var<storage, read> gradY: array<Element>;
@group(0) @binding(4) var<storage, read> gradLogSumExp: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradX: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

#if VECTOR == 4
/// Columns of a row that count; the others get weight zero.
fn visible(row: u32) -> u32 {
#if CAUSAL
  return row % dims.queries + 1u + 4u * dims.width - dims.queries;
#else
  return 4u * dims.width;
#end
}

@compute @workgroup_size(GROUP)
fn normalize_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups) * (GROUP / LANES) + local / LANES;
  let source = min(row, dims.rows - 1u);
  let start = source * dims.width;
  let count = visible(source);
  let lane = local % LANES;
  var largest = LOWEST;
#for i in 0..VECTORS
  let vector${i} = lane + ${i}u * LANES;
  let isSeen${i} = 4u * vector${i} + vec4u(0u, 1u, 2u, 3u) < vec4u(count);
  var v${i} = dims.scale * x[start + min(vector${i}, dims.width - 1u)];
  v${i} = select(vec4f(LOWEST), v${i}, isSeen${i});
  largest = max(largest, max(max(v${i}.x, v${i}.y), max(v${i}.z, v${i}.w)));
#end
  let top = laneMax(local, largest);
  var sum = 0.0;
#for i in 0..VECTORS
  v${i} = select(vec4f(0.0), exp(v${i} - top), isSeen${i});
  sum += dot(v${i}, vec4f(1.0));
#end
  let total = laneSum(local, sum);
#for i in 0..VECTORS
  if (row < dims.rows && vector${i} < dims.width) {
    y[start + vector${i}] = v${i} / total;
  }
#end
  if (row < dims.rows && lane == 0u) {
    logSumExp[row] = top + log(total);
  }
}

@compute @workgroup_size(GROUP)
fn normalize_rows_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups) * (GROUP / LANES) + local / LANES;
  let source = min(row, dims.rows - 1u);
  let start = source * dims.width;
  let lane = local % LANES;
  var sum = 0.0;
#for i in 0..VECTORS
  let vector${i} = lane + ${i}u * LANES;
  let v${i} = y[start + min(vector${i}, dims.width - 1u)];
  let g${i} = gradY[start + min(vector${i}, dims.width - 1u)];
  sum += select(0.0, dot(v${i}, g${i}), vector${i} < dims.width);
#end
  let shift = gradLogSumExp[source] - laneSum(local, sum);
#for i in 0..VECTORS
  if (row < dims.rows && vector${i} < dims.width) {
    gradX[start + vector${i}] = dims.scale * v${i} * (g${i} + shift);
  }
#end
}
#else
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
#end
