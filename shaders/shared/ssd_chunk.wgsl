// The matrix products over a chunk of state-space duality, for the op and its way back: with B and
// C, u and the gradient of y changed for each other, these are the same. The shader that imports
// this declares `dims` and gives
//
//   inputOf(at)    what enters the state: u, on the way back the gradient of y
//   scaleOf(k)     the factor with which input k enters the state that leaves the chunk
//   enterOf(at)    the row by which it enters: B, on the way back C
//   leaveOf(at)    the row by which the state is read: C, on the way back B
//   stateOf(at)    the state that comes into the chunk
//   termsOf(rest)  how many terms of a staged product to sum where `rest` are left
//   keepState      stores a number of the state that the chunk's own inputs make
//   keepOutput     stores an output: `near` from the chunk's own inputs, `far` from stateOf

/// Terms of a product that are staged at once.
const TILE = 32u;
/// Between rows of a staged right side, so that neighbours lie in other banks.
const STRIDE = TILE + 1u;

/// Left side of a product: [term, row], four rows together.
var<workgroup> left: array<vec4f, TILE * ROW_GROUPS>;
/// The same of a product over the samples of the chunk.
var<workgroup> paired: array<vec4f, CHUNK * ROW_GROUPS>;
/// Right side of a product: [column, term].
var<workgroup> right: array<f32, LANES * COLUMNS * STRIDE>;

/// A workgroup's chunk: first sample, samples, and its index among all chunks and heads.
struct Place { batch: u32, head: u32, start: u32, count: u32, index: u32 }

/// Four rows of each of an invocation's columns.
struct Sums {
#for c in 0..COLUMNS
  of${c}: vec4f,
#end
}

fn placeOf(group: vec3u) -> Place {
  let start = group.x * CHUNK;
  let index = (group.z * dims.chunks + group.x) * dims.head + group.y;
  return Place(group.z, group.y, start, min(CHUNK, dims.length - start), index);
}

fn inputAt(place: Place, k: u32) -> u32 {
  return ((place.batch * dims.length + place.start + k) * dims.head + place.head) * dims.feature;
}

fn rowAt(place: Place, k: u32) -> u32 {
  let g = place.head * dims.group / dims.head;
  return ((place.batch * dims.length + place.start + k) * dims.group + g) * dims.state;
}

/// Adds the product of the staged sides over their first terms.
fn addStaged(local: u32, terms: u32, before: Sums) -> Sums {
  let r = local / LANES;
  let lane = local % LANES;
  var sums = before;
  for (var n = 0u; n < terms; n++) {
#for c in 0..COLUMNS
    sums.of${c} += left[n * ROW_GROUPS + r] * right[(lane + ${c}u * LANES) * STRIDE + n];
#end
  }
  return sums;
}

/// Rows that states are read by, from state `top` on, as a left side.
fn stageLeaving(place: Place, local: u32, top: u32) {
  for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
    let n = top + e % TILE;
    var four = vec4f();
    for (var q = 0u; q < 4u; q++) {
      let k = e / TILE * 4u + q;
      four[q] = select(0.0, leaveOf(rowAt(place, k) + n), n < dims.state && k < place.count);
    }
    left[e % TILE * ROW_GROUPS + e / TILE] = four;
  }
}

/// Products of all rows that states are read by with those by which the samples from `first` on
/// enter.
fn scoresOf(place: Place, local: u32, first: u32) -> Sums {
  var scores = Sums();
  for (var top = 0u; top < dims.state; top += TILE) {
    workgroupBarrier();
    for (var e = local; e < TILE * LANES * COLUMNS; e += GROUP) {
      let n = top + e % TILE;
      let k = first + e / TILE;
      let inside = n < dims.state && k < place.count;
      right[e / TILE * STRIDE + e % TILE] = select(0.0, enterOf(rowAt(place, k) + n), inside);
    }
    stageLeaving(place, local, top);
    workgroupBarrier();
    scores = addStaged(local, termsOf(dims.state - top), scores);
  }
  return scores;
}

/// Keeps the state that the chunk's own inputs make.
fn reduceChunk(place: Place, local: u32) {
  let r = local / LANES;
  let lane = local % LANES;
  for (var top = 0u; top < dims.feature; top += 4u * ROW_GROUPS) {
    workgroupBarrier();
    for (var e = local; e < place.count * ROW_GROUPS; e += GROUP) {
      let k = e / ROW_GROUPS;
      var four = vec4f();
      for (var q = 0u; q < 4u; q++) {
        let p = top + e % ROW_GROUPS * 4u + q;
        four[q] = select(0.0, scaleOf(k) * inputOf(inputAt(place, k) + p), p < dims.feature);
      }
      paired[e] = four;
    }
    workgroupBarrier();
    for (var first = lane; first < dims.state; first += LANES * COLUMNS) {
#for c in 0..COLUMNS
      var sum${c} = vec4f();
#end
      for (var k = 0u; k < place.count; k++) {
        let row = rowAt(place, k);
        let four = paired[k * ROW_GROUPS + r];
#for c in 0..COLUMNS
        sum${c} += four * enterOf(row + min(first + ${c}u * LANES, dims.state - 1u));
#end
      }
#for c in 0..COLUMNS
      for (var q = 0u; q < 4u; q++) {
        let p = top + 4u * r + q;
        let n = first + ${c}u * LANES;
        if (p < dims.feature && n < dims.state) {
          keepState((place.index * dims.feature + p) * dims.state + n, sum${c}[q]);
        }
      }
#end
    }
  }
}

/// Keeps the outputs of the chunk: of its inputs by the weights in `paired`, and of the state.
fn applyChunk(place: Place, local: u32) {
  let r = local / LANES;
  let lane = local % LANES;
  for (var first = 0u; first < dims.feature; first += LANES * COLUMNS) {
#for c in 0..COLUMNS
    let p${c} = min(first + ${c}u * LANES + lane, dims.feature - 1u);
    var near${c} = vec4f();
#end
    for (var j = 0u; j < place.count; j++) {
      let at = inputAt(place, j);
#for c in 0..COLUMNS
      near${c} += paired[j * ROW_GROUPS + r] * inputOf(at + p${c});
#end
    }
    var far = Sums();
    for (var top = 0u; top < dims.state; top += TILE) {
      workgroupBarrier();
      for (var e = local; e < TILE * LANES * COLUMNS; e += GROUP) {
        let n = top + e % TILE;
        let p = first + e / TILE;
        let at = (place.index * dims.feature + p) * dims.state + n;
        let inside = n < dims.state && p < dims.feature;
        right[e / TILE * STRIDE + e % TILE] = select(0.0, stateOf(at), inside);
      }
      stageLeaving(place, local, top);
      workgroupBarrier();
      far = addStaged(local, termsOf(dims.state - top), far);
    }
#for c in 0..COLUMNS
    for (var q = 0u; q < 4u; q++) {
      let k = 4u * r + q;
      if (k < place.count && first + ${c}u * LANES + lane < dims.feature) {
        keepOutput(place, k, inputAt(place, k) + p${c}, near${c}[q], far.of${c}[q]);
      }
    }
#end
  }
}
