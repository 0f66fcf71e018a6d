// Layer normalisation of rows; the variance is summed around the mean.
//
//   normalize       one workgroup a row, of any size, swept three times
//   normalize_rows  LANES invocations a row, which hold it in VECTORS registers each (VECTOR is 4,
//                   sizes are in fours); back, a workgroup takes `turns` times as many rows as it
//                   holds at once and leaves one row of each weightShares and biasShares
#import shared/bounds
#import shared/vector
#if VECTOR == 4
#import shared/row_lanes
#else
#import shared/row_sum
#end

struct Dims { rows: u32, feature: u32, turns: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read> weight: array<Element>;
@group(0) @binding(2) var<storage, read> bias: array<Element>;
@group(0) @binding(3) var<storage, read_write> out: array<Element>;
@group(0) @binding(4) var<storage, read> gradOut: array<Element>;
@group(0) @binding(5) var<storage, read_write> gradX: array<Element>;
@group(0) @binding(6) var<storage, read_write> scaled: array<Element>;
@group(0) @binding(7) var<storage, read_write> weightShares: array<Element>;
@group(0) @binding(8) var<storage, read_write> biasShares: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// gradOut times the weight.
fn weighted(start: u32, i: u32) -> Element {
#if HAS_WEIGHT
  return gradOut[start + i] * weight[i];
#else
  return gradOut[start + i];
#end
}

#if VECTOR == 4
@compute @workgroup_size(GROUP)
fn normalize_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups) * (GROUP / LANES) + local / LANES;
  let start = min(row, dims.rows - 1u) * dims.feature;
  let lane = local % LANES;
  let size = f32(4u * dims.feature);
  var sum = 0.0;
#for i in 0..VECTORS
  var v${i} = vec4f(0.0);
  if (lane + ${i}u * LANES < dims.feature) {
    v${i} = x[start + lane + ${i}u * LANES];
    sum += elementSum(v${i});
  }
#end
  let mean = laneSum(local, sum) / size;
  var squares = 0.0;
#for i in 0..VECTORS
  v${i} -= mean;
  squares += select(0.0, dot(v${i}, v${i}), lane + ${i}u * LANES < dims.feature);
#end
  let inverse = 1.0 / sqrt(laneSum(local, squares) / size + dims.eps);
#for i in 0..VECTORS
  if (row < dims.rows && lane + ${i}u * LANES < dims.feature) {
    v${i} *= inverse;
#if HAS_WEIGHT
    v${i} *= weight[lane + ${i}u * LANES];
#end
#if HAS_BIAS
    v${i} += bias[lane + ${i}u * LANES];
#end
    out[start + lane + ${i}u * LANES] = v${i};
  }
#end
}

var<workgroup> slotSums: array<vec4f, GROUP>;

/// The sum of a value over the rows that a workgroup holds at once, in the lanes of the first.
fn slotSum(local: u32, value: vec4f) -> vec4f {
  workgroupBarrier();
  slotSums[local] = value;
  workgroupBarrier();
  for (var half = GROUP / LANES / 2u; half > 0u; half /= 2u) {
    if (local < half * LANES) {
      slotSums[local] += slotSums[local + half * LANES];
    }
    workgroupBarrier();
  }
  return slotSums[local];
}

@compute @workgroup_size(GROUP)
fn normalize_rows_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let size = f32(4u * dims.feature);
#for i in 0..VECTORS
  var weightSum${i} = vec4f(0.0);
  var biasSum${i} = vec4f(0.0);
#end
  for (var turn = 0u; turn < dims.turns; turn++) {
    let row = (groupIndex(group, groups) * dims.turns + turn) * (GROUP / LANES) + local / LANES;
    let start = min(row, dims.rows - 1u) * dims.feature;
    var sum = 0.0;
#for i in 0..VECTORS
    var v${i} = vec4f(0.0);
    var h${i} = vec4f(0.0);
    if (lane + ${i}u * LANES < dims.feature) {
      v${i} = x[start + lane + ${i}u * LANES];
      h${i} = gradOut[start + lane + ${i}u * LANES];
      sum += elementSum(v${i});
    }
#end
    let mean = laneSum(local, sum) / size;
    var squares = 0.0;
#for i in 0..VECTORS
    v${i} -= mean;
    squares += select(0.0, dot(v${i}, v${i}), lane + ${i}u * LANES < dims.feature);
#end
    let inverse = 1.0 / sqrt(laneSum(local, squares) / size + dims.eps);
    var sums = vec2f(0.0);
#for i in 0..VECTORS
    v${i} *= inverse;
#if HAS_WEIGHT
    let g${i} = h${i} * weight[min(lane + ${i}u * LANES, dims.feature - 1u)];
#else
    let g${i} = h${i};
#end
    sums += vec2f(dot(g${i}, v${i}), elementSum(g${i}));
#end
    let means = laneSums(local, sums) / size;
#for i in 0..VECTORS
    if (row < dims.rows && lane + ${i}u * LANES < dims.feature) {
      gradX[start + lane + ${i}u * LANES] = inverse * (g${i} - means.y - v${i} * means.x);
      weightSum${i} += h${i} * v${i};
      biasSum${i} += h${i};
    }
#end
  }
  let share = groupIndex(group, groups) * dims.feature + lane;
#for i in 0..VECTORS
#if HAS_WEIGHT
  let weightShare${i} = slotSum(local, weightSum${i});
  if (local < LANES && lane + ${i}u * LANES < dims.feature) {
    weightShares[share + ${i}u * LANES] = weightShare${i};
  }
#end
#if HAS_BIAS
  let biasShare${i} = slotSum(local, biasSum${i});
  if (local < LANES && lane + ${i}u * LANES < dims.feature) {
    biasShares[share + ${i}u * LANES] = biasShare${i};
  }
#end
#end
}
#else

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
#end
