// Multiplicative gate: out = y * act(z), or first half * act(second half) of rows of y.
// One invocation an element; an element is VECTOR values, and so are sizes.
#import shared/bounds
#import shared/activation_vector

struct Dims { count: u32, width: u32 }

@group(0) @binding(0) var<storage, read> y: array<Element>;
@group(0) @binding(1) var<storage, read> z: array<Element>;
@group(0) @binding(2) var<storage, read_write> out: array<Element>;
@group(0) @binding(3) var<storage, read> gradOut: array<Element>;
@group(0) @binding(4) var<storage, read_write> gradY: array<Element>;
@group(0) @binding(5) var<storage, read_write> gradZ: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn gate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
#if HALVES
    let at = i / dims.width * dims.width + i;
    out[i] = y[at] * actOf(y[at + dims.width], 1.0);
#else
    out[i] = y[i] * actOf(z[i], 1.0);
#end
  }
}

@compute @workgroup_size(GROUP)
fn gate_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
#if HALVES
    let at = i / dims.width * dims.width + i;
    let gated = y[at + dims.width];
    gradY[at] = gradOut[i] * actOf(gated, 1.0);
    gradY[at + dims.width] = gradOut[i] * y[at] * actSlopeOf(gated, 1.0);
#else
    gradY[i] = gradOut[i] * actOf(z[i], 1.0);
    gradZ[i] = gradOut[i] * y[i] * actSlopeOf(z[i], 1.0);
#end
  }
}
