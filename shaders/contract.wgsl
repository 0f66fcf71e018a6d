// Contraction of queries with matrix states within heads, and the gradients back.
//
//   out[j, h] = sum_i q[h, i] s[h, i, j]
//
// A head has `size` features of q; in the output heads are the fastest axis. One invocation a
// feature of the output; on the way back one a feature of q, with the gradients of its row of s.
#import shared/bounds

struct Dims { count: u32, size: u32, feature: u32 }

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> s: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read> gradOut: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradQ: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradS: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn sum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at = elementIndex(group, groups, local, GROUP);
  if (at >= dims.count) {
    return;
  }
  let heads = dims.feature / dims.size;
  let column = at % dims.feature;
  let first = at - column + column % heads * dims.size;
  let j = column / heads;
  var total = 0.0;
  for (var i = 0u; i < dims.size; i++) {
    total += q[first + i] * s[(first + i) * dims.size + j];
  }
  out[at] = total;
}

@compute @workgroup_size(GROUP)
fn sum_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let f = elementIndex(group, groups, local, GROUP);
  if (f >= dims.count) {
    return;
  }
  let heads = dims.feature / dims.size;
  let column = f % dims.feature;
  let first = f - column + column / dims.size;
  var ofQ = 0.0;
  for (var j = 0u; j < dims.size; j++) {
    let gradient = gradOut[first + j * heads];
    ofQ += gradient * s[f * dims.size + j];
    gradS[f * dims.size + j] = q[f] * gradient;
  }
  gradQ[f] = ofQ;
}
