// What a subgroup is on this device, seen from inside: one row of four words an invocation.
//
//   rows[i] = (subgroup's size, lane, sum of the indices in the subgroup, index of the lane beside)

@group(0) @binding(0) var<storage, read_write> rows: array<vec4u>;

@compute @workgroup_size(INVOCATIONS)
fn probe(
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_size) size: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  rows[index] = vec4u(size, lane, subgroupAdd(index), subgroupShuffleXor(index, 1u));
}
