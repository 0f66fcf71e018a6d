// Sums over rows: sums[part, c] = sum of left[r, c] (times right[r, c]) over the part's rows.

struct Dims { rows: u32, columns: u32, rowsPerPart: u32, stride: u32, offset: u32 }

@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn sum_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let column = (group.z * groups.x + group.x) * GROUP + local;
  if (column >= dims.columns) {
    return;
  }
  let first = group.y * dims.rowsPerPart;
  let end = min(first + dims.rowsPerPart, dims.rows);
  var sum = 0.0;
  for (var row = first; row < end; row++) {
    let at = row * dims.stride + dims.offset + column;
#if HAS_RIGHT
    sum += left[at] * right[at];
#else
    sum += left[at];
#end
  }
  sums[group.y * dims.columns + column] = sum;
}
