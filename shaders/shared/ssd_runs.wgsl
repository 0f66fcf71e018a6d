// Passes of state-space duality that carry the state from chunk to chunk: along each run of chunks
// (reduce_runs), then from run to run (carry_runs). Equations, bindings and what BACK changes:
// ssd.wgsl.

/// Slots of both sides of what a chunk's inputs add to the state: samples are the terms.
fn fetchInputs(place: Place, local: u32, first: u32, row: u32, four: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
    let slot = leftSlot(local, ${i}u);
    staged.left${i} = statesOf0(place, first + slot.x, row / 4u + slot.y);
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

/// Keeps the inputs, each with what is left of it at the end of the chunk.
fn keepInputs(local: u32, first: u32, staged: Staged) {
  keepLeft(local, staged);
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlot(local, ${i}u);
    let here = own[first + slot.x];
#if BACK
    let scale = exp(here.x + here.y);
#else
    let scale = here.z * here.w;
#end
    right[slot.x][slot.y] = scale * staged.right${i};
  }
#end
}

@compute @workgroup_size(ROWS)
fn reduce_runs(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let run = workgroup.x / (dims.stateParts * dims.featureParts);
  let row = workgroup.x % dims.stateParts * ROWS;
  let four = workgroup.x / dims.stateParts % dims.featureParts * COLUMN_FOURS;
  let firstChunk = run * dims.chunksOfRun;
  let count = min(dims.chunksOfRun, dims.chunks - firstChunk);
#if BACK
  let isFirst = run == dims.runs - 1u;
#else
  let isFirst = run == 0u;
#end
  var tile = Tile();
#if HAS_X0
  if (isFirst) {
    let carried = (workgroup.z * dims.head + workgroup.y) * dims.feature;
#for r in 0..8
#for v in 0..VECTORS
#for q in 0..4
    {
      let n = row + rowOfTile(local, ${r}u);
      let p = 4u * (four + fourOfTile(local, ${v}u)) + ${q}u;
      if (n < dims.state && p < dims.feature) {
        tile.at${r}_${v}[${q}] = x0[(carried + p) * dims.state + n];
      }
    }
#end
#end
#end
  }
#end
  // Nothing decays from before the first run: what it starts from is in its states.
  var lead = select(1.0, 0.0, isFirst);
#if HAS_RUNS
  // Once more after the last chunk, for the state after the run.
  for (var c = 0u; c <= count; c++) {
    let step = min(c, count - 1u);
#else
  for (var step = 0u; step < count; step++) {
#end
#if BACK
    let place = placeOf(workgroup.z, firstChunk + count - 1u - step, workgroup.y);
#else
    let place = placeOf(workgroup.z, firstChunk + step, workgroup.y);
#end
    var staged = fetchInputs(place, local, 0u, row, four);
#if HAS_RUNS
    let index = select(place.index, runAt(workgroup.z, run, workgroup.y), c == count);
    keepBlock(local, index, row, four, tile, lead);
    if (c == count) {
      break;
    }
    stageRates(place, local, ROWS);
#else
    // Loaded before the stores of the block, which it would wait for.
    stageRates(place, local, ROWS);
    keepBlock(local, place.index, row, four, tile, lead);
#end
    let decay = exp(rate[place.index * RATES + CHUNK].x);
    lead *= decay;
    scaleTile(&tile, decay);
    for (var first = 0u; first < place.count; first += STEPS) {
      workgroupBarrier();
      keepInputs(local, first, staged);
      workgroupBarrier();
      if (first + STEPS < place.count) {
        staged = fetchInputs(place, local, first + STEPS, row, four);
      }
      addStaged(local, &tile);
    }
  }
#if HAS_STATE
  // There is one run, so this is the final state.
  let lastRow = (workgroup.z * dims.head + workgroup.y) * dims.feature;
#for v in 0..VECTORS
#for q in 0..4
  {
    let p = 4u * (four + fourOfTile(local, ${v}u)) + ${q}u;
#for r in 0..8
    {
      let n = row + rowOfTile(local, ${r}u);
      if (n < dims.state && p < dims.feature) {
        state[(lastRow + p) * dims.state + n] = tile.at${r}_${v}[${q}];
      }
    }
#end
  }
#end
#end
#end
}

/// Keeps a workgroup's part of a block of states, and the decay that goes with it.
fn keepBlock(local: u32, index: u32, row: u32, four: u32, tile: Tile, decay: f32) {
#for r in 0..8
#for v in 0..VECTORS
  {
    let n = row + rowOfTile(local, ${r}u);
    let column = four + fourOfTile(local, ${v}u);
#if !WHOLE
    if (n < dims.states && column < dims.fours) {
#end
      ends[index * blockSize() + n * dims.fours + column] = tile.at${r}_${v};
#if !WHOLE
    }
#end
  }
#end
#end
  if (local == 0u && row == 0u && four == 0u) {
    ends[index * blockSize() + blockSize() - 1u] = vec4f(decay);
  }
}

@compute @workgroup_size(COPY_GROUP)
fn carry_runs(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let e = workgroup.x * COPY_GROUP + local;
  if (e >= blockSize() - 1u) {
    return;
  }
  var carried = vec4f();
  for (var r = 0u; r < dims.runs; r++) {
#if BACK
    let block = runAt(workgroup.z, dims.runs - 1u - r, workgroup.y) * blockSize();
#else
    let block = runAt(workgroup.z, r, workgroup.y) * blockSize();
#end
    let end = ends[block + e];
    ends[block + e] = carried;
    carried = ends[block + blockSize() - 1u].x * carried + end;
  }
#if HAS_STATE
  let n = e / dims.fours;
#for q in 0..4
  {
    let p = e % dims.fours * 4u + ${q}u;
    if (n < dims.state && p < dims.feature) {
      let row = (workgroup.z * dims.head + workgroup.y) * dims.feature + p;
      state[row * dims.state + n] = carried[${q}];
    }
  }
#end
#end
}
