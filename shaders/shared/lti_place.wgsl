// Where an invocation of lti_scan.wgsl and lti_gradients.wgsl stands: one of PARTS shares of a
// feature's states, FEATURES features to a workgroup, one chunk of one row. With ADJOINT the way
// begins at the last sample.

/// `first` is its first state in a bank, `origin` the chunk's first element of its feature in u. An
/// invocation past the last feature goes along with that.
struct Place {
  feature: u32, known: bool, lane: u32, part: u32, first: u32, origin: u32, steps: u32
}

fn placeOf(group: vec3u, local: u32, chunk: u32) -> Place {
  let lane = local % FEATURES;
  let part = local / FEATURES;
  let wanted = group.x * FEATURES + lane;
  let feature = min(wanted, dims.feature - 1u);
  let start = chunk * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  let first = feature * dims.states + part * STATES_PER_PART;
#if ADJOINT
  let sample = dims.length - 1u - start;
#else
  let sample = start;
#end
  let origin = (group.z * dims.length + sample) * dims.feature + feature;
  return Place(feature, wanted < dims.feature, lane, part, first, origin, steps);
}

/// Whether the invocation's state `s` is one.
fn hasState(place: Place, s: u32) -> bool {
  return place.known && place.part * STATES_PER_PART + s < dims.states;
}

/// Where the chunk's step `k` lies in u and y.
fn elementAt(place: Place, k: u32) -> u32 {
#if ADJOINT
  return place.origin - k * dims.feature;
#else
  return place.origin + k * dims.feature;
#end
}

/// The same of the chunk's last step past that.
fn elementWithin(place: Place, k: u32) -> u32 {
  return elementAt(place, min(k, max(place.steps, 1u) - 1u));
}
