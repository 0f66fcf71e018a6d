// Moving average: out = a + share·(b − a). One invocation an Element.
#import shared/bounds
#import shared/vector

struct Dims { count: u32, share: f32 }

@group(0) @binding(0) var<storage, read> a: array<Element>;
@group(0) @binding(1) var<storage, read> b: array<Element>;
@group(0) @binding(2) var<storage, read_write> out: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn blend(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    out[i] = a[i] + dims.share * (b[i] - a[i]);
  }
}
