// Outer products within heads of `size` features, and the gradients back.
//
//   out[h, i, j] = a[h, i] b[h, j]
//
// One invocation a product; on the way back one a feature, with both of its gradients.
#import shared/bounds

struct Dims { count: u32, size: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read> gradOut: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradA: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradB: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn multiply(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let p = elementIndex(group, groups, local, GROUP);
  if (p < dims.count) {
    let f = p / dims.size;
    out[p] = a[f] * b[f - f % dims.size + p % dims.size];
  }
}

@compute @workgroup_size(GROUP)
fn multiply_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let f = elementIndex(group, groups, local, GROUP);
  if (f >= dims.count) {
    return;
  }
  let head = f - f % dims.size;
  var ofA = 0.0;
  var ofB = 0.0;
  for (var j = 0u; j < dims.size; j++) {
    ofA += gradOut[f * dims.size + j] * b[head + j];
    ofB += gradOut[(head + j) * dims.size + f - head] * a[head + j];
  }
  gradA[f] = ofA;
  gradB[f] = ofB;
}
