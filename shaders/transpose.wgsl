// Swap of the last two axes: out[j, i] = x[i, j] of every matrix. A workgroup carries one tile
// through its memory, whose rows are one element longer so that columns lie in different banks.
#import shared/bounds

struct Dims { tiles: u32, rows: u32, columns: u32, down: u32, across: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

var<workgroup> values: array<f32, TILE * (TILE + 1)>;

@compute @workgroup_size(GROUP)
fn transpose(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let tile = groupIndex(group, groups);
  if (tile < dims.tiles) {
    let i = local / TILE;
    let j = local % TILE;
    let first = tile / (dims.down * dims.across) * dims.rows * dims.columns;
    let top = tile / dims.across % dims.down * TILE;
    let left = tile % dims.across * TILE;
    if (top + i < dims.rows && left + j < dims.columns) {
      values[i * (TILE + 1) + j] = x[first + (top + i) * dims.columns + left + j];
    }
    workgroupBarrier();
    if (left + i < dims.columns && top + j < dims.rows) {
      out[first + (left + i) * dims.rows + top + j] = values[j * (TILE + 1) + i];
    }
  }
}
