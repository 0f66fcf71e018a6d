// The two passes of a loss of rows. The shader that imports this gives `rowValue`, the loss of a
// row, and `rowGradients`, which writes the gradient of its prediction times a factor and returns
// that of its target.
#import shared/bounds

struct Dims { rows: u32, stride: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> predictions: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read> total: array<f32>;
@group(0) @binding(5) var<storage, read> gradLoss: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradPredictions: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradTargets: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

fn weightOf(row: u32) -> f32 {
#if HAS_WEIGHTS
  return weights[row];
#else
  return 1.0;
#end
}

@compute @workgroup_size(GROUP)
fn row_values(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.rows) {
    return;
  }
  // A missing row may hold NaN, which no weight of zero would multiply away.
  if (weightOf(row) == 0.0) {
    values[row] = 0.0;
  } else {
    values[row] = rowValue(row);
  }
}

@compute @workgroup_size(GROUP)
fn row_gradients(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.rows) {
    return;
  }
  let weight = weightOf(row);
  if (weight == 0.0) {
    for (var j = row * dims.stride; j < (row + 1u) * dims.stride; j++) {
      gradPredictions[j] = 0.0;
    }
    gradTargets[row] = 0.0;
  } else {
    gradTargets[row] = rowGradients(row, gradLoss[0] / total[0] * weight);
  }
}
