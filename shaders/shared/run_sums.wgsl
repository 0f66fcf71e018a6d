// Sums of runs of rows: target[g, e] = sum of left[r, offset + e] over the `span` rows of run g.
#import shared/bounds

struct Dims { count: u32, size: u32, span: u32, stride: u32, offset: u32 }

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn sum_runs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index < dims.count) {
    let first = index / dims.size * dims.span;
    var sum = 0.0;
    for (var r = first; r < first + dims.span; r++) {
      sum += left[r * dims.stride + dims.offset + index % dims.size];
    }
    sums[index] = sum;
  }
}
