// The pass of state-space duality that gives y (apply_chunks): of the state before each chunk, and
// of the chunk's own samples. Equations, bindings and what BACK changes: ssd.wgsl.

/// Shares of neighbours in the dots of their rows.
var<workgroup> shares: array<f32, ROWS * 8u>;

/// Slots of both sides of the outputs of the state before the chunk: states are the terms.
fn fetchFar(place: Place, local: u32, first: u32, row: u32, four: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
    let slot = leftSlot(local, ${i}u);
    let n = place.group * dims.states + first + slot.x;
    staged.left${i} = turnedC[n * (CHUNK / 4u) + row / 4u + slot.y];
  }
#end
#for i in 0..8 * VECTORS * STEPS / ROWS
  staged.right${i} = stateOf(place.index, rightSlot(local, ${i}u), first, four);
#end
  return staged;
}

/// Four features of a state of a block; 0 past the last.
fn stateOf(index: u32, slot: vec2u, first: u32, four: u32) -> vec4f {
  let at = index * blockSize() + (first + slot.x) * dims.fours + four + slot.y;
#if WHOLE
  return befores[at];
#else
  if (four + slot.y < dims.fours) {
    return befores[at];
  }
  return vec4f();
#end
}

#if HAS_RUNS
/// The right slots of the state before the run.
struct Carried {
#for i in 0..8 * VECTORS * STEPS / ROWS
  right${i}: vec4f,
#end
}

fn fetchCarried(run: u32, local: u32, first: u32, four: u32) -> Carried {
  var carried = Carried();
#for i in 0..8 * VECTORS * STEPS / ROWS
  carried.right${i} = stateOf(run, rightSlot(local, ${i}u), first, four);
#end
  return carried;
}

/// Keeps the state before the chunk, with what is left of that before its run.
fn keepStates(local: u32, staged: Staged, carried: Carried, lead: f32) {
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlot(local, ${i}u);
    right[slot.x][slot.y] = staged.right${i} + lead * carried.right${i};
  }
#end
}
#end

/// Slots of both sides of the outputs of the chunk's own samples, which are the terms.
fn fetchNear(place: Place, local: u32, first: u32, row: u32, four: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
    let slot = leftSlot(local, ${i}u);
    let at = (place.group * CHUNK + first + slot.x) * (CHUNK / 4u) + row / 4u + slot.y;
    staged.left${i} = pairs[at];
  }
#end
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlot(local, ${i}u);
    staged.right${i} = featuresOf0(place, first + slot.x, four + slot.y);
  }
#end
  return staged;
}

/// Keeps the pairs with the decay between their samples, and 0 where a sum does not take them.
/// `coarse` and `fine` are s of the rows of all slots.
fn keepPairs(local: u32, first: u32, row: u32, staged: Staged, coarse: vec4f, fine: vec4f) {
#for i in 0..STEPS / 4
  {
    let slot = leftSlot(local, ${i}u);
    let j = first + slot.x;
    let here = own[j];
    let rows = vec4u(0u, 1u, 2u, 3u) + row + 4u * slot.y;
#if BACK
    let decay = exp((here.x - coarse) + (here.y - fine));
    left[slot.x][slot.y] = select(vec4f(), decay * staged.left${i}, rows <= vec4u(j));
#else
    let decay = here.z * exp((coarse - here.x) + (fine - here.y));
    left[slot.x][slot.y] = select(vec4f(), decay * staged.left${i}, rows >= vec4u(j));
#end
  }
#end
}

/// Keeps the products of the tile's rows and those of samples1.
fn keepDots(place: Place, local: u32, row: u32, four: u32, tile: Tile, part: u32) {
#for r in 0..8
  {
    let k = row + rowOfTile(local, ${r}u);
    var sum = vec4f();
#for v in 0..VECTORS
    sum += tile.at${r}_${v} * featuresOf1(place, k, four + fourOfTile(local, ${v}u));
#end
    shares[rowOfTile(local, ${r}u) * 8u + local % 8u] = sum.x + sum.y + sum.z + sum.w;
  }
#end
  workgroupBarrier();
  var dot = 0.0;
  for (var i = 0u; i < 8u; i++) {
    dot += shares[local * 8u + i];
  }
  let places = dims.batch * dims.chunks * dims.head;
  dots[(part * places + place.index) * CHUNK + row + local] = dot;
}

@compute @workgroup_size(ROWS)
fn apply_chunks(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let part = workgroup.x / SAMPLE_PARTS % dims.featureParts;
  let row = workgroup.x % SAMPLE_PARTS * ROWS;
  let four = part * COLUMN_FOURS;
  let place = placeOf(workgroup.z, workgroup.x / (SAMPLE_PARTS * dims.featureParts), workgroup.y);
  let run = runAt(workgroup.z, place.chunk / dims.chunksOfRun, workgroup.y);
  stageRates(place, local, ROWS);
#if HAS_NEAR
#if BACK
  let start = row;
  let end = place.count;
#else
  let start = 0u;
  let end = min(place.count, row + ROWS);
#end
  // All states, then the samples from `start` on.
  let terms = dims.states + max(end, start) - start;
#else
  let start = 0u;
  let terms = dims.states;
#end
  let ownRow = row + local / 32u * 32u;
  var tile = Tile();
  var staged = fetchFar(place, local, 0u, row, four);
#if HAS_RUNS
  let lead = befores[(place.index + 1u) * blockSize() - 1u].x;
  var carried = fetchCarried(run, local, 0u, four);
#end
  workgroupBarrier();
#if HAS_NEAR
  // s of the rows of all slots of this invocation.
  let rates0 = own[row + 4u * leftSlot(local, 0u).y];
  let rates1 = own[row + 4u * leftSlot(local, 0u).y + 1u];
  let rates2 = own[row + 4u * leftSlot(local, 0u).y + 2u];
  let rates3 = own[row + 4u * leftSlot(local, 0u).y + 3u];
  let coarse = vec4f(rates0.x, rates1.x, rates2.x, rates3.x);
  let fine = vec4f(rates0.y, rates1.y, rates2.y, rates3.y);
#end
  for (var first = 0u; first < terms; first += STEPS) {
    workgroupBarrier();
    if (first < dims.states) {
      keepLeft(local, staged);
#if HAS_RUNS
      keepStates(local, staged, carried, lead);
#else
      keepRight(local, staged);
#end
#if HAS_NEAR
    } else {
      keepPairs(local, start + first - dims.states, row, staged, coarse, fine);
      keepRight(local, staged);
#end
    }
    workgroupBarrier();
    let next = first + STEPS;
    if (next < dims.states) {
      staged = fetchFar(place, local, next, row, four);
#if HAS_RUNS
      carried = fetchCarried(run, local, next, four);
#end
    }
#if HAS_NEAR
    if (next >= dims.states && next < terms) {
      staged = fetchNear(place, local, start + next - dims.states, row, four);
    }
    // Rows of these neighbours have none of the samples on the other side of the diagonal.
#if BACK
    if (first < dims.states || start + next - dims.states > ownRow) {
#else
    if (first < dims.states || start + first - dims.states < ownRow + 32u) {
#end
      addStaged(local, &tile);
    }
#else
    addStaged(local, &tile);
#end
    if (next == dims.states) {
      reachRows(local, row, &tile);
#if HAS_DOTS
      keepDots(place, local, row, four, tile, part);
#end
    }
  }
#if HAS_NEAR
  let skip = rate[place.index * RATES + CHUNK].y;
#for r in 0..8
  {
    let k = row + rowOfTile(local, ${r}u);
#if BACK
    let weight = own[k].z;
#else
    let weight = 1.0;
#end
#for v in 0..VECTORS
    {
      let column = four + fourOfTile(local, ${v}u);
      let sum = weight * tile.at${r}_${v} + skip * featuresOf0(place, k, column);
      keepOutput(place, k, column, sum);
    }
#end
  }
#end
#end
}

/// Brings what the state before the chunk adds to the samples of the tile.
fn reachRows(local: u32, row: u32, tile: ptr<function, Tile>) {
#for r in 0..8
  {
    let here = own[row + rowOfTile(local, ${r}u)];
#if BACK
    let reach = here.w;
#else
    let reach = exp(here.x + here.y);
#end
#for v in 0..VECTORS
    (*tile).at${r}_${v} *= reach;
#end
  }
#end
}

/// Keeps four features of a sample of the chunk, where they are there.
fn keepOutput(place: Place, k: u32, four: u32, value: vec4f) {
  let row = sampleAt(place, k);
#if WHOLE
  y[row * dims.fours + four] = value;
#else
  if (k >= place.count) {
    return;
  }
#if ALIGNED
  if (four < dims.fours) {
    y[row * dims.fours + four] = value;
  }
#else
#for q in 0..4
  if (4u * four + ${q}u < dims.feature) {
    y[row * dims.feature + 4u * four + ${q}u] = value[${q}];
  }
#end
#end
#end
}
