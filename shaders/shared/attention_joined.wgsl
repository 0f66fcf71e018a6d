// Copies on the way back through attention: keys or values of the call behind the carried ones
// (join_rows), and gradients of the joined rows apart again (part_rows, clear_counts). Bindings and
// sizes: backward/attention.wgsl.
#import shared/bounds

@compute @workgroup_size(COPY_GROUP)
fn join_rows(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(workgroup, workgroups, local, COPY_GROUP);
  let width = dims.group * dims.size;
  let count = dims.lead + dims.length;
  if (i >= dims.batch * count * width) {
    return;
  }
  let batch = i / width / count;
  let place = i / width % count;
#if HAS_PAST
  if (place < dims.lead) {
    joined[i] = before[(batch * dims.lead + place) * width + i % width];
    return;
  }
#end
  joined[i] = rows[(batch * dims.length + place - dims.lead) * width + i % width];
}

@compute @workgroup_size(COPY_GROUP)
fn part_rows(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(workgroup, workgroups, local, COPY_GROUP);
  let width = dims.group * dims.size;
  let count = dims.lead + dims.length;
  if (i >= dims.batch * count * width) {
    return;
  }
  let batch = i / width / count;
  let place = i / width % count;
  var sum = joinedGradients[i];
  // The carried state holds the last `past` rows.
  if (place + dims.past >= count) {
    sum += copies[(batch * dims.past + place + dims.past - count) * width + i % width];
  }
#if HAS_PAST
  if (place < dims.lead) {
    gradBefore[(batch * dims.lead + place) * width + i % width] = sum;
    return;
  }
#end
  gradRows[(batch * dims.length + place - dims.lead) * width + i % width] = sum;
}

@compute @workgroup_size(COPY_GROUP)
fn clear_counts(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(workgroup, workgroups, local, COPY_GROUP);
  if (i < dims.batch) {
    gradSeen0[i] = 0.0;
  }
}
