// The passes of a loss of rows. The shader that imports this gives `rowValue(row, first)`, the loss
// of a row, and `rowGradients(row, first, factor)`, which sets the gradient of its prediction times
// a factor and returns that of its target. Both find number j of the prediction by
// `predictionAt(first + j)`, all of which are read before the first `setGradient(first + j, ..)`.
//
// sum_rows       sums of weighted values and of weights over runs of rows, a run a workgroup
// row_values     the value of every row, where the weights want a gradient
// row_gradients  the gradients of every row
//
// An invocation has a row. Where rows are narrow (STAGED) a workgroup brings GROUP of them to its
// memory and back, so that neighbours move neighbouring numbers: apart by a row each, nine columns
// reached a quarter of the device memory's bandwidth on the way back.
#import shared/bounds
#import shared/row_sum

struct Dims { rows: u32, stride: u32, scale: f32, run: u32 }

@group(0) @binding(0) var<storage, read> predictions: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read> total: array<f32>;
@group(0) @binding(5) var<storage, read> gradLoss: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradPredictions: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradTargets: array<f32>;
@group(0) @binding(9) var<storage, read_write> runSums: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

#if STAGED
var<workgroup> tile: array<f32, GROUP * COLUMNS>;

/// Where the prediction of an invocation's row begins.
fn firstOf(row: u32, local: u32) -> u32 {
  return local * COLUMNS;
}

fn predictionAt(i: u32) -> f32 {
  return tile[i];
}

/// Brings the rows from `firstRow` on; every invocation must call it.
fn bringRows(firstRow: u32, local: u32) {
  let last = dims.rows * COLUMNS - 1u;
  let at = firstRow * COLUMNS + local;
#for k in 0..COLUMNS
  let number${k} = predictions[min(at + ${k}u * GROUP, last)];
#end
  // Earlier rows have been read.
  workgroupBarrier();
#for k in 0..COLUMNS
  tile[${k}u * GROUP + local] = number${k};
#end
  workgroupBarrier();
}
#else
fn firstOf(row: u32, local: u32) -> u32 {
  return row * dims.stride;
}

fn predictionAt(i: u32) -> f32 {
  return predictions[i];
}
#end

fn weightOf(row: u32) -> f32 {
#if HAS_WEIGHTS
  return weights[row];
#else
  return 1.0;
#end
}

/// Sums of weighted values and of weights over runs of rows, a run a workgroup.
@compute @workgroup_size(GROUP)
fn sum_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let end = min((group.x + 1u) * dims.run, dims.rows);
  var sum = 0.0;
  var mass = 0.0;
  for (var firstRow = group.x * dims.run; firstRow < end; firstRow += GROUP) {
#if STAGED
    bringRows(firstRow, local);
#end
    let row = firstRow + local;
    if (row < end) {
      let weight = weightOf(row);
      // A missing row may hold NaN, which no weight of zero would multiply away.
      if (weight != 0.0) {
        sum += weight * rowValue(row, firstOf(row, local));
        mass += weight;
      }
    }
  }
  let sumAll = rowSum(local, sum);
  let massAll = rowSum(local, mass);
  if (local == 0u) {
    runSums[2u * group.x] = sumAll;
    runSums[2u * group.x + 1u] = massAll;
  }
}

@compute @workgroup_size(GROUP)
fn row_values(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
#if STAGED
  bringRows(row - local, local);
#end
  if (row < dims.rows) {
    if (weightOf(row) == 0.0) {
      values[row] = 0.0;
    } else {
      values[row] = rowValue(row, firstOf(row, local));
    }
  }
}

#if BACK
fn setGradient(i: u32, gradient: f32) {
#if STAGED
  tile[i] = gradient;
#else
  gradPredictions[i] = gradient;
#end
}

@compute @workgroup_size(GROUP)
fn row_gradients(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
#if STAGED
  bringRows(row - local, local);
#end
  if (row < dims.rows) {
    let first = firstOf(row, local);
    let weight = weightOf(row);
    if (weight == 0.0) {
      for (var j = 0u; j < dims.stride; j++) {
        setGradient(first + j, 0.0);
      }
      gradTargets[row] = 0.0;
    } else {
      gradTargets[row] = rowGradients(row, first, gradLoss[0] / total[0] * weight);
    }
  }
#if STAGED
  workgroupBarrier();
  let at = (row - local) * COLUMNS + local;
#for k in 0..COLUMNS
  if (at + ${k}u * GROUP < dims.rows * COLUMNS) {
    gradPredictions[at + ${k}u * GROUP] = tile[${k}u * GROUP + local];
  }
#end
#end
}
#end
