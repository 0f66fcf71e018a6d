// Rows that several others share, added to each of them: out[i, j] = act(a[i] + b[i, j]).
// An Element is VECTOR features, and so are sizes. On the way there an invocation has an element of
// the output; on the way back one of `a`, whose gradient is the sum over its repetitions.
#import shared/bounds
#import shared/activation_vector

struct Dims { count: u32, width: u32, each: u32 }

@group(0) @binding(0) var<storage, read> a: array<Element>;
@group(0) @binding(1) var<storage, read> b: array<Element>;
@group(0) @binding(2) var<storage, read_write> out: array<Element>;
@group(0) @binding(3) var<storage, read> gradOut: array<Element>;
@group(0) @binding(4) var<storage, read_write> gradA: array<Element>;
@group(0) @binding(5) var<storage, read_write> gradB: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn add_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let row = i / dims.width / dims.each;
    out[i] = actOf(a[row * dims.width + i % dims.width] + b[i], 1.0);
  }
}

@compute @workgroup_size(GROUP)
fn rows_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let own = a[i];
  let first = i / dims.width * dims.each * dims.width + i % dims.width;
  var sum = Element();
  for (var j = 0u; j < dims.each; j++) {
    let at = first + j * dims.width;
    let gradient = gradOut[at] * actSlopeOf(own + b[at], 1.0);
    gradB[at] = gradient;
    sum += gradient;
  }
  gradA[i] = sum;
}
