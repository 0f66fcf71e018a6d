// State-space duality (Mamba-2) in chunks of the length, as matrix products.
//
//   x[k] = exp(a[k]) x[k-1] + w[k] u[k] B[k]^T     y[k] = x[k] C[k] + D u[k]
//
// with a = delta A and w = delta, or a = delta and w = 1 without A. s[k] is the sum of a from the
// chunk's first sample to k, S that of the whole chunk. For a chunk with the state `before` it:
//
//   y[i]  = exp(s[i]) before C[i] + sum over j <= i of exp(s[i] - s[j]) (C[i].B[j]) w[j] u[j]
//   after = exp(S) before + sum over j of exp(S - s[j]) w[j] u[j] B[j]^T
//
// turn_rows     C with the samples of a chunk side by side
// stage_rates   s (as two numbers), w and exp(S - s) of every sample
// score_pairs   C[i].B[j], once for all heads of a group
// reduce_runs   walks over the chunks of a run, whose length all rows and heads together decide,
//               and keeps the state before each, from a start of zero (x0 in the first run)
// carry_runs    where there are several runs: the state before each of them; the final state
// apply_chunks  y, where the state before a chunk is the kept one and what is left of that before
//               its run
//
// The way back is of the same form, and BACK runs it: gradients of y take the place of u, B and C
// are changed for each other, and the walk goes from the last sample to the first:
//
//   gradU[j] = w[j] (exp(S - s[j]) after B[j] + sum over i >= j of exp(s[i] - s[j]) (C[i].B[j])
//              gradY[i]) + D gradY[j]
//
// with `after` the gradient of the state that leaves the chunk. In what follows u, B and C stand
// for what takes their place.
//
// s is two numbers, a multiple of 1/64, of which sums and differences are exact, and the rest,
// which stays small: so a difference of two sums is as near as the sum between them.
//
// States lie as [state, feature]; their number is rounded up to whole stages, features to vec4s.
#import shared/register_tile
#import shared/ssd_chunk

struct Dims {
  batch: u32, length: u32, head: u32, feature: u32, group: u32, state: u32,
  /// `state` rounded up, and vec4s of `feature`.
  states: u32, fours: u32,
  chunks: u32, runs: u32, chunksOfRun: u32,
  /// Workgroups side by side for the features of a head, and for its states.
  featureParts: u32, stateParts: u32
}

#if ALIGNED
alias Row = vec4f;
#else
alias Row = f32;
#end
/// u, and what `dots` multiplies the outputs of the carried state with.
@group(0) @binding(0) var<storage, read> samples0: array<Row>;
@group(0) @binding(1) var<storage, read> samples1: array<Row>;
/// B, by which samples enter the state, and C.
@group(0) @binding(2) var<storage, read> rows0: array<Row>;
@group(0) @binding(3) var<storage, read> rows1: array<Row>;
@group(0) @binding(11) var<storage, read_write> y: array<Row>;
@group(0) @binding(4) var<storage, read> delta: array<f32>;
@group(0) @binding(5) var<storage, read> A: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> x0: array<f32>;
@group(0) @binding(8) var<storage, read_write> state: array<f32>;
/// C as it comes, and turned: [batch, chunk, group, states, CHUNK].
@group(0) @binding(9) var<storage, read> rows: array<f32>;
@group(0) @binding(10) var<storage, read_write> turned: array<vec4f>;
@group(0) @binding(12) var<storage, read> turnedC: array<vec4f>;
/// C[i].B[j] as [batch, chunk, group, j, i].
@group(0) @binding(13) var<storage, read_write> scores: array<vec4f>;
@group(0) @binding(14) var<storage, read> pairs: array<vec4f>;
/// s in 64ths, the rest of s, w, exp(S - s) of a sample: [batch, chunk, head, CHUNK + 1]; the last
/// of a chunk is S, D, A.
@group(0) @binding(15) var<storage, read_write> rates: array<vec4f>;
@group(0) @binding(16) var<storage, read> rate: array<vec4f>;
/// Blocks of states and one vec4 of decays: for [batch, chunk, head], the state before the chunk
/// and the decay from the start of its run; then for [batch, run, head], the state after the run,
/// or before it, and the decay over it.
@group(0) @binding(17) var<storage, read_write> ends: array<vec4f>;
@group(0) @binding(18) var<storage, read> befores: array<vec4f>;
/// Products of samples1 and the outputs of the carried state: [part, batch, chunk, head, CHUNK].
@group(0) @binding(19) var<storage, read_write> dots: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Parts of the samples of a chunk as columns of the scores.
const PAIR_PARTS = ${(CHUNK + 32 * VECTORS - 1) / (32 * VECTORS)}u;
/// The coarse part of a sum is a multiple of one in so many.
const COARSE = 64.0;
/// Heads and pieces of a chunk that a workgroup of stage_rates takes.
const RATE_HEADS = 32u;
const RATE_PIECES = 8u;
/// A decay of this is 0, and 256 of them are still a sum of 64ths without rounding.
const LOG_LEAST = -1000.0;

var<workgroup> pieces: array<vec2f, RATE_HEADS * RATE_PIECES>;
/// The rates of the chunk.
var<workgroup> own: array<vec4f, CHUNK>;
/// Shares of neighbours in the dots of their rows.
var<workgroup> shares: array<f32, ROWS * 8u>;

@compute @workgroup_size(COPY_GROUP)
fn turn_rows(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let e = workgroup.x * COPY_GROUP + local;
  if (e >= dims.states * (CHUNK / 4u)) {
    return;
  }
  let n = e % dims.states;
  let first = workgroup.y * CHUNK + e / dims.states * 4u;
  let batch = workgroup.z / dims.group;
  let group = workgroup.z % dims.group;
  var four = vec4f();
#for q in 0..4
  if (n < dims.state && first + ${q}u < dims.length) {
    let row = (batch * dims.length + first + ${q}u) * dims.group + group;
    four[${q}] = rows[row * dims.state + n];
  }
#end
  let k = e / dims.states * 4u;
  let block = (batch * dims.chunks + workgroup.y) * dims.group + group;
  turned[(block * dims.states + n) * (CHUNK / 4u) + k / 4u] = four;
}

fn stageRates(place: Place, local: u32) {
  for (var k = local; k < CHUNK; k += ROWS) {
    own[k] = rate[place.index * RATES + k];
  }
}

/// Logarithm of the decay of a sample of the chunk, as two numbers, and weight of its input.
fn rateOf(place: Place, k: u32) -> vec3f {
  if (k >= place.count) {
    return vec3f();
  }
  let step = delta[sampleAt(place, k)];
#if HAS_A
  let log = max(step * A[place.head], LOG_LEAST);
  let weight = step;
#else
  let log = max(step, LOG_LEAST);
  let weight = 1.0;
#end
  let coarse = round(log * COARSE) / COARSE;
  return vec3f(coarse, log - coarse, weight);
}

@compute @workgroup_size(RATE_HEADS * RATE_PIECES)
fn stage_rates(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let head = workgroup.x * RATE_HEADS + local % RATE_HEADS;
  let place = placeOf(workgroup.z, workgroup.y, min(head, dims.head - 1u));
  let first = local / RATE_HEADS * (CHUNK / RATE_PIECES);
  var sum = vec2f();
  for (var k = 0u; k < CHUNK / RATE_PIECES; k++) {
    sum += rateOf(place, first + k).xy;
  }
  pieces[local] = sum;
  workgroupBarrier();
  var total = vec2f();
  sum = vec2f();
  for (var piece = 0u; piece < RATE_PIECES; piece++) {
    if (piece == local / RATE_HEADS) {
      sum = total;
    }
    total += pieces[piece * RATE_HEADS + local % RATE_HEADS];
  }
  if (head >= dims.head) {
    return;
  }
  for (var k = 0u; k < CHUNK / RATE_PIECES; k++) {
    let here = rateOf(place, first + k);
    sum += here.xy;
    let tail = exp((total.x - sum.x) + (total.y - sum.y));
    rates[place.index * RATES + first + k] = vec4f(sum, here.z, tail);
  }
  if (first == 0u) {
    var whole = vec4f(total.x + total.y, 0.0, 0.0, 0.0);
#if HAS_D
    whole.y = D[head];
#end
#if HAS_A
    whole.z = A[head];
#end
    rates[place.index * RATES + CHUNK] = whole;
  }
}

/// Slots of both sides of the scores: states are the terms.
fn fetchScores(place: Place, local: u32, first: u32, row: u32, column: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
    let slot = leftSlotTurned(local, ${i}u);
    staged.left${i} = statesOf0(place, row + slot.y, first / 4u + slot.x);
  }
#end
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlotTurned(local, ${i}u);
    staged.right${i} = statesOf1(place, column + slot.y, first / 4u + slot.x);
  }
#end
  return staged;
}

@compute @workgroup_size(ROWS)
fn score_pairs(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let chunk = workgroup.x / (SAMPLE_PARTS * PAIR_PARTS);
  let place = placeOf(workgroup.z, chunk, workgroup.y * (dims.head / dims.group));
  let row = workgroup.x % SAMPLE_PARTS * ROWS;
  let column = workgroup.x / SAMPLE_PARTS % PAIR_PARTS * COLUMNS;
  // Pairs that no sum takes are left as they are.
#if BACK
  if (column > row + ROWS - 1u) {
    return;
  }
#else
  if (row > column + COLUMNS - 1u) {
    return;
  }
#end
  var tile = Tile();
  var staged = fetchScores(place, local, 0u, row, column);
  for (var first = 0u; first < dims.states; first += STEPS) {
    workgroupBarrier();
    keepLeftTurned(local, staged);
    keepRightTurned(local, staged);
    workgroupBarrier();
    if (first + STEPS < dims.states) {
      staged = fetchScores(place, local, first + STEPS, row, column);
    }
    addStaged(local, &tile);
  }
#for r in 0..8
#for v in 0..VECTORS
  if (column / 4u + fourOfTile(local, ${v}u) < CHUNK / 4u) {
    let at = (place.group * CHUNK + row + rowOfTile(local, ${r}u)) * (CHUNK / 4u);
    scores[at + column / 4u + fourOfTile(local, ${v}u)] = tile.at${r}_${v};
  }
#end
#end
}

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
    stageRates(place, local);
#else
    // Loaded before the stores of the block, which it would wait for.
    stageRates(place, local);
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
  stageRates(place, local);
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
