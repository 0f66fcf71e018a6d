// Elements dropped by a hash: out[i] = scale x[i] where hash(seed, step, i) >= threshold, else 0.
// One invocation an element. `key` is the hash of seed and step; src/ops/dropout.ts defines it. The
// way back is the same of the gradient.
#import shared/bounds

struct Dims { count: u32, key: u32, threshold: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// 2^32 over the golden ratio: the hash of 0 alone is 0.
const GOLDEN_GAMMA = 0x9e3779b9u;

/// The finaliser of MurmurHash3.
fn mix(value: u32) -> u32 {
  var h = value;
  h ^= h >> 16u;
  h *= 0x85ebca6bu;
  h ^= h >> 13u;
  h *= 0xc2b2ae35u;
  return h ^ (h >> 16u);
}

@compute @workgroup_size(GROUP)
fn drop(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let isKept = mix(dims.key ^ mix(i + GOLDEN_GAMMA)) >= dims.threshold;
    out[i] = select(0.0, x[i] * dims.scale, isKept);
  }
}
