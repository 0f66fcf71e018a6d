// Some samples of each length by their places: out[b, p] = x[b, at[b, p]].
//
// pick              the samples
// gather_gradients  back: every sample of x looks through the picks of its row
// clear_places      places have no gradient
//
// An invocation has one Element, VECTOR features, and so are sizes.
#import shared/bounds
#import shared/vector
#import shared/whole_number

struct Dims { count: u32, width: u32, length: u32, pick: u32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read> at: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<Element>;
@group(0) @binding(3) var<storage, read> gradOut: array<Element>;
@group(0) @binding(4) var<storage, read_write> gradX: array<Element>;
@group(0) @binding(5) var<storage, read_write> gradAt: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn pick(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let picked = i / dims.width;
    let row = picked / dims.pick * dims.length + wholeBelow(at[picked], dims.length);
    out[i] = x[row * dims.width + i % dims.width];
  }
}

@compute @workgroup_size(GROUP)
fn clear_places(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    gradAt[i] = 0.0;
  }
}

/// Every sample adds the gradients of the picks that took it, in their order.
@compute @workgroup_size(GROUP)
fn gather_gradients(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let sample = i / dims.width;
  let column = i % dims.width;
  let first = sample / dims.length * dims.pick;
  var sum = Element();
  for (var j = first; j < first + dims.pick; j++) {
    if (wholeBelow(at[j], dims.length) == sample % dims.length) {
      sum += gradOut[j * dims.width + column];
    }
  }
  gradX[i] = sum;
}
