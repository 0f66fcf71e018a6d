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
// A workgroup holds one chunk of one head. A product's left side lies in workgroup memory, four
// rows a vec4; an invocation takes four rows and COLUMNS columns, LANES apart. Sums of a run from j
// to k, never as a difference.
#import shared/ssd_chunk

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

// What shared/ssd_chunk takes.

fn inputOf(at: u32) -> f32 {
  return u[at];
}

fn scaleOf(k: u32) -> f32 {
  return reach[k];
}

fn enterOf(at: u32) -> f32 {
  return B[at];
}

fn leaveOf(at: u32) -> f32 {
  return C[at];
}

fn stateOf(at: u32) -> f32 {
  return ends[at];
}

fn termsOf(rest: u32) -> u32 {
  return min(TILE, rest);
}

fn keepState(at: u32, value: f32) {
  ends[at] = value;
}

fn keepOutput(place: Place, k: u32, at: u32, near: f32, far: f32) {
  var sum = near + reach[k] * far;
#if HAS_D
  sum += D[place.head] * u[at];
#end
  y[at] = sum;
}

fn stageRates(place: Place, local: u32) {
  for (var k = local; k < place.count; k += GROUP) {
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
  for (var k = local; k < place.count; k += GROUP) {
    var log = 0.0;
    for (var i = k + 1u; i < place.count; i++) {
      log += rates[i].x;
    }
    reach[k] = exp(log) * rates[k].y;
    if (k == 0u) {
      spans[place.index] = log + rates[0].x;
    }
  }
  workgroupBarrier();
  reduceChunk(place, local);
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
  for (var k = local; k < place.count; k += GROUP) {
    var log = 0.0;
    for (var i = 0u; i <= k; i++) {
      log += rates[i].x;
    }
    reach[k] = exp(log);
  }
  stagePairs(place, local);
  applyChunk(place, local);
}

/// The weight of sample j in the output of sample k, for all pairs of the chunk.
fn stagePairs(place: Place, local: u32) {
  let r = local / LANES;
  let lane = local % LANES;
  for (var first = 0u; first < place.count; first += LANES * COLUMNS) {
    let scores = scoresOf(place, local, first);
#for c in 0..COLUMNS
    {
      let j = first + ${c}u * LANES + lane;
      if (j < place.count) {
        var four = vec4f();
        for (var q = 0u; q < 4u; q++) {
          let k = 4u * r + q;
          if (j <= k && k < place.count) {
            var log = 0.0;
            for (var i = j + 1u; i <= k; i++) {
              log += rates[i].x;
            }
            four[q] = exp(log) * scores.of${c}[q] * rates[j].y;
          }
        }
        paired[j * ROW_GROUPS + r] = four;
      }
    }
#end
  }
  workgroupBarrier();
}
