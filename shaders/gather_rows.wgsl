// Rows of one table or of two, one after the other, by number: out[i, :] = [a; b][rows[i], :].
// One invocation a number of the output.
#import shared/bounds
#import shared/whole_number

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
  let row = wholeBelow(rows[i / dims.width], dims.rowsAll);
  let column = i % dims.width;
#if HAS_B
  if (row >= dims.rowsA) {
    out[i] = b[(row - dims.rowsA) * dims.width + column];
    return;
  }
#end
  out[i] = a[row * dims.width + column];
}
