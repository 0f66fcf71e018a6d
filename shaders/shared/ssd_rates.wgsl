// Passes of state-space duality that prepare its chunks: the decays and weights of their samples
// (stage_rates), C with samples side by side (turn_rows), and the pairs C[i].B[j] (score_pairs).
// Equations, bindings and what BACK changes: ssd.wgsl.

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
