// Rows written into a table by number: next[slots[i], :] = values[i, :], a single row of values
// everywhere. A slot that is no row of the table is padding. One invocation a number of the values.
#import shared/bounds

struct Dims { count: u32, feature: u32, rows: u32, given: u32 }

@group(0) @binding(0) var<storage, read> slots: array<f32>;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read_write> next: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn put(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let column = i % dims.feature;
  let row = select(i / dims.feature, 0u, dims.given == 1u);
  let slot = slots[i / dims.feature];
  if (slot >= 0.0 && slot < f32(dims.rows)) {
    next[u32(slot) * dims.feature + column] = values[row * dims.feature + column];
  }
}
