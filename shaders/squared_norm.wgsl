// Sums of runs of elements or of their squares (SQUARES), the last one with a total that was
// there before. One workgroup a run; `count` and `run` are in Elements.
#import shared/row_sum
#import shared/vector

struct Dims { count: u32, run: u32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read> total: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn sum_run(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = group.x * dims.run;
  var sum = Element();
  for (var i = first + local; i < min(first + dims.run, dims.count); i += GROUP) {
#if SQUARES
    sum += x[i] * x[i];
#else
    sum += x[i];
#end
  }
  var all = rowSum(local, elementSum(sum));
#if HAS_TOTAL
  all += total[0];
#end
  if (local == 0u) {
    sums[group.x] = all;
  }
}
