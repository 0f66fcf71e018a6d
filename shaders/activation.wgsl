// Pointwise nonlinearity: y = act(x), and back: gradX = gradY act'(x).
// One invocation an element; an element is VECTOR values, and so are counts.
#import shared/bounds
#import shared/activation_vector

struct Dims { count: u32, beta: f32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> y: array<Element>;
@group(0) @binding(2) var<storage, read> gradY: array<Element>;
@group(0) @binding(3) var<storage, read_write> gradX: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn activate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    y[i] = actOf(x[i], dims.beta);
  }
}

@compute @workgroup_size(GROUP)
fn activate_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    gradX[i] = gradY[i] * actSlopeOf(x[i], dims.beta);
  }
}
