// Where an invocation of a scan over chunks stands: one of FEATURES features (its `lane`) and one
// share of that feature's states (its `part`), in one chunk of one row of the batch. The shader
// that imports this declares `dims` with feature, length and chunk.

/// `start` is the chunk's first step, `steps` how many it has.
struct Place { feature: u32, known: bool, lane: u32, part: u32, batch: u32, start: u32, steps: u32 }

fn placeOf(group: vec3u, local: u32) -> Place {
  let lane = local % FEATURES;
  let feature = group.x * FEATURES + lane;
  let start = group.y * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  return Place(feature, feature < dims.feature, lane, local / FEATURES, group.z, start, steps);
}
