// A run of words: copied[copiedAt + i] = words[wordsAt + i]. As u32, so that no bit changes.
#import shared/bounds

struct Dims { count: u32, wordsAt: u32, copiedAt: u32 }

@group(0) @binding(0) var<storage, read> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> copied: array<u32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn copy_words(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    copied[dims.copiedAt + i] = words[dims.wordsAt + i];
  }
}
