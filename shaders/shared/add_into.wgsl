// Adds a tensor to another in place: sum[i] += x[i], four floats an invocation where VECTOR is 4.
#import shared/bounds
#import shared/vector

struct Dims { count: u32 }

@group(0) @binding(0) var<storage, read_write> sum: array<Element>;
@group(0) @binding(1) var<storage, read> x: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn add_into(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    sum[i] += x[i];
  }
}
