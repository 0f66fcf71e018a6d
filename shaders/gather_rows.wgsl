// Rows of one table or of two, by number; see src/ops/gather_rows.ts.
#import shared/bounds

struct Dims { count: u32, width: u32, rowsA: u32, rowsAll: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn gather(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let last = f32(dims.rowsAll - 1u);
  let row = u32(clamp(floor(rows[i / dims.width] + 0.5), 0.0, last));
  let column = i % dims.width;
#if HAS_B
  if (row >= dims.rowsA) {
    out[i] = b[(row - dims.rowsA) * dims.width + column];
    return;
  }
#end
  out[i] = a[row * dims.width + column];
}
