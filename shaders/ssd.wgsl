// State-space duality (Mamba-2) in chunks of the length.
//
//   x[k] = exp(a[k]) x[k-1] + w[k] u[k] B[k]^T     y[k] = x[k] C[k] + D u[k]
//
// with a = delta A and w = delta, or a = delta and w = 1 without A.
//
// reduce_chunks  every chunk's end state from a zero start, and the sum of its a
// carry_chunks   across the chunks: ends[c] becomes the state before chunk c; the final state
// apply_chunks   every chunk as masked attention over its own samples, and what the state before it
//                adds
//
// A workgroup holds one chunk of one head. Sums of a run from j to k, never as a difference.

struct Dims { length: u32, head: u32, feature: u32, group: u32, state: u32, chunks: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> A: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<f32>;
@group(0) @binding(4) var<storage, read> C: array<f32>;
@group(0) @binding(5) var<storage, read> D: array<f32>;
@group(0) @binding(6) var<storage, read> x0: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<storage, read_write> state: array<f32>;
@group(0) @binding(9) var<storage, read_write> ends: array<f32>;
@group(0) @binding(10) var<storage, read_write> spans: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Logarithm of the decay in x, weight of the input in y.
var<workgroup> rates: array<vec2f, CHUNK>;
/// Decay from a sample to the end of the chunk, or from the chunk's start to a sample.
var<workgroup> reach: array<f32, CHUNK>;
/// Weight of sample j in the output of sample k.
var<workgroup> weights: array<array<f32, CHUNK>, CHUNK>;

/// A workgroup's chunk: first sample, samples, and its index among all chunks and heads.
struct Place { batch: u32, head: u32, start: u32, steps: u32, index: u32 }

fn placeOf(group: vec3u) -> Place {
  let start = group.x * CHUNK;
  let index = (group.z * dims.chunks + group.x) * dims.head + group.y;
  return Place(group.z, group.y, start, min(CHUNK, dims.length - start), index);
}

fn inputAt(place: Place, k: u32) -> u32 {
  return ((place.batch * dims.length + place.start + k) * dims.head + place.head) * dims.feature;
}

fn rowAt(place: Place, k: u32) -> u32 {
  let g = place.head * dims.group / dims.head;
  return ((place.batch * dims.length + place.start + k) * dims.group + g) * dims.state;
}

fn stageRates(place: Place, local: u32) {
  for (var k = local; k < place.steps; k += GROUP) {
    let step = delta[(place.batch * dims.length + place.start + k) * dims.head + place.head];
#if HAS_A
    rates[k] = vec2f(step * A[place.head], step);
#else
    rates[k] = vec2f(step, 1.0);
#end
  }
}

@compute @workgroup_size(GROUP)
fn reduce_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group);
  stageRates(place, local);
  workgroupBarrier();
  for (var k = local; k < place.steps; k += GROUP) {
    var log = 0.0;
    for (var i = k + 1u; i < place.steps; i++) {
      log += rates[i].x;
    }
    reach[k] = exp(log) * rates[k].y;
    if (k == 0u) {
      spans[place.index] = log + rates[0].x;
    }
  }
  workgroupBarrier();
  let width = dims.feature * dims.state;
  for (var e = local; e < width; e += GROUP) {
    let p = e / dims.state;
    let n = e % dims.state;
    var sum = 0.0;
    for (var k = 0u; k < place.steps; k++) {
      sum += reach[k] * u[inputAt(place, k) + p] * B[rowAt(place, k) + n];
    }
    ends[place.index * width + e] = sum;
  }
}

@compute @workgroup_size(GROUP)
fn carry_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let width = dims.feature * dims.state;
  let e = group.x * GROUP + local;
  if (e >= width) {
    return;
  }
  let carried = (group.z * dims.head + group.y) * width + e;
#if HAS_X0
  var x = x0[carried];
#else
  var x = 0.0;
#end
  for (var c = 0u; c < dims.chunks; c++) {
    let index = (group.z * dims.chunks + c) * dims.head + group.y;
    let end = ends[index * width + e];
    ends[index * width + e] = x;
    x = exp(spans[index]) * x + end;
  }
  state[carried] = x;
}

@compute @workgroup_size(GROUP)
fn apply_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group);
  stageRates(place, local);
  workgroupBarrier();
  for (var k = local; k < place.steps; k += GROUP) {
    var log = 0.0;
    for (var i = 0u; i <= k; i++) {
      log += rates[i].x;
    }
    reach[k] = exp(log);
  }
  for (var pair = local; pair < place.steps * place.steps; pair += GROUP) {
    let k = pair / place.steps;
    let j = pair % place.steps;
    if (j <= k) {
      var log = 0.0;
      for (var i = j + 1u; i <= k; i++) {
        log += rates[i].x;
      }
      let rowC = rowAt(place, k);
      let rowB = rowAt(place, j);
      var score = 0.0;
      for (var n = 0u; n < dims.state; n++) {
        score += C[rowC + n] * B[rowB + n];
      }
      weights[k][j] = exp(log) * score * rates[j].y;
    }
  }
  workgroupBarrier();
  let width = dims.feature * dims.state;
  for (var e = local; e < place.steps * dims.feature; e += GROUP) {
    let k = e / dims.feature;
    let p = e % dims.feature;
    let before = place.index * width + p * dims.state;
    let rowC = rowAt(place, k);
    var carried = 0.0;
    for (var n = 0u; n < dims.state; n++) {
      carried += C[rowC + n] * ends[before + n];
    }
    var sum = reach[k] * carried;
    for (var j = 0u; j <= k; j++) {
      sum += weights[k][j] * u[inputAt(place, j) + p];
    }
    let at = inputAt(place, k) + p;
#if HAS_D
    sum += D[place.head] * u[at];
#end
    y[at] = sum;
  }
}
