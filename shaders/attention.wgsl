// Causal softmax attention over a window of keys, with carried keys and values, by tiles of TILE
// queries and keys.
//
// attend       a workgroup holds a tile of queries of one head and walks over their keys, with a
//              running maximum and sum for each query
// carry_state  the last `past` keys and values, and how many of them are samples
//
// Rotary positions turn queries and keys against the first query of the tile, so that angles stay
// below the window and two tiles; the table holds (cos, sin) by distance.
//
// A product's left side lies in workgroup memory, four rows a vec4; an invocation takes four rows
// and two columns, LANES apart. A workgroup holds BLOCKS tiles of the features of y; wider heads
// take `parts` workgroups.
#import shared/bounds

struct Dims {
  batch: u32, length: u32, head: u32, group: u32, past: u32, parts: u32, scale: f32
}

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> keys0: array<f32>;
@group(0) @binding(4) var<storage, read> values0: array<f32>;
@group(0) @binding(5) var<storage, read> seen0: array<f32>;
@group(0) @binding(6) var<storage, read> turns: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<storage, read_write> keys: array<f32>;
@group(0) @binding(9) var<storage, read_write> values: array<f32>;
@group(0) @binding(10) var<storage, read_write> seen: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Below every finite score.
const LOWEST = -3.4028234e38;
/// Between rows of a staged right side, so that neighbours lie in other banks.
const STRIDE = TILE + 1u;

/// The queries: [feature, query], four queries together.
var<workgroup> left: array<vec4f, TILE * ROW_GROUPS>;
/// Scores, then weights: [key, query], four queries together.
var<workgroup> paired: array<vec4f, TILE * ROW_GROUPS>;
/// Keys, then values: [key, feature].
var<workgroup> right: array<f32, TILE * STRIDE>;

/// Where the row of a sample of this call begins.
fn rowAt(batch: u32, sample: u32, group: u32) -> u32 {
  return ((batch * dims.length + sample) * dims.group + group) * SIZE;
}

/// Where the row of a carried sample begins; `sample` is negative, the newest -1.
fn carriedAt(batch: u32, sample: i32, group: u32) -> u32 {
  let place = u32(i32(dims.past) + sample);
  return ((batch * dims.past + place) * dims.group + group) * SIZE;
}

fn keyAt(batch: u32, sample: i32, group: u32, s: u32) -> f32 {
#if HAS_PAST
  if (sample < 0) {
    return keys0[carriedAt(batch, sample, group) + s];
  }
#end
  return k[rowAt(batch, u32(sample), group) + s];
}

fn valueAt(batch: u32, sample: i32, group: u32, s: u32) -> f32 {
#if HAS_PAST
  if (sample < 0) {
    return values0[carriedAt(batch, sample, group) + s];
  }
#end
  return v[rowAt(batch, u32(sample), group) + s];
}

#if ROTARY
/// Feature s of R(distance) applied to a row of which `pair` are the features s and s ^ 1.
fn turned(pair: vec2f, distance: i32, s: u32) -> f32 {
  let turn = turns[u32(abs(distance)) * (SIZE / 2u) + s / 2u];
  let sine = select(turn.y, -turn.y, distance < 0);
  return pair.x * turn.x + pair.y * select(-sine, sine, s % 2u == 1u);
}
#end

/// Feature s of a query, turned against the sample `frame`; 0 after the last.
fn queryOf(at: u32, sample: i32, s: u32, frame: i32) -> f32 {
  if (sample >= i32(dims.length) || s >= SIZE) {
    return 0.0;
  }
#if ROTARY
  return turned(vec2f(q[at + s], q[at + (s ^ 1u)]), sample - frame, s);
#else
  return q[at + s];
#end
}

/// Whether a sample, carried or of this call, is there.
fn isThere(sample: i32) -> bool {
#if HAS_PAST
  return sample >= -i32(dims.past) && sample < i32(dims.length);
#else
  return sample >= 0 && sample < i32(dims.length);
#end
}

fn keyOf(batch: u32, sample: i32, group: u32, s: u32, frame: i32) -> f32 {
  if (!isThere(sample) || s >= SIZE) {
    return 0.0;
  }
#if ROTARY
  let pair = vec2f(keyAt(batch, sample, group, s), keyAt(batch, sample, group, s ^ 1u));
  return turned(pair, sample - frame, s);
#else
  return keyAt(batch, sample, group, s);
#end
}

fn valueOf(batch: u32, sample: i32, group: u32, s: u32) -> f32 {
  if (!isThere(sample) || s >= SIZE) {
    return 0.0;
  }
  return valueAt(batch, sample, group, s);
}

@compute @workgroup_size(GROUP)
fn attend(
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
#if HAS_PAST
  let before = min(i32(seen0[batch]), i32(dims.past));
#else
  let before = 0;
#end
  var top = vec4f(LOWEST);
  var total = vec4f();
#for b in 0..BLOCKS
  var first${b} = vec4f();
  var second${b} = vec4f();
#end
  // The tile of queries is the last one of their keys.
  let tiles = (queries - max(queries - i32(dims.past), -before) + i32(TILE) - 1) / i32(TILE);
  for (var tile = queries - tiles * i32(TILE); tile <= queries; tile += i32(TILE)) {
    var score0 = vec4f();
    var score1 = vec4f();
    for (var start = 0u; start < SIZE; start += TILE) {
      workgroupBarrier();
      for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
        var four = vec4f();
        for (var c = 0u; c < 4u; c++) {
          let sample = queries + i32(e / TILE * 4u + c);
          let at = ((batch * dims.length + u32(sample)) * dims.head + head) * SIZE;
          four[c] = queryOf(at, sample, start + e % TILE, queries);
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
      let oldest = max(query - i32(dims.past), -before);
      let key0 = tile + i32(lane);
      let key1 = key0 + i32(LANES);
      score0[c] = select(LOWEST, dims.scale * score0[c], key0 >= oldest && key0 <= query);
      score1[c] = select(LOWEST, dims.scale * score1[c], key1 >= oldest && key1 <= query);
    }
    paired[lane * ROW_GROUPS + r] = score0;
    paired[(lane + LANES) * ROW_GROUPS + r] = score1;
    workgroupBarrier();
    var highest = top;
    for (var j = 0u; j < TILE; j++) {
      highest = max(highest, paired[j * ROW_GROUPS + r]);
    }
    workgroupBarrier();
    // A row that has seen no key yet keeps weights of 0.
    let nothing = vec4f(LOWEST);
    paired[lane * ROW_GROUPS + r] = select(exp(score0 - highest), vec4f(), score0 == nothing);
    paired[(lane + LANES) * ROW_GROUPS + r] =
      select(exp(score1 - highest), vec4f(), score1 == nothing);
    let kept = exp(top - highest);
    top = highest;
    workgroupBarrier();
    var sum = vec4f();
    for (var j = 0u; j < TILE; j++) {
      sum += paired[j * ROW_GROUPS + r];
    }
    total = total * kept + sum;
#for b in 0..BLOCKS
    workgroupBarrier();
    for (var e = local; e < TILE * TILE; e += GROUP) {
      let s = column + ${b}u * TILE + e % TILE;
      right[e / TILE * STRIDE + e % TILE] = valueOf(batch, tile + i32(e / TILE), group, s);
    }
    workgroupBarrier();
    first${b} *= kept;
    second${b} *= kept;
    for (var j = 0u; j < TILE; j++) {
      let four = paired[j * ROW_GROUPS + r];
      first${b} += four * right[j * STRIDE + lane];
      second${b} += four * right[j * STRIDE + lane + LANES];
    }
#end
  }
  for (var c = 0u; c < 4u; c++) {
    let query = queries + i32(4u * r + c);
    if (query < i32(dims.length)) {
      let at = ((batch * dims.length + u32(query)) * dims.head + head) * SIZE;
#for b in 0..BLOCKS
      {
        let s = column + ${b}u * TILE + lane;
        if (s < SIZE) {
          y[at + s] = first${b}[c] / total[c];
        }
        if (s + LANES < SIZE) {
          y[at + s + LANES] = second${b}[c] / total[c];
        }
      }
#end
    }
  }
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
  let width = dims.group * SIZE;
  if (i >= dims.batch * dims.past * width) {
    return;
  }
  let batch = i / width / dims.past;
  let sample = i32(dims.length) - i32(dims.past) + i32(i / width % dims.past);
#if !HAS_PAST
  if (sample < 0) {
    keys[i] = 0.0;
    values[i] = 0.0;
    return;
  }
#end
  keys[i] = keyAt(batch, sample, i % width / SIZE, i % SIZE);
  values[i] = valueAt(batch, sample, i % width / SIZE, i % SIZE);
}
