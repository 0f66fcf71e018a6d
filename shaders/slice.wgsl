// Range of the last axis: out[row, i] = x[row, start + i]. One invocation an Element of the output.
#import shared/bounds
#import shared/vector

struct Dims { size: u32, width: u32, start: u32, count: u32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> out: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn copy_range(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.size) {
    out[i] = x[i / dims.count * dims.width + dims.start + i % dims.count];
  }
}

/// The way back: rows of `count` into rows of `width`, 0 beside the range.
@compute @workgroup_size(GROUP)
fn spread_range(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.size) {
    let column = i % dims.width;
    let inside = column >= dims.start && column < dims.start + dims.count;
    // The index of a column outside wraps and its value is not used.
    let value = x[i / dims.width * dims.count + column - dims.start];
    out[i] = select(Element(), value, inside);
  }
}
