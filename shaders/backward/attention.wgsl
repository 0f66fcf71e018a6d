// Gradients of causal softmax attention over a window of keys, as products of tiles.
//
//   p[i, j]     = exp(score[i, j] - logSum[i])
//   slope[i, j] = scale p[i, j] (gradY[i].v[j] - gradY[i].y[i])
//   gradQ[i]    = sum of slope[i, j] R(j - i) k[j]
//   gradK[j]    = sum of slope[i, j] R(i - j) q[i]       gradV[j] = sum of p[i, j] gradY[i]
//
// join_rows   keys or values of the call behind the carried ones
// sum_scores  logSum, gradY.y and the first key of every query
// reach       a workgroup holds ROWS queries of a head and walks over their keys, which gives
//             gradQ; or it holds ROWS keys and walks over the queries that see them, of all heads
//             of the keys' group, which gives gradK (OF_KEYS) or gradV (OF_VALUES)
// part_rows   gradients of the joined rows apart, with those of the copies in the carried state
//             (clear_counts: the count of carried samples has none)
//
// Weights are found again from the sums, so that no matrix of them is stored. A walk takes 32
// samples at a time: their scores, and where slopes are wanted gradY.v, are narrow tiles, of which
// an invocation keeps 8 rows and 4 columns; what they give stands in the place of a left side and
// adds to the COLUMNS features of the result that a workgroup gives. Rotary positions turn queries
// and keys against the first sample of the held tile; its sums are turned back at the end, so no
// angle grows with the length.
#import shared/attention_joined
#import shared/attention_tiles
#import shared/register_tile

struct Dims {
  batch: u32, length: u32, head: u32, group: u32, size: u32, past: u32, lead: u32, parts: u32,
  /// A row in elements of its buffer, and in vec4s.
  row: u32, fours: u32, scale: f32
}

#if ALIGNED
alias Row = vec4f;
#else
alias Row = f32;
#end
/// Queries, gradY and y.
@group(0) @binding(0) var<storage, read> queries0: array<Row>;
@group(0) @binding(1) var<storage, read> queries1: array<Row>;
@group(0) @binding(2) var<storage, read> queries2: array<Row>;
/// Keys and values, carried rows before those of the call: [batch, lead + length, group, size].
@group(0) @binding(3) var<storage, read> rows0: array<Row>;
@group(0) @binding(4) var<storage, read> rows1: array<Row>;
@group(0) @binding(5) var<storage, read> seen0: array<f32>;
@group(0) @binding(6) var<storage, read> turns: array<vec2f>;
/// logSum in bits, gradY.y and the first key of a query and head; the fourth is free.
@group(0) @binding(7) var<storage, read_write> sums: array<vec4f>;
@group(0) @binding(8) var<storage, read> summed: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> gradients: array<Row>;
/// What join_rows and part_rows take for keys, or for values.
@group(0) @binding(10) var<storage, read> rows: array<f32>;
@group(0) @binding(11) var<storage, read> before: array<f32>;
@group(0) @binding(12) var<storage, read_write> joined: array<f32>;
@group(0) @binding(13) var<storage, read> joinedGradients: array<f32>;
@group(0) @binding(14) var<storage, read> copies: array<f32>;
@group(0) @binding(15) var<storage, read_write> gradRows: array<f32>;
@group(0) @binding(16) var<storage, read_write> gradBefore: array<f32>;
@group(0) @binding(17) var<storage, read_write> gradSeen0: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Samples of a step of a walk.
const WALK = 32u;

/// Sums of the held queries, or of those of a step.
var<workgroup> own: array<vec4f, ROWS>;

#for i in 0..2
/// Four features of a key or a value, negative samples being carried; 0 where there is none.
fn rowOf${i}(spot: Spot, sample: i32, four: u32) -> vec4f {
  var value = vec4f();
  let place = u32(sample + i32(dims.lead));
  let at = ((spot.batch * (dims.lead + dims.length) + place) * dims.group + spot.group) * dims.row;
#if WHOLE
  value = rows${i}[at + four];
#else
  if (sample >= -i32(dims.lead) && sample < i32(dims.length)) {
#if ALIGNED
    if (four < dims.fours) {
      value = rows${i}[at + four];
    }
#else
#for c in 0..4
    if (4u * four + ${c}u < dims.size) {
      value[${c}] = rows${i}[at + 4u * four + ${c}u];
    }
#end
#end
  }
#end
  return value;
}
#end

/// A tile of ROWS x WALK outputs: row r of an invocation.
struct Narrow {
#for r in 0..8
  at${r}: vec4f,
#end
}

/// Keeps the right slots of a narrow product.
fn keepWalked(local: u32, staged: Staged) {
#for i in 0..8 * STEPS / ROWS
  {
    let slot = rightSlotTurned(local, ${i}u);
#for q in 0..4
    right[4u * slot.x + ${q}u][slot.y / 4u][slot.y % 4u] = staged.right${i}[${q}];
#end
  }
#end
}

/// Adds the products of the staged terms.
fn addNarrow(local: u32, tile: ptr<function, Narrow>) {
  let row = rowOfTile(local, 0u) / 4u;
#for k in 0..STEPS
  {
    let rows0 = left[${k}][row];
    let rows1 = left[${k}][row + 4u];
    let columns = right[${k}][local % 8u];
#for r in 0..8
    (*tile).at${r} = fma(vec4f(rows${r / 4}[${r % 4}]), columns, (*tile).at${r});
#end
  }
#end
}

/// Puts 16 columns of a narrow tile, which half of the neighbours hold, in the place of a left
/// side.
fn keepHalf(local: u32, half: u32, tile: ptr<function, Narrow>) {
  if (local % 8u / 4u == half) {
#for g in 0..2
#for c in 0..4
    left[local % 4u * 4u + ${c}u][rowOfTile(local, ${4 * g}u) / 4u] = vec4f(
      (*tile).at${4 * g}[${c}],
      (*tile).at${4 * g + 1}[${c}],
      (*tile).at${4 * g + 2}[${c}],
      (*tile).at${4 * g + 3}[${c}],
    );
#end
#end
  }
}

/// Slots of both sides of the scores: features are the terms. `held` and `walked` say who is whom.
fn fetchScores(held: Spot, walked: Spot, local: u32, first: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
    let slot = leftSlotTurned(local, ${i}u);
    let four = first / 4u + slot.x;
    let sample = held.first + i32(slot.y);
#if OF_KEYS || OF_VALUES
    let row = rowOf0(held, sample, four);
#else
    let row = ofQuery0(held, sample, four);
#end
    staged.left${i} = turned(row, i32(slot.y), four);
  }
#end
#for i in 0..8 * STEPS / ROWS
  {
    let slot = rightSlotTurned(local, ${i}u);
    let four = first / 4u + slot.x;
    let sample = walked.first + i32(slot.y);
#if OF_KEYS || OF_VALUES
    let row = ofQuery0(walked, sample, four);
#else
    let row = rowOf0(walked, sample, four);
#end
    staged.right${i} = turned(row, sample - held.first, four);
  }
#end
  return staged;
}

/// The same of gradY.v.
fn fetchChanges(held: Spot, walked: Spot, local: u32, first: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
    let slot = leftSlotTurned(local, ${i}u);
    let sample = held.first + i32(slot.y);
#if OF_KEYS
    staged.left${i} = rowOf1(held, sample, first / 4u + slot.x);
#else
    staged.left${i} = ofQuery1(held, sample, first / 4u + slot.x);
#end
  }
#end
#for i in 0..8 * STEPS / ROWS
  {
    let slot = rightSlotTurned(local, ${i}u);
    let sample = walked.first + i32(slot.y);
#if OF_KEYS
    staged.right${i} = ofQuery1(walked, sample, first / 4u + slot.x);
#else
    staged.right${i} = rowOf1(walked, sample, first / 4u + slot.x);
#end
  }
#end
  return staged;
}

/// Right slots of what half of the walked samples give to the result, which are the terms.
fn fetchGiven(held: Spot, walked: Spot, local: u32, half: u32, start: u32) -> Staged {
  var staged = Staged();
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlot(local, ${i}u);
    let four = start + slot.y;
    let sample = walked.first + i32(16u * half + slot.x);
#if OF_VALUES
    staged.right${i} = ofQuery1(walked, sample, four);
#else
#if OF_KEYS
    staged.right${i} = turned(ofQuery0(walked, sample, four), sample - held.first, four);
#else
    staged.right${i} = turned(rowOf0(walked, sample, four), sample - held.first, four);
#end
#end
  }
#end
  return staged;
}

/// First sample of the step of a walk over keys, WALK·n away from the held queries, with which it
/// begins.
fn firstStep(queries: i32) -> i32 {
  let oldest = max(queries - i32(dims.past), -i32(dims.lead));
  return queries - (queries - oldest + i32(WALK) - 1) / i32(WALK) * i32(WALK);
}

@compute @workgroup_size(ROWS)
fn sum_scores(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let head = workgroup.y;
  // The tiles that see most keys come first, so that none is left alone at the end.
  let first = i32((workgroups.x - 1u - workgroup.x) * ROWS);
  let held = Spot(workgroup.z, head, head * dims.group / dims.head, first);
#if HAS_PAST
  let seen = min(i32(seen0[workgroup.z]), i32(dims.past));
#else
  let seen = 0;
#end
  var walked = held;
  var top = Rows(vec4f(UNSEEN), vec4f(UNSEEN));
  var total = Rows();
  // What a turn of the loop fetches, the next one keeps and adds.
  let stages = (dims.size + STEPS - 1u) / STEPS;
  let begin = firstStep(first);
  let count = u32((first + i32(ROWS) - begin) / i32(WALK)) * stages;
  var scores = Narrow();
  var staged = Staged();
  for (var turn = 0u; turn <= count; turn++) {
    if (turn > 0u) {
      workgroupBarrier();
      keepLeftTurned(local, staged);
      keepWalked(local, staged);
      workgroupBarrier();
    }
    if (turn < count) {
      walked.first = begin + i32(turn / stages * WALK);
      staged = fetchScores(held, walked, local, turn % stages * STEPS);
    }
    if (turn == 0u) {
      continue;
    }
    addNarrow(local, &scores);
    if (turn % stages != 0u) {
      continue;
    }
    let step = begin + i32((turn / stages - 1u) * WALK);
    let key = step + 4 * i32(local % 8u) + vec4i(0, 1, 2, 3);
#for g in 0..2
#for r in 0..4
    {
      let query = first + i32(rowOfTile(local, ${4 * g + r}u));
      let oldest = max(query - i32(dims.past), -seen);
      let isSeen = (key >= vec4i(oldest)) & (key <= vec4i(query));
      let score = select(vec4f(LOWEST), dims.scale * BITS * scores.at${4 * g + r}, isSeen);
      let pair = max(score.xy, score.zw);
      let highest = max(top.at${g}[${r}], max(pair.x, pair.y));
      total.at${g}[${r}] = total.at${g}[${r}] * exp2(top.at${g}[${r}] - highest) +
        dot(exp2(score - highest), vec4f(1.0));
      top.at${g}[${r}] = highest;
    }
#end
#end
    scores = Narrow();
  }
  let highest = maxOfRows(local, top);
  total.at0 *= exp2(top.at0 - highest.at0);
  total.at1 *= exp2(top.at1 - highest.at1);
  total = sumOfRows(local, total);
  var product = Rows();
  for (var four = local % 8u; four < dims.fours; four += 8u) {
#for g in 0..2
#for r in 0..4
    {
      let query = first + i32(rowOfTile(local, ${4 * g + r}u));
      product.at${g}[${r}] += dot(ofQuery1(held, query, four), ofQuery2(held, query, four));
    }
#end
#end
  }
  product = sumOfRows(local, product);
#for g in 0..2
#for r in 0..4
  {
    let query = first + i32(rowOfTile(local, ${4 * g + r}u));
    if (local % 8u == 0u && query < i32(dims.length)) {
      let oldest = f32(max(query - i32(dims.past), -seen));
      let logSum = highest.at${g}[${r}] + log2(total.at${g}[${r}]);
      sums[queryAt(held, query) / dims.row] = vec4f(logSum, product.at${g}[${r}], oldest, 0.0);
    }
  }
#end
#end
}

/// Brings the sums of queries into workgroup memory.
fn stageSums(spot: Spot, local: u32, count: u32) {
  let query = spot.first + i32(local);
  if (local < count && query < i32(dims.length)) {
    own[local] = summed[queryAt(spot, query) / dims.row];
  }
}

/// Weight of a key for a query, or the gradient of their score; 0 where it is not seen. `place` is
/// the query's in `own`.
fn weigh(query: i32, place: u32, key: i32, score: f32, change: f32) -> f32 {
  let row = own[place];
  let isSeen = query < i32(dims.length) && key <= query && key >= i32(row.z);
  let weight = exp2(dims.scale * BITS * score - row.x);
#if OF_VALUES
  return select(0.0, weight, isSeen);
#else
  return select(0.0, dims.scale * weight * (change - row.y), isSeen);
#end
}

@compute @workgroup_size(ROWS)
fn reach(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let start = workgroup.y % dims.parts * COLUMN_FOURS;
#if OF_KEYS || OF_VALUES
  let group = workgroup.y / dims.parts;
  let perGroup = dims.head / dims.group;
  let carried = i32((dims.lead + ROWS - 1u) / ROWS);
  let first = (i32(workgroup.x) - carried) * i32(ROWS);
  let held = Spot(workgroup.z, group * perGroup, group, first);
  let begin = max(first, 0);
  let end = min(i32(dims.length), first + i32(ROWS + dims.past));
  let heads = perGroup;
#else
  let head = workgroup.y / dims.parts;
  let first = i32((workgroups.x - 1u - workgroup.x) * ROWS);
  let held = Spot(workgroup.z, head, head * dims.group / dims.head, first);
  let begin = firstStep(first);
  let end = first + i32(ROWS);
  let heads = 1u;
  stageSums(held, local, ROWS);
#end
  let steps = u32(max(end - begin, 0) + i32(WALK) - 1) / WALK;
  // The stages of a step: of its scores, of the changes of its weights, and 16 samples each of what
  // it gives. What a turn of the loop fetches, the next one keeps and adds.
  let stagesOfProduct = (dims.size + STEPS - 1u) / STEPS;
#if OF_VALUES
  let narrow = stagesOfProduct;
#else
  let narrow = 2u * stagesOfProduct;
#end
  let stages = narrow + 2u;
  let count = heads * steps * stages;
  var walked = held;
  var scores = Narrow();
  var changes = Narrow();
  var result = Tile();
  var staged = Staged();
  for (var turn = 0u; turn <= count; turn++) {
    let stage = (turn + stages - 1u) % stages;
    if (turn > 0u) {
      workgroupBarrier();
      if (stage < narrow) {
        keepLeftTurned(local, staged);
        keepWalked(local, staged);
      } else {
        keepHalf(local, stage - narrow, &scores);
        keepRight(local, staged);
      }
#if OF_KEYS || OF_VALUES
      if (stage == 0u) {
        stageSums(walked, local, WALK);
      }
#end
      workgroupBarrier();
    }
    // Whose step the stage that is added belongs to.
    let present = walked;
    if (turn < count) {
      let step = turn / stages;
      let next = turn % stages;
      walked.head = held.head + step / steps;
      walked.first = begin + i32(step % steps * WALK);
      if (next < stagesOfProduct) {
        staged = fetchScores(held, walked, local, next * STEPS);
      }
#if !OF_VALUES
      if (next >= stagesOfProduct && next < narrow) {
        staged = fetchChanges(held, walked, local, (next - stagesOfProduct) * STEPS);
      }
#end
      if (next >= narrow) {
        staged = fetchGiven(held, walked, local, next - narrow, start);
      }
    }
    if (turn == 0u) {
      continue;
    }
    if (stage >= narrow) {
      addStaged(local, &result);
      continue;
    }
    if (stage == 0u) {
      scores = Narrow();
      changes = Narrow();
    }
#if OF_VALUES
    addNarrow(local, &scores);
#else
    if (stage < stagesOfProduct) {
      addNarrow(local, &scores);
    } else {
      addNarrow(local, &changes);
    }
#end
    if (stage + 1u < narrow) {
      continue;
    }
#for r in 0..8
#for c in 0..4
    {
      let row = rowOfTile(local, ${r}u);
      let column = 4u * (local % 8u) + ${c}u;
      let x = scores.at${r}[${c}];
      let change = changes.at${r}[${c}];
#if OF_KEYS || OF_VALUES
      let key = first + i32(row);
      scores.at${r}[${c}] = weigh(present.first + i32(column), column, key, x, change);
#else
      let key = present.first + i32(column);
      scores.at${r}[${c}] = weigh(first + i32(row), row, key, x, change);
#end
    }
#end
#end
  }
#for r in 0..8
  {
    let sample = first + i32(rowOfTile(local, ${r}u));
#for v in 0..VECTORS
    {
      let four = start + fourOfTile(local, ${v}u);
#if OF_VALUES
      keepGradient(held, sample, four, result.at${r}_${v});
#else
      let back = turned(result.at${r}_${v}, first - sample, four);
      keepGradient(held, sample, four, back);
#end
    }
#end
  }
#end
}

/// Keeps four features of a gradient, where they are there.
fn keepGradient(held: Spot, sample: i32, four: u32, value: vec4f) {
#if OF_KEYS || OF_VALUES
  if (sample < -i32(dims.lead) || sample >= i32(dims.length)) {
    return;
  }
  let row = held.batch * (dims.lead + dims.length) + u32(sample + i32(dims.lead));
  let at = (row * dims.group + held.group) * dims.row;
#else
  if (sample >= i32(dims.length)) {
    return;
  }
  let at = queryAt(held, sample);
#end
#if ALIGNED
  if (four < dims.fours) {
    gradients[at + four] = value;
  }
#else
#for c in 0..4
  if (4u * four + ${c}u < dims.size) {
    gradients[at + 4u * four + ${c}u] = value[${c}];
  }
#end
#end
}
