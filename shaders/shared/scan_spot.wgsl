// Where an invocation on the way back of a scan over chunks stands: one of FEATURES features (its
// `slot`) and one of the LANES shares of that feature's states, PER_LANE of them. The shader that
// imports this declares `dims` with feature, length and chunk.

/// `first` is its first state in the feature, `bank` the feature's first in a bank of all states;
/// `start` is the chunk's first step, `steps` how many it has.
struct Spot { slot: u32, feature: u32, known: bool, first: u32, bank: u32, start: u32, steps: u32 }

fn spotOf(tile: u32, chunk: u32, local: u32) -> Spot {
  let slot = local / LANES;
  let feature = tile * FEATURES + slot;
  let known = feature < dims.feature;
  let start = chunk * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  let bank = select(0u, feature * STATES, known);
  return Spot(slot, feature, known, local % LANES * PER_LANE, bank, start, steps);
}
