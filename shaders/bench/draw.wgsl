// Inputs for timing, made where they are used: drawn[i] = low + (high - low) h(i), with h(i) in
// [0, 1) a hash of i; cut to whole numbers for INTEGERS. One invocation an element.
#import shared/bounds

struct Dims { count: u32, low: f32, high: f32 }

@group(0) @binding(0) var<storage, read_write> drawn: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn draw(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    // Two rounds of a multiplicative hash; the top 24 bits are exact as f32.
    var h = (i ^ (i >> 16u)) * 0x7feb352du;
    h = (h ^ (h >> 15u)) * 0x846ca68bu;
    let unit = f32((h ^ (h >> 16u)) >> 8u) / 16777216.0;
    let value = dims.low + (dims.high - dims.low) * unit;
    #if INTEGERS == 1
    drawn[i] = floor(value);
    #else
    drawn[i] = value;
    #end
  }
}
