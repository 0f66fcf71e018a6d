// Rounding to binary16: in place of a number, or as storage of two numbers in a word.
#import shared/bounds

struct Dims { count: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> packed: array<u32>;
@group(1) @binding(0) var<uniform> dims: Dims;

// The largest number of binary16: what lies beyond it would become an infinity.
const HALF_MAX: f32 = 65504.0;

fn pack(a: f32, b: f32) -> u32 {
  return pack2x16float(clamp(vec2f(a, b), vec2f(-HALF_MAX), vec2f(HALF_MAX)));
}

@compute @workgroup_size(GROUP)
fn round_half(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    out[i] = unpack2x16float(pack(x[i], 0.0)).x;
  }
}

@compute @workgroup_size(GROUP)
fn pack_half(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = 2u * elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  var second = 0.0;
  if (i + 1u < dims.count) {
    second = x[i + 1u];
  }
  packed[i / 2u] = pack(x[i], second);
}

@compute @workgroup_size(GROUP)
fn unpack_half(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = 2u * elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let pair = unpack2x16float(words[i / 2u]);
  out[i] = pair.x;
  if (i + 1u < dims.count) {
    out[i + 1u] = pair.y;
  }
}
