// Causal softmax attention over a window of keys, with carried keys and values.
//
// attend       one query of one head a workgroup: keys in tiles of GROUP, running maximum and sum
// carry_state  the last `past` keys and values, and how many of them are samples
//
// Rotary positions turn a score by the distance alone; the table holds (cos, sin) by distance.
#import shared/bounds
#import shared/row_max
#import shared/row_sum

struct Dims {
  batch: u32, length: u32, head: u32, group: u32, past: u32, scale: f32
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

var<workgroup> weights: array<f32, GROUP>;

/// Where the row of a sample of this call begins.
fn rowAt(batch: u32, sample: u32, group: u32) -> u32 {
  return ((batch * dims.length + sample) * dims.group + group) * SIZE;
}

/// Where the row of a carried sample begins; `sample` is negative, the newest −1.
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

fn scoreOf(at: u32, batch: u32, sample: i32, group: u32, distance: u32) -> f32 {
  var sum = 0.0;
#if ROTARY
  for (var p = 0u; p < SIZE / 2u; p++) {
    let turn = turns[distance * (SIZE / 2u) + p];
    let a = vec2f(q[at + 2u * p], q[at + 2u * p + 1u]);
    let b = vec2f(
      keyAt(batch, sample, group, 2u * p),
      keyAt(batch, sample, group, 2u * p + 1u),
    );
    sum += dot(a, b) * turn.x + (a.x * b.y - a.y * b.x) * turn.y;
  }
#else
  for (var s = 0u; s < SIZE; s++) {
    sum += q[at + s] * keyAt(batch, sample, group, s);
  }
#end
  return dims.scale * sum;
}

@compute @workgroup_size(GROUP)
fn attend(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = groupIndex(workgroup, workgroups);
  // Uniform over the workgroup, so no invocation misses a barrier.
  if (index >= dims.batch * dims.length * dims.head) {
    return;
  }
  let group = index % dims.head * dims.group / dims.head;
  let query = i32(index / dims.head % dims.length);
  let batch = index / dims.head / dims.length;
#if HAS_PAST
  let before = min(i32(seen0[batch]), i32(dims.past));
#else
  let before = 0;
#end
  let first = max(query - i32(dims.past), -before);
  var top = LOWEST;
  var total = 0.0;
#for f in 0..FEATURES_PER_THREAD
  var sum${f} = 0.0;
#end
  for (var start = first; start <= query; start += i32(GROUP)) {
    let sample = start + i32(local);
    var score = LOWEST;
    if (sample <= query) {
      score = scoreOf(index * SIZE, batch, sample, group, u32(query - sample));
    }
    let highest = max(top, rowMax(local, score));
    let kept = exp(top - highest);
    let weight = select(0.0, exp(score - highest), sample <= query);
    weights[local] = weight;
    total = total * kept + rowSum(local, weight);
    top = highest;
    let count = min(i32(GROUP), query - start + 1);
#for f in 0..FEATURES_PER_THREAD
    sum${f} *= kept;
    if (local + ${f}u * GROUP < SIZE) {
      for (var t = 0; t < count; t++) {
        sum${f} += weights[t] * valueAt(batch, start + t, group, local + ${f}u * GROUP);
      }
    }
#end
    // The next tile must not overwrite weights that are still read.
    workgroupBarrier();
  }
#for f in 0..FEATURES_PER_THREAD
  if (local + ${f}u * GROUP < SIZE) {
    y[index * SIZE + local + ${f}u * GROUP] = sum${f} / total;
  }
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
