// Rows of a table by number, and the sums of gradients by row.
//
//   out[p, :] = table[ids[p], :]      gradTable[row, :] = sum of gradOut[p, :] where ids[p] is row
//
// gather     one invocation a number of the output
// scatter    a workgroup has one row of the table, GROUP features and one run of positions; the
//            sums of the runs are added after (shared/column_sums), so that nothing is atomic
// clear_ids  numbers of rows have no gradient
#import shared/bounds
#import shared/whole_number

struct Dims { count: u32, feature: u32, vocabulary: u32, positions: u32, run: u32 }

@group(0) @binding(0) var<storage, read> table: array<f32>;
@group(0) @binding(1) var<storage, read> ids: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read> gradOut: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradIds: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// The row of the table at a position.
fn idAt(position: u32) -> u32 {
  return wholeBelow(ids[position], dims.vocabulary);
}

@compute @workgroup_size(GROUP)
fn gather(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    out[i] = table[idAt(i / dims.feature) * dims.feature + i % dims.feature];
  }
}

@compute @workgroup_size(GROUP)
fn clear_ids(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.positions) {
    gradIds[i] = 0.0;
  }
}

/// Bit k of word i: the row of this workgroup stands at position k * GROUP + i of the tile.
var<workgroup> found: array<u32, GROUP>;
const TILE = 32u * GROUP;

/// A workgroup adds one run of positions for one row of the table and GROUP features: it marks
/// where the row stands in a tile of positions, then every invocation adds its feature there.
@compute @workgroup_size(GROUP)
fn scatter(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let blocks = (dims.feature + GROUP - 1u) / GROUP;
  let row = group.x / blocks + group.z * SLICE;
  let column = group.x % blocks * GROUP + local;
  // Uniform over the workgroup, so no invocation misses a barrier.
  if (row >= dims.vocabulary) {
    return;
  }
  let end = min((group.y + 1u) * dims.run, dims.positions);
  var sum = 0.0;
  for (var tile = group.y * dims.run; tile < end; tile += TILE) {
    var word = 0u;
    for (var k = 0u; k < 32u; k++) {
      let position = tile + k * GROUP + local;
      if (position < end) {
        word |= select(0u, 1u << k, idAt(position) == row);
      }
    }
    found[local] = word;
    workgroupBarrier();
    if (column < dims.feature) {
      for (var i = 0u; i < GROUP; i++) {
        var rest = found[i];
        while (rest != 0u) {
          let position = tile + firstTrailingBit(rest) * GROUP + i;
          sum += gradOut[position * dims.feature + column];
          rest &= rest - 1u;
        }
      }
    }
    workgroupBarrier();
  }
  if (column < dims.feature) {
    sums[(group.y * dims.vocabulary + row) * dims.feature + column] = sum;
  }
}
