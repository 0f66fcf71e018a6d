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
// A workgroup holds BLOCKS tiles of the features of y; wider heads take `parts` workgroups.
#import shared/attention_tiles
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

// The sides of shared/attention_tiles.

fn heldOf0(spot: Spot, sample: i32, s: u32) -> f32 {
  return queryOf(spot, sample, s);
}

fn walkedOf0(spot: Spot, sample: i32, s: u32) -> f32 {
  return keyOf(spot, sample, s);
}

@compute @workgroup_size(GROUP)
fn attend(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let batch = workgroup.z;
  let head = workgroup.y / dims.parts;
  let column = workgroup.y % dims.parts * BLOCKS * TILE;
  let queries = i32(workgroup.x * TILE);
  let spot = Spot(batch, head, head * dims.group / dims.head, queries);
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
  for (var tile = firstTile(queries, -before); tile <= queries; tile += i32(TILE)) {
    var scores = product0(spot, local, tile);
    for (var c = 0u; c < 4u; c++) {
      let query = queries + i32(4u * r + c);
      let oldest = max(query - i32(dims.past), -before);
      let key0 = tile + i32(lane);
      let key1 = key0 + i32(LANES);
      scores.of0[c] = select(LOWEST, dims.scale * scores.of0[c], key0 >= oldest && key0 <= query);
      scores.of1[c] = select(LOWEST, dims.scale * scores.of1[c], key1 >= oldest && key1 <= query);
    }
    paired[lane * ROW_GROUPS + r] = scores.of0;
    paired[(lane + LANES) * ROW_GROUPS + r] = scores.of1;
    workgroupBarrier();
    var highest = top;
    for (var j = 0u; j < TILE; j++) {
      highest = max(highest, paired[j * ROW_GROUPS + r]);
    }
    workgroupBarrier();
    // A row that has seen no key yet keeps weights of 0.
    let nothing = vec4f(LOWEST);
    paired[lane * ROW_GROUPS + r] =
      select(exp(scores.of0 - highest), vec4f(), scores.of0 == nothing);
    paired[(lane + LANES) * ROW_GROUPS + r] =
      select(exp(scores.of1 - highest), vec4f(), scores.of1 == nothing);
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
      right[e / TILE * STRIDE + e % TILE] = valueOf(spot, tile + i32(e / TILE), s);
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
      let at = queryAt(batch, query, head);
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
