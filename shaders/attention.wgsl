// Causal softmax attention over a window of keys, with carried keys and values.
//
//   score[i, j] = scale R(i) q[i].R(j) k[j]     y[i] = sum over j of softmax_j(score[i, j]) v[j]
//
// attend       a workgroup holds ROWS queries of one head and walks over their keys, COLUMNS at a
//              time, with a running maximum and sum for each query: the scores as one product, the
//              weights put in the place of its left side, and their product with the values
// carry_state  the last `past` keys and values, and how many of them are samples
//
// Scores are in bits (times log2 e), so that weights are powers of two. Rotary positions turn
// queries and keys against the first query of the tile, so that angles stay below the window and
// two tiles; the table holds (cos, sin) by distance. A workgroup gives COLUMNS features of y; wider
// heads take `parts` workgroups.
#import shared/attention_tiles
#import shared/bounds
#import shared/register_tile

struct Dims {
  batch: u32, length: u32, head: u32, group: u32, size: u32, past: u32, parts: u32,
  /// A row in elements of its buffer, and in vec4s.
  row: u32, fours: u32, scale: f32
}

#if ALIGNED
alias Row = vec4f;
#else
alias Row = f32;
#end
@group(0) @binding(0) var<storage, read> queries0: array<Row>;
/// Keys and values of this call, those carried, and those to carry.
@group(0) @binding(1) var<storage, read> rows0: array<Row>;
@group(0) @binding(2) var<storage, read> rows1: array<Row>;
@group(0) @binding(3) var<storage, read> before0: array<Row>;
@group(0) @binding(4) var<storage, read> before1: array<Row>;
@group(0) @binding(5) var<storage, read> seen0: array<f32>;
@group(0) @binding(6) var<storage, read> turns: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> y: array<Row>;
@group(0) @binding(8) var<storage, read_write> carried0: array<Row>;
@group(0) @binding(9) var<storage, read_write> carried1: array<Row>;
@group(0) @binding(10) var<storage, read_write> seen: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

#for i in 0..2
/// Four features of a key or a value, negative samples being carried; 0 where there is none.
fn rowOf${i}(spot: Spot, sample: i32, four: u32) -> vec4f {
  var value = vec4f();
#if WHOLE
  let at = ((spot.batch * dims.length + u32(sample)) * dims.group + spot.group) * dims.row;
  value = rows${i}[at + four];
#else
  if (sample >= 0 && sample < i32(dims.length)) {
    let at = ((spot.batch * dims.length + u32(sample)) * dims.group + spot.group) * dims.row;
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
#if HAS_PAST
  if (sample < 0 && sample >= -i32(dims.past)) {
    let place = u32(i32(dims.past) + sample);
    let at = ((spot.batch * dims.past + place) * dims.group + spot.group) * dims.row;
#if ALIGNED
    if (four < dims.fours) {
      value = before${i}[at + four];
    }
#else
#for c in 0..4
    if (4u * four + ${c}u < dims.size) {
      value[${c}] = before${i}[at + 4u * four + ${c}u];
    }
#end
#end
  }
#end
#end
  return value;
}
#end

/// Slots of both sides of the scores: features are the terms.
fn fetchScores(spot: Spot, local: u32, tile: i32, first: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
    let slot = leftSlotTurned(local, ${i}u);
    let sample = spot.first + i32(slot.y);
    let query = ofQuery0(spot, sample, first / 4u + slot.x);
    staged.left${i} = turned(query, i32(slot.y), first / 4u + slot.x);
  }
#end
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlotTurned(local, ${i}u);
    let sample = tile + i32(slot.y);
    let key = rowOf0(spot, sample, first / 4u + slot.x);
    staged.right${i} = turned(key, sample - spot.first, first / 4u + slot.x);
  }
#end
  return staged;
}

/// Right slots of the values of the keys from `key` on, from vec4 `four` of their features on.
fn fetchValues(spot: Spot, local: u32, key: i32, four: u32) -> Staged {
  var staged = Staged();
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlot(local, ${i}u);
    staged.right${i} = rowOf1(spot, key + i32(slot.x), four + slot.y);
  }
#end
  return staged;
}

/// Bits of the scores, LOWEST where the query does not see the key.
fn mask(spot: Spot, local: u32, tile: i32, before: i32, scores: ptr<function, Tile>) {
#for r in 0..8
  {
    let query = spot.first + i32(rowOfTile(local, ${r}u));
    let oldest = max(query - i32(dims.past), -before);
#for v in 0..VECTORS
    {
      let key = tile + 4 * i32(fourOfTile(local, ${v}u)) + vec4i(0, 1, 2, 3);
      let isSeen = (key >= vec4i(oldest)) & (key <= vec4i(query));
      (*scores).at${r}_${v} = select(vec4f(LOWEST), (*scores).at${r}_${v}, isSeen);
    }
#end
  }
#end
}

// Puts the weights of 16 keys, which half of the neighbours hold, in the place of the left side.
#for v in 0..VECTORS
fn keepWeights${v}(local: u32, half: u32, weights: ptr<function, Tile>) {
  if (local % 8u / 4u == half) {
#for g in 0..2
#for c in 0..4
    left[local % 4u * 4u + ${c}u][rowOfTile(local, ${4 * g}u) / 4u] = vec4f(
      (*weights).at${4 * g}_${v}[${c}],
      (*weights).at${4 * g + 1}_${v}[${c}],
      (*weights).at${4 * g + 2}_${v}[${c}],
      (*weights).at${4 * g + 3}_${v}[${c}],
    );
#end
#end
  }
}
#end

@compute @workgroup_size(ROWS)
fn attend(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let head = workgroup.y / dims.parts;
  let four = workgroup.y % dims.parts * COLUMN_FOURS;
  // The tiles that see most keys come first, so that none is left alone at the end.
  let first = i32((workgroups.x - 1u - workgroup.x) * ROWS);
  let spot = Spot(workgroup.z, head, head * dims.group / dims.head, first);
#if HAS_PAST
  let before = min(i32(seen0[workgroup.z]), i32(dims.past));
#else
  let before = 0;
#end
  let columns = i32(COLUMNS);
  let end = first + i32(ROWS);
  let oldest = max(first - i32(dims.past), -before);
  let start = first - (first - oldest + columns - 1) / columns * columns;
  let bits = dims.scale * BITS;
  var top = Rows(vec4f(UNSEEN), vec4f(UNSEEN));
  var total = Rows();
  var sums = Tile();
  // The stages of a tile: those of its scores, then 16 keys each of the product with the values.
  // What a turn of the loop fetches, the next one keeps and adds.
  let scoreStages = (dims.size + STEPS - 1u) / STEPS;
  let stages = scoreStages + ${2 * VECTORS}u;
  let count = u32((end - start + columns - 1) / columns) * stages;
  var scores = Tile();
  var staged = Staged();
  for (var turn = 0u; turn <= count; turn++) {
    let stage = (turn + stages - 1u) % stages;
    let tile = start + (i32((turn + stages - 1u) / stages) - 1) * columns;
    if (turn > 0u) {
      workgroupBarrier();
      if (stage < scoreStages) {
        keepLeftTurned(local, staged);
        keepRightTurned(local, staged);
      } else {
#for v in 0..VECTORS
        if ((stage - scoreStages) / 2u == ${v}u) {
          keepWeights${v}(local, (stage - scoreStages) % 2u, &scores);
        }
#end
        keepRight(local, staged);
      }
      workgroupBarrier();
    }
    if (turn < count) {
      let next = turn % stages;
      let nextTile = start + i32(turn / stages) * columns;
      if (next < scoreStages) {
        staged = fetchScores(spot, local, nextTile, next * STEPS);
      } else {
        staged = fetchValues(spot, local, nextTile + i32((next - scoreStages) * STEPS), four);
      }
    }
    if (turn > 0u && stage >= scoreStages) {
      addStaged(local, &sums);
    }
    if (turn > 0u && stage < scoreStages) {
      if (stage == 0u) {
        scores = Tile();
      }
      addStaged(local, &scores);
    }
    if (turn > 0u && stage + 1u == scoreStages) {
      scaleTile(&scores, bits);
      if (tile + columns - 1 > first || tile < max(end - 1 - i32(dims.past), -before)) {
        mask(spot, local, tile, before, &scores);
      }
      var highest = top;
#for g in 0..2
#for r in 0..4
#for v in 0..VECTORS
      {
        let pair = max(scores.at${4 * g + r}_${v}.xy, scores.at${4 * g + r}_${v}.zw);
        highest.at${g}[${r}] = max(highest.at${g}[${r}], max(pair.x, pair.y));
      }
#end
#end
#end
      highest = maxOfRows(local, highest);
      let kept = Rows(exp2(top.at0 - highest.at0), exp2(top.at1 - highest.at1));
      top = highest;
#for g in 0..2
      total.at${g} *= kept.at${g};
#for r in 0..4
#for v in 0..VECTORS
      {
        let weights = exp2(scores.at${4 * g + r}_${v} - top.at${g}[${r}]);
        total.at${g}[${r}] += dot(weights, vec4f(1.0));
        scores.at${4 * g + r}_${v} = weights;
        sums.at${4 * g + r}_${v} *= kept.at${g}[${r}];
      }
#end
#end
#end
    }
  }
  total = sumOfRows(local, total);
#for g in 0..2
#for r in 0..4
  {
    let query = first + i32(rowOfTile(local, ${4 * g + r}u));
    let share = 1.0 / total.at${g}[${r}];
#for v in 0..VECTORS
    keepOutput(spot, query, four + fourOfTile(local, ${v}u), share * sums.at${4 * g + r}_${v});
#end
  }
#end
#end
}

/// Keeps four features of the output of a query, where they are there.
fn keepOutput(spot: Spot, query: i32, four: u32, value: vec4f) {
  if (query >= i32(dims.length)) {
    return;
  }
  let at = queryAt(spot, query);
#if ALIGNED
  if (four < dims.fours) {
    y[at + four] = value;
  }
#else
#for c in 0..4
  if (4u * four + ${c}u < dims.size) {
    y[at + 4u * four + ${c}u] = value[${c}];
  }
#end
#end
}

@compute @workgroup_size(COPY_GROUP)
fn carry_state(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(workgroup, workgroups, local, COPY_GROUP);
  if (i < dims.batch) {
#if HAS_PAST
    let before = min(u32(seen0[i]), dims.past);
#else
    let before = 0u;
#end
    seen[i] = f32(min(before + dims.length, dims.past));
  }
  let width = dims.group * dims.row;
  if (i >= dims.batch * dims.past * width) {
    return;
  }
  let batch = i / width / dims.past;
  let sample = i32(dims.length) - i32(dims.past) + i32(i / width % dims.past);
  if (sample >= 0) {
    let at = (batch * dims.length + u32(sample)) * width + i % width;
    carried0[i] = rows0[at];
    carried1[i] = rows1[at];
    return;
  }
#if HAS_PAST
  let at = (batch * dims.past + u32(i32(dims.past) + sample)) * width + i % width;
  carried0[i] = before0[at];
  carried1[i] = before1[at];
#else
  carried0[i] = Row();
  carried1[i] = Row();
#end
}
