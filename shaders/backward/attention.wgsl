// Gradients of causal softmax attention over a window of keys, by tiles of TILE queries and keys.
//
//   p[i, j]     = exp(score[i, j] - logSum[i])
//   slope[i, j] = scale p[i, j] (gradY[i].v[j] - gradY[i].y[i])
//   gradQ[i]    = sum of slope[i, j] R(j - i) k[j]
//   gradK[j]    = sum of slope[i, j] R(i - j) q[i]       gradV[j] = sum of p[i, j] gradY[i]
//
// join_rows      keys or values of the call behind the carried ones
// sum_scores     logSum, gradY.y and the first key of every query
// reach_queries  gradQ: a workgroup holds a tile of queries and walks over their keys
// reach_keys     gradK and gradV: it holds a tile of keys and walks over the queries that see them,
//                of all heads of the keys' group
// part_rows      gradients of the joined rows apart, with those of the copies in the carried state
//
// Weights are found again from the sums, so that no matrix of them is stored. Rotary positions turn
// queries and keys against the first sample of the tile that a workgroup holds; its sums are turned
// back at the end, so no angle grows with the length.
//
// A product's left side lies in workgroup memory, four rows a vec4; an invocation takes four rows
// and two columns: LANES apart in products over features, side by side in those that give features,
// since these are turned in pairs.
#import shared/bounds

struct Dims {
  batch: u32, length: u32, head: u32, group: u32, past: u32, lead: u32, parts: u32, scale: f32
}

@group(0) @binding(0) var<storage, read> q: array<f32>;
/// Carried rows, then those of the call: [batch, lead + length, group, SIZE].
@group(0) @binding(1) var<storage, read> keys: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> seen0: array<f32>;
@group(0) @binding(4) var<storage, read> turns: array<vec2f>;
@group(0) @binding(5) var<storage, read> gradY: array<f32>;
@group(0) @binding(6) var<storage, read> y: array<f32>;
/// logSum, gradY.y and the first key of a query and head; the fourth is free.
@group(0) @binding(7) var<storage, read_write> sums: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> gradQ: array<f32>;
@group(0) @binding(9) var<storage, read_write> keyGradients: array<f32>;
@group(0) @binding(10) var<storage, read_write> valueGradients: array<f32>;
/// What join_rows and part_rows take for keys, or for values.
@group(0) @binding(11) var<storage, read> rows: array<f32>;
@group(0) @binding(12) var<storage, read> before: array<f32>;
@group(0) @binding(13) var<storage, read_write> joined: array<f32>;
@group(0) @binding(14) var<storage, read> joinedGradients: array<f32>;
@group(0) @binding(15) var<storage, read> copies: array<f32>;
@group(0) @binding(16) var<storage, read_write> gradRows: array<f32>;
@group(0) @binding(17) var<storage, read_write> gradBefore: array<f32>;
@group(0) @binding(18) var<storage, read_write> gradSeen0: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Below every finite score.
const LOWEST = -3.4028234e38;
/// Between rows of a staged right side, so that neighbours lie in other banks.
const STRIDE = TILE + 1u;

/// Left side of a product: [term, row], four rows together.
var<workgroup> left: array<vec4f, TILE * ROW_GROUPS>;
/// The pairs of a tile of queries and one of keys as a left side.
var<workgroup> paired: array<vec4f, TILE * ROW_GROUPS>;
/// Right side of a product: [column, term], or [term, column] where the columns are features.
var<workgroup> right: array<f32, TILE * STRIDE>;
/// Sums of the queries of a tile.
var<workgroup> own: array<vec4f, TILE>;
var<workgroup> tops: array<vec4f, GROUP>;
var<workgroup> totals: array<vec4f, GROUP>;
var<workgroup> dots: array<vec4f, GROUP>;

/// A sample of the queries or of their gradients.
fn queryAt(batch: u32, sample: i32, head: u32) -> u32 {
  return ((batch * dims.length + u32(sample)) * dims.head + head) * SIZE;
}

/// A key or value; negative samples are carried.
fn keyAt(batch: u32, sample: i32, group: u32) -> u32 {
  let place = u32(sample + i32(dims.lead));
  return ((batch * (dims.lead + dims.length) + place) * dims.group + group) * SIZE;
}

#if ROTARY
/// Feature s of R(distance) applied to a row of which `pair` are the features s and s ^ 1.
fn turned(pair: vec2f, distance: i32, s: u32) -> f32 {
  let turn = turns[u32(abs(distance)) * (SIZE / 2u) + s / 2u];
  let sine = select(turn.y, -turn.y, distance < 0);
  return pair.x * turn.x + pair.y * select(-sine, sine, s % 2u == 1u);
}
#end

fn queryOf(batch: u32, sample: i32, head: u32, s: u32, frame: i32) -> f32 {
  if (sample >= i32(dims.length) || s >= SIZE) {
    return 0.0;
  }
  let at = queryAt(batch, sample, head);
#if ROTARY
  return turned(vec2f(q[at + s], q[at + (s ^ 1u)]), sample - frame, s);
#else
  return q[at + s];
#end
}

fn keyOf(batch: u32, sample: i32, group: u32, s: u32, frame: i32) -> f32 {
  if (sample < -i32(dims.lead) || sample >= i32(dims.length) || s >= SIZE) {
    return 0.0;
  }
  let at = keyAt(batch, sample, group);
#if ROTARY
  return turned(vec2f(keys[at + s], keys[at + (s ^ 1u)]), sample - frame, s);
#else
  return keys[at + s];
#end
}

fn valueOf(batch: u32, sample: i32, group: u32, s: u32) -> f32 {
  if (sample < -i32(dims.lead) || sample >= i32(dims.length) || s >= SIZE) {
    return 0.0;
  }
  return values[keyAt(batch, sample, group) + s];
}

fn gradientOf(batch: u32, sample: i32, head: u32, s: u32) -> f32 {
  if (sample >= i32(dims.length) || s >= SIZE) {
    return 0.0;
  }
  return gradY[queryAt(batch, sample, head) + s];
}

@compute @workgroup_size(COPY_GROUP)
fn join_rows(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(workgroup, workgroups, local, COPY_GROUP);
  let width = dims.group * SIZE;
  let count = dims.lead + dims.length;
  if (i >= dims.batch * count * width) {
    return;
  }
  let batch = i / width / count;
  let place = i / width % count;
#if HAS_PAST
  if (place < dims.lead) {
    joined[i] = before[(batch * dims.lead + place) * width + i % width];
    return;
  }
#end
  joined[i] = rows[(batch * dims.length + place - dims.lead) * width + i % width];
}

/// First sample of the tile of keys, TILE·n away from the tile of queries, with which a walk over
/// the keys begins.
fn firstTile(queries: i32) -> i32 {
  let first = max(queries - i32(dims.past), -i32(dims.lead));
  let tiles = (queries - first + i32(TILE) - 1) / i32(TILE);
  return queries - tiles * i32(TILE);
}

@compute @workgroup_size(GROUP)
fn sum_scores(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let batch = workgroup.z;
  let head = workgroup.y;
  let group = head * dims.group / dims.head;
  let queries = i32(workgroup.x * TILE);
  let r = local / LANES;
  let lane = local % LANES;
#if HAS_PAST
  let seen = min(i32(seen0[batch]), i32(dims.past));
#else
  let seen = 0;
#end
  var top = vec4f(LOWEST);
  var total = vec4f();
  for (var tile = firstTile(queries); tile <= queries; tile += i32(TILE)) {
    var score0 = vec4f();
    var score1 = vec4f();
    for (var start = 0u; start < SIZE; start += TILE) {
      workgroupBarrier();
      for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
        var four = vec4f();
        for (var c = 0u; c < 4u; c++) {
          let sample = queries + i32(e / TILE * 4u + c);
          four[c] = queryOf(batch, sample, head, start + e % TILE, queries);
        }
        left[e % TILE * ROW_GROUPS + e / TILE] = four;
      }
      for (var e = local; e < TILE * TILE; e += GROUP) {
        let key = keyOf(batch, tile + i32(e / TILE), group, start + e % TILE, queries);
        right[e / TILE * STRIDE + e % TILE] = key;
      }
      workgroupBarrier();
      for (var s = 0u; s < min(TILE, SIZE - start); s++) {
        let four = left[s * ROW_GROUPS + r];
        score0 += four * right[lane * STRIDE + s];
        score1 += four * right[(lane + LANES) * STRIDE + s];
      }
    }
    for (var c = 0u; c < 4u; c++) {
      let query = queries + i32(4u * r + c);
      let first = max(query - i32(dims.past), -seen);
      let key0 = tile + i32(lane);
      let key1 = key0 + i32(LANES);
      let isSeen0 = key0 >= first && key0 <= query;
      let isSeen1 = key1 >= first && key1 <= query;
      let s0 = select(LOWEST, dims.scale * score0[c], isSeen0);
      let s1 = select(LOWEST, dims.scale * score1[c], isSeen1);
      let highest = max(top[c], max(s0, s1));
      total[c] = total[c] * exp(top[c] - highest) +
        select(0.0, exp(s0 - highest), isSeen0) + select(0.0, exp(s1 - highest), isSeen1);
      top[c] = highest;
    }
  }
  var dot = vec4f();
  for (var s = lane; s < SIZE; s += LANES) {
    for (var c = 0u; c < 4u; c++) {
      let query = queries + i32(4u * r + c);
      if (query < i32(dims.length)) {
        let at = queryAt(batch, query, head) + s;
        dot[c] += gradY[at] * y[at];
      }
    }
  }
  tops[local] = top;
  totals[local] = total;
  dots[local] = dot;
  workgroupBarrier();
  let query = queries + i32(local);
  if (local < TILE && query < i32(dims.length)) {
    let base = local / 4u * LANES;
    var highest = LOWEST;
    for (var i = 0u; i < LANES; i++) {
      highest = max(highest, tops[base + i][local % 4u]);
    }
    var sum = 0.0;
    var product = 0.0;
    for (var i = 0u; i < LANES; i++) {
      sum += totals[base + i][local % 4u] * exp(tops[base + i][local % 4u] - highest);
      product += dots[base + i][local % 4u];
    }
    let first = max(query - i32(dims.past), -seen);
    sums[queryAt(batch, query, head) / SIZE] = vec4f(highest + log(sum), product, f32(first), 0.0);
  }
}

/// Brings the sums of a tile of queries into workgroup memory.
fn stageSums(local: u32, batch: u32, queries: i32, head: u32) {
  let query = queries + i32(local);
  if (local < TILE && query < i32(dims.length)) {
    own[local] = sums[queryAt(batch, query, head) / SIZE];
  }
}

/// Weight of a key for a query and the gradient of its scaled product, both 0 where it is not seen.
fn weigh(query: i32, place: u32, key: i32, score: f32, product: f32) -> vec2f {
  let row = own[place];
  if (query >= i32(dims.length) || key > query || key < i32(row.z)) {
    return vec2f();
  }
  let weight = exp(dims.scale * score - row.x);
  return vec2f(weight, dims.scale * weight * (product - row.y));
}

@compute @workgroup_size(GROUP)
fn reach_queries(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let batch = workgroup.z;
  let head = workgroup.y / dims.parts;
  let column = workgroup.y % dims.parts * BLOCKS * TILE;
  let group = head * dims.group / dims.head;
  let queries = i32(workgroup.x * TILE);
  let r = local / LANES;
  let lane = local % LANES;
  stageSums(local, batch, queries, head);
#for b in 0..BLOCKS
  var even${b} = vec4f();
  var odd${b} = vec4f();
#end
  for (var tile = firstTile(queries); tile <= queries; tile += i32(TILE)) {
    var score0 = vec4f();
    var score1 = vec4f();
    var product0 = vec4f();
    var product1 = vec4f();
    for (var start = 0u; start < SIZE; start += TILE) {
      workgroupBarrier();
      for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
        var four = vec4f();
        for (var c = 0u; c < 4u; c++) {
          let sample = queries + i32(e / TILE * 4u + c);
          four[c] = queryOf(batch, sample, head, start + e % TILE, queries);
        }
        left[e % TILE * ROW_GROUPS + e / TILE] = four;
      }
      for (var e = local; e < TILE * TILE; e += GROUP) {
        let key = keyOf(batch, tile + i32(e / TILE), group, start + e % TILE, queries);
        right[e / TILE * STRIDE + e % TILE] = key;
      }
      workgroupBarrier();
      for (var s = 0u; s < min(TILE, SIZE - start); s++) {
        let four = left[s * ROW_GROUPS + r];
        score0 += four * right[lane * STRIDE + s];
        score1 += four * right[(lane + LANES) * STRIDE + s];
      }
      workgroupBarrier();
      for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
        var four = vec4f();
        for (var c = 0u; c < 4u; c++) {
          let sample = queries + i32(e / TILE * 4u + c);
          four[c] = gradientOf(batch, sample, head, start + e % TILE);
        }
        left[e % TILE * ROW_GROUPS + e / TILE] = four;
      }
      for (var e = local; e < TILE * TILE; e += GROUP) {
        let sample = tile + i32(e / TILE);
        right[e / TILE * STRIDE + e % TILE] = valueOf(batch, sample, group, start + e % TILE);
      }
      workgroupBarrier();
      for (var s = 0u; s < min(TILE, SIZE - start); s++) {
        let four = left[s * ROW_GROUPS + r];
        product0 += four * right[lane * STRIDE + s];
        product1 += four * right[(lane + LANES) * STRIDE + s];
      }
    }
    var slope0 = vec4f();
    var slope1 = vec4f();
    for (var c = 0u; c < 4u; c++) {
      let place = 4u * r + c;
      let query = queries + i32(place);
      let key = tile + i32(lane);
      slope0[c] = weigh(query, place, key, score0[c], product0[c]).y;
      slope1[c] = weigh(query, place, key + i32(LANES), score1[c], product1[c]).y;
    }
    paired[lane * ROW_GROUPS + r] = slope0;
    paired[(lane + LANES) * ROW_GROUPS + r] = slope1;
#for b in 0..BLOCKS
    workgroupBarrier();
    for (var e = local; e < TILE * TILE; e += GROUP) {
      let sample = tile + i32(e / TILE);
      let s = column + ${b}u * TILE + e % TILE;
      right[e / TILE * STRIDE + e % TILE] = keyOf(batch, sample, group, s, queries);
    }
    workgroupBarrier();
    for (var j = 0u; j < TILE; j++) {
      let four = paired[j * ROW_GROUPS + r];
      even${b} += four * right[j * STRIDE + 2u * lane];
      odd${b} += four * right[j * STRIDE + 2u * lane + 1u];
    }
#end
  }
#for b in 0..BLOCKS
  for (var c = 0u; c < 4u; c++) {
    let query = queries + i32(4u * r + c);
    let s = column + ${b}u * TILE + 2u * lane;
    if (query < i32(dims.length)) {
      let at = queryAt(batch, query, head) + s;
#if ROTARY
      if (s < SIZE) {
        gradQ[at] = turned(vec2f(even${b}[c], odd${b}[c]), queries - query, s);
        gradQ[at + 1u] = turned(vec2f(odd${b}[c], even${b}[c]), queries - query, s + 1u);
      }
#else
      if (s < SIZE) {
        gradQ[at] = even${b}[c];
      }
      if (s + 1u < SIZE) {
        gradQ[at + 1u] = odd${b}[c];
      }
#end
    }
  }
#end
}

@compute @workgroup_size(GROUP)
fn reach_keys(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let batch = workgroup.z;
  let group = workgroup.y / dims.parts;
  let column = workgroup.y % dims.parts * BLOCKS * TILE;
  let perGroup = dims.head / dims.group;
  let carried = (dims.lead + TILE - 1u) / TILE;
  let tile = (i32(workgroup.x) - i32(carried)) * i32(TILE);
  let r = local / LANES;
  let lane = local % LANES;
#for b in 0..BLOCKS
  var even${b} = vec4f();
  var odd${b} = vec4f();
  var evenOfValue${b} = vec4f();
  var oddOfValue${b} = vec4f();
#end
  let last = min(i32(dims.length), tile + i32(TILE + dims.past));
  for (var head = group * perGroup; head < (group + 1u) * perGroup; head++) {
    for (var queries = max(tile, 0); queries < last; queries += i32(TILE)) {
      workgroupBarrier();
      stageSums(local, batch, queries, head);
      var score0 = vec4f();
      var score1 = vec4f();
      var product0 = vec4f();
      var product1 = vec4f();
      for (var start = 0u; start < SIZE; start += TILE) {
        workgroupBarrier();
        for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
          var four = vec4f();
          for (var c = 0u; c < 4u; c++) {
            let sample = tile + i32(e / TILE * 4u + c);
            four[c] = keyOf(batch, sample, group, start + e % TILE, tile);
          }
          left[e % TILE * ROW_GROUPS + e / TILE] = four;
        }
        for (var e = local; e < TILE * TILE; e += GROUP) {
          let query = queryOf(batch, queries + i32(e / TILE), head, start + e % TILE, tile);
          right[e / TILE * STRIDE + e % TILE] = query;
        }
        workgroupBarrier();
        for (var s = 0u; s < min(TILE, SIZE - start); s++) {
          let four = left[s * ROW_GROUPS + r];
          score0 += four * right[lane * STRIDE + s];
          score1 += four * right[(lane + LANES) * STRIDE + s];
        }
        workgroupBarrier();
        for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
          var four = vec4f();
          for (var c = 0u; c < 4u; c++) {
            four[c] = valueOf(batch, tile + i32(e / TILE * 4u + c), group, start + e % TILE);
          }
          left[e % TILE * ROW_GROUPS + e / TILE] = four;
        }
        for (var e = local; e < TILE * TILE; e += GROUP) {
          let sample = queries + i32(e / TILE);
          right[e / TILE * STRIDE + e % TILE] = gradientOf(batch, sample, head, start + e % TILE);
        }
        workgroupBarrier();
        for (var s = 0u; s < min(TILE, SIZE - start); s++) {
          let four = left[s * ROW_GROUPS + r];
          product0 += four * right[lane * STRIDE + s];
          product1 += four * right[(lane + LANES) * STRIDE + s];
        }
      }
      // The left side of the values' gradient takes the place of the staged one.
      workgroupBarrier();
#for c in 0..2
      {
        let place = lane + ${c}u * LANES;
        var weights = vec4f();
        var slopes = vec4f();
        for (var c = 0u; c < 4u; c++) {
          let key = tile + i32(4u * r + c);
          let found = weigh(queries + i32(place), place, key, score${c}[c], product${c}[c]);
          weights[c] = found.x;
          slopes[c] = found.y;
        }
        left[place * ROW_GROUPS + r] = weights;
        paired[place * ROW_GROUPS + r] = slopes;
      }
#end
#for b in 0..BLOCKS
      workgroupBarrier();
      for (var e = local; e < TILE * TILE; e += GROUP) {
        let sample = queries + i32(e / TILE);
        let s = column + ${b}u * TILE + e % TILE;
        right[e / TILE * STRIDE + e % TILE] = queryOf(batch, sample, head, s, tile);
      }
      workgroupBarrier();
      for (var i = 0u; i < TILE; i++) {
        let four = paired[i * ROW_GROUPS + r];
        even${b} += four * right[i * STRIDE + 2u * lane];
        odd${b} += four * right[i * STRIDE + 2u * lane + 1u];
      }
      workgroupBarrier();
      for (var e = local; e < TILE * TILE; e += GROUP) {
        let sample = queries + i32(e / TILE);
        let s = column + ${b}u * TILE + e % TILE;
        right[e / TILE * STRIDE + e % TILE] = gradientOf(batch, sample, head, s);
      }
      workgroupBarrier();
      for (var i = 0u; i < TILE; i++) {
        let four = left[i * ROW_GROUPS + r];
        evenOfValue${b} += four * right[i * STRIDE + 2u * lane];
        oddOfValue${b} += four * right[i * STRIDE + 2u * lane + 1u];
      }
#end
    }
  }
#for b in 0..BLOCKS
  for (var c = 0u; c < 4u; c++) {
    let key = tile + i32(4u * r + c);
    let s = column + ${b}u * TILE + 2u * lane;
    if (key >= -i32(dims.lead) && key < i32(dims.length) && s < SIZE) {
      let at = keyAt(batch, key, group) + s;
      valueGradients[at] = evenOfValue${b}[c];
#if ROTARY
      keyGradients[at] = turned(vec2f(even${b}[c], odd${b}[c]), tile - key, s);
      keyGradients[at + 1u] = turned(vec2f(odd${b}[c], even${b}[c]), tile - key, s + 1u);
      valueGradients[at + 1u] = oddOfValue${b}[c];
#else
      keyGradients[at] = even${b}[c];
      if (s + 1u < SIZE) {
        keyGradients[at + 1u] = odd${b}[c];
        valueGradients[at + 1u] = oddOfValue${b}[c];
      }
#end
    }
  }
#end
}

@compute @workgroup_size(COPY_GROUP)
fn part_rows(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(workgroup, workgroups, local, COPY_GROUP);
  let width = dims.group * SIZE;
  let count = dims.lead + dims.length;
  if (i >= dims.batch * count * width) {
    return;
  }
  let batch = i / width / count;
  let place = i / width % count;
  var sum = joinedGradients[i];
  // The carried state holds the last `past` rows.
  if (place + dims.past >= count) {
    sum += copies[(batch * dims.past + place + dims.past - count) * width + i % width];
  }
#if HAS_PAST
  if (place < dims.lead) {
    gradBefore[(batch * dims.lead + place) * width + i % width] = sum;
    return;
  }
#end
  gradRows[(batch * dims.length + place - dims.lead) * width + i % width] = sum;
}

@compute @workgroup_size(COPY_GROUP)
fn clear_counts(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(workgroup, workgroups, local, COPY_GROUP);
  if (i < dims.batch) {
    gradSeen0[i] = 0.0;
  }
}
