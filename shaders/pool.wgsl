// A length as one row: the mean of its positions, or the last of them.
//
// sum_run  sums of runs of the length over `divisor`: the runs first, then their sums
// last     the last position
// spread   back: the gradient of every position, with LAST only of the last one
//
// One invocation a feature: of a run, of a row, of a position.
#import shared/bounds

struct Dims { batch: u32, length: u32, feature: u32, run: u32, divisor: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> gradOut: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradX: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Into [batch, runs, feature].
@compute @workgroup_size(GROUP)
fn sum_run(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  let runs = (dims.length + dims.run - 1u) / dims.run;
  if (i >= dims.batch * runs * dims.feature) {
    return;
  }
  let column = i % dims.feature;
  let first = i / dims.feature % runs * dims.run;
  let b = i / dims.feature / runs;
  var sum = 0.0;
  for (var k = first; k < min(first + dims.run, dims.length); k++) {
    sum += x[(b * dims.length + k) * dims.feature + column];
  }
  out[i] = sum / dims.divisor;
}

@compute @workgroup_size(GROUP)
fn last(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.batch * dims.feature) {
    let row = i / dims.feature * dims.length + dims.length - 1u;
    out[i] = x[row * dims.feature + i % dims.feature];
  }
}

@compute @workgroup_size(GROUP)
fn spread(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.batch * dims.length * dims.feature) {
    return;
  }
  let row = i / dims.feature;
  let gradient = gradOut[row / dims.length * dims.feature + i % dims.feature];
#if LAST
  gradX[i] = select(0.0, gradient, row % dims.length == dims.length - 1u);
#else
  gradX[i] = gradient / dims.divisor;
#end
}
