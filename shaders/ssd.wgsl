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

/// Terms of a product that are staged at once.
const TILE = 32u;
/// Between rows of a staged right side, so that neighbours lie in other banks.
const STRIDE = TILE + 1u;

/// Logarithm of the decay in x, weight of the input in y.
var<workgroup> rates: array<vec2f, CHUNK>;
/// Decay from a sample to the end of the chunk, or from the chunk's start to a sample.
var<workgroup> reach: array<f32, CHUNK>;
/// Left side of a product: [term, row], four rows together.
var<workgroup> left: array<vec4f, TILE * ROW_GROUPS>;
/// The same of a product over the samples of the chunk.
var<workgroup> paired: array<vec4f, CHUNK * ROW_GROUPS>;
/// Right side of a product: [column, term].
var<workgroup> right: array<f32, LANES * COLUMNS * STRIDE>;

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
  let r = local / LANES;
  let lane = local % LANES;
  for (var top = 0u; top < dims.feature; top += 4u * ROW_GROUPS) {
    workgroupBarrier();
    for (var e = local; e < place.steps * ROW_GROUPS; e += GROUP) {
      let k = e / ROW_GROUPS;
      var four = vec4f();
      for (var q = 0u; q < 4u; q++) {
        let p = top + e % ROW_GROUPS * 4u + q;
        four[q] = select(0.0, reach[k] * u[inputAt(place, k) + p], p < dims.feature);
      }
      paired[e] = four;
    }
    workgroupBarrier();
    for (var first = lane; first < dims.state; first += LANES * COLUMNS) {
#for c in 0..COLUMNS
      var sum${c} = vec4f();
#end
      for (var k = 0u; k < place.steps; k++) {
        let row = rowAt(place, k);
        let four = paired[k * ROW_GROUPS + r];
#for c in 0..COLUMNS
        sum${c} += four * B[row + min(first + ${c}u * LANES, dims.state - 1u)];
#end
      }
#for c in 0..COLUMNS
      for (var q = 0u; q < 4u; q++) {
        let p = top + 4u * r + q;
        let n = first + ${c}u * LANES;
        if (p < dims.feature && n < dims.state) {
          ends[(place.index * dims.feature + p) * dims.state + n] = sum${c}[q];
        }
      }
#end
    }
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
  let r = local / LANES;
  let lane = local % LANES;
  stagePairs(place, local);
  for (var first = 0u; first < dims.feature; first += LANES * COLUMNS) {
#for c in 0..COLUMNS
    let p${c} = min(first + ${c}u * LANES + lane, dims.feature - 1u);
    var near${c} = vec4f();
    var far${c} = vec4f();
#end
    for (var j = 0u; j < place.steps; j++) {
      let at = inputAt(place, j);
#for c in 0..COLUMNS
      near${c} += paired[j * ROW_GROUPS + r] * u[at + p${c}];
#end
    }
    for (var top = 0u; top < dims.state; top += TILE) {
      workgroupBarrier();
      for (var e = local; e < TILE * LANES * COLUMNS; e += GROUP) {
        let n = top + e % TILE;
        let p = first + e / TILE;
        let at = (place.index * dims.feature + p) * dims.state + n;
        let inside = n < dims.state && p < dims.feature;
        right[e / TILE * STRIDE + e % TILE] = select(0.0, ends[at], inside);
      }
      stageOutputs(place, local, top);
      workgroupBarrier();
      for (var n = 0u; n < min(TILE, dims.state - top); n++) {
#for c in 0..COLUMNS
        far${c} += left[n * ROW_GROUPS + r] * right[(lane + ${c}u * LANES) * STRIDE + n];
#end
      }
    }
#for c in 0..COLUMNS
    for (var q = 0u; q < 4u; q++) {
      let k = 4u * r + q;
      if (k < place.steps && first + ${c}u * LANES + lane < dims.feature) {
        let at = inputAt(place, k) + p${c};
        var sum = near${c}[q] + reach[k] * far${c}[q];
#if HAS_D
        sum += D[place.head] * u[at];
#end
        y[at] = sum;
      }
    }
#end
  }
}

/// Rows of C, from state `top` on, as a left side.
fn stageOutputs(place: Place, local: u32, top: u32) {
  for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
    let n = top + e % TILE;
    var four = vec4f();
    for (var q = 0u; q < 4u; q++) {
      let k = e / TILE * 4u + q;
      four[q] = select(0.0, C[rowAt(place, k) + n], n < dims.state && k < place.steps);
    }
    left[e % TILE * ROW_GROUPS + e / TILE] = four;
  }
}

/// The weight of sample j in the output of sample k, for all pairs of the chunk.
fn stagePairs(place: Place, local: u32) {
  let r = local / LANES;
  let lane = local % LANES;
  for (var first = 0u; first < place.steps; first += LANES * COLUMNS) {
#for c in 0..COLUMNS
    var score${c} = vec4f();
#end
    for (var top = 0u; top < dims.state; top += TILE) {
      workgroupBarrier();
      for (var e = local; e < TILE * LANES * COLUMNS; e += GROUP) {
        let n = top + e % TILE;
        let j = first + e / TILE;
        let inside = n < dims.state && j < place.steps;
        right[e / TILE * STRIDE + e % TILE] = select(0.0, B[rowAt(place, j) + n], inside);
      }
      stageOutputs(place, local, top);
      workgroupBarrier();
      for (var n = 0u; n < min(TILE, dims.state - top); n++) {
#for c in 0..COLUMNS
        score${c} += left[n * ROW_GROUPS + r] * right[(lane + ${c}u * LANES) * STRIDE + n];
#end
      }
    }
#for c in 0..COLUMNS
    {
      let j = first + ${c}u * LANES + lane;
      if (j < place.steps) {
        var four = vec4f();
        for (var q = 0u; q < 4u; q++) {
          let k = 4u * r + q;
          if (j <= k && k < place.steps) {
            var log = 0.0;
            for (var i = j + 1u; i <= k; i++) {
              log += rates[i].x;
            }
            four[q] = exp(log) * score${c}[q] * rates[j].y;
          }
        }
        paired[j * ROW_GROUPS + r] = four;
      }
    }
#end
  }
  workgroupBarrier();
}
