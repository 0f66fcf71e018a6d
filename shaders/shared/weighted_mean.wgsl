// The weighted mean of one value a row, and the gradient of the weights;
// src/ops/_helpers/row_loss.ts defines them.
//
// sum_run           weighted values and weights of a run of rows; a workgroup a run
// fold_runs         the runs' sums, and the mean; one workgroup
// weight_gradients  one invocation a row
#import shared/bounds
#import shared/row_sum

struct Dims { rows: u32, run: u32, runs: u32 }

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> runSums: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> total: array<f32>;
@group(0) @binding(5) var<storage, read_write> correct: array<f32>;
@group(0) @binding(6) var<storage, read> gradLoss: array<f32>;
@group(0) @binding(7) var<storage, read> gradTotal: array<f32>;
@group(0) @binding(8) var<storage, read> gradCorrect: array<f32>;
@group(0) @binding(9) var<storage, read_write> gradWeights: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

#if HAS_HITS
const VALUES = 2u;
const SUMS = 3u;
#else
const VALUES = 1u;
const SUMS = 2u;
#end

@compute @workgroup_size(GROUP)
fn sum_run(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = group.x * dims.run;
  var sum = 0.0;
  var mass = 0.0;
  var hits = 0.0;
  for (var i = first + local; i < min(first + dims.run, dims.rows); i += GROUP) {
#if HAS_WEIGHTS
    let w = weights[i];
#else
    let w = 1.0;
#end
    sum += w * values[VALUES * i];
    mass += w;
#if HAS_HITS
    hits += w * values[VALUES * i + 1u];
#end
  }
  let sumAll = rowSum(local, sum);
  let massAll = rowSum(local, mass);
#if HAS_HITS
  let hitsAll = rowSum(local, hits);
#end
  if (local == 0u) {
    runSums[SUMS * group.x] = sumAll;
    runSums[SUMS * group.x + 1u] = massAll;
#if HAS_HITS
    runSums[SUMS * group.x + 2u] = hitsAll;
#end
  }
}

@compute @workgroup_size(GROUP)
fn fold_runs(@builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  var mass = 0.0;
  var hits = 0.0;
  for (var i = local; i < dims.runs; i += GROUP) {
    sum += runSums[SUMS * i];
    mass += runSums[SUMS * i + 1u];
#if HAS_HITS
    hits += runSums[SUMS * i + 2u];
#end
  }
  let sumAll = rowSum(local, sum);
  let massAll = rowSum(local, mass);
#if HAS_HITS
  let hitsAll = rowSum(local, hits);
#end
  if (local == 0u) {
    // Where every row is missing, the loss is 0.
    let divisor = select(massAll, 1.0, massAll == 0.0);
    loss[0] = select(sumAll / divisor, 0.0, massAll == 0.0);
    total[0] = massAll;
#if HAS_HITS
    correct[0] = hitsAll;
#end
  }
}

@compute @workgroup_size(GROUP)
fn weight_gradients(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.rows) {
    var gradient = 0.0;
    if (weights[i] != 0.0) {
      gradient = gradLoss[0] * (values[VALUES * i] - loss[0]) / total[0] + gradTotal[0];
#if HAS_HITS
      gradient += values[VALUES * i + 1u] * gradCorrect[0];
#end
    }
    gradWeights[i] = gradient;
  }
}
