// What a device can do at most, for the bench's floors: `copy` moves memory, `fused` multiplies and
// adds in registers, `powers` raises 2. The chains are ACCUMULATORS long side by side and unrolled
// BLOCK times, so that issue, not latency or the loop's own cost, is what is measured.
#import shared/bounds

struct Dims { count: u32, turns: u32 }

@group(0) @binding(0) var<storage, read> words: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn copy(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    copied[i] = words[i];
  }
}

@compute @workgroup_size(GROUP)
fn fused(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  #for k in 0..ACCUMULATORS
  var a${k} = f32(i & 15u) * 0.001 + f32(${k}u);
  #end
  for (var turn = 0u; turn < dims.turns; turn++) {
    #for step in 0..BLOCK
    #for k in 0..ACCUMULATORS
    a${k} = fma(a${k}, 0.999, 0.001);
    #end
    #end
  }
  var sum = 0.0;
  #for k in 0..ACCUMULATORS
  sum += a${k};
  #end
  sums[i] = sum;
}

@compute @workgroup_size(GROUP)
fn powers(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  #for k in 0..ACCUMULATORS
  var a${k} = f32(i & 15u) * 0.001 + f32(${k}u) * 0.01;
  #end
  for (var turn = 0u; turn < dims.turns; turn++) {
    #for step in 0..BLOCK
    #for k in 0..ACCUMULATORS
    a${k} = exp2(-a${k});
    #end
    #end
  }
  var sum = 0.0;
  #for k in 0..ACCUMULATORS
  sum += a${k};
  #end
  sums[i] = sum;
}
