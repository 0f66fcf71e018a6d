// Parts of the last axis: part p of a row is x[FIRSTp .. ENDp), and the way back puts the parts
// together. One invocation moves one Element; rows and parts are whole numbers of Elements.
// Sizes count Elements and are baked in, so that the divisions by WIDTH become multiplications.
#import shared/bounds
#import shared/vector

struct Dims { count: u32 }

#if BACK
@group(0) @binding(0) var<storage, read_write> x: array<Element>;
#for p in 0..PARTS
@group(0) @binding(${p + 1}) var<storage, read> part${p}: array<Element>;
#end
#else
@group(0) @binding(0) var<storage, read> x: array<Element>;
#for p in 0..PARTS
@group(0) @binding(${p + 1}) var<storage, read_write> part${p}: array<Element>;
#end
#end
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn move_parts(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let row = i / WIDTH;
  let column = i % WIDTH;
#for p in 0..PARTS
  if (column >= FIRST${p} && column < END${p}) {
    let at${p} = row * (END${p} - FIRST${p}) + column - FIRST${p};
#if BACK
    x[i] = part${p}[at${p}];
#else
    part${p}[at${p}] = x[i];
#end
  }
#end
}
