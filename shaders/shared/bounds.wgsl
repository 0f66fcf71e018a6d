// Linear indices of invocations and workgroups that were spread over two axes.

/// Index of a workgroup among all of a dispatch.
fn groupIndex(group: vec3u, groups: vec3u) -> u32 {
  return group.y * groups.x + group.x;
}

/// Index of an invocation among all of a dispatch, `size` invocations a group.
fn elementIndex(group: vec3u, groups: vec3u, local: u32, size: u32) -> u32 {
  return groupIndex(group, groups) * size + local;
}
