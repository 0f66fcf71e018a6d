// Gradients of state-space duality (Mamba-2) in chunks of the length, as small matrix products.
//
// With g = gradY, x[k] the state after sample k, a the logarithm of a decay and w the weight of an
// input (see ssd.wgsl), the gradient of x[k] is f[k] = g[k] C[k]^T + exp(a[k+1]) f[k+1]. For a
// chunk of which `before` is the state before it and `after` the gradient that comes from behind:
//
//   M[i, j] = exp(a[j+1] + .. + a[i]) C[i].B[j]     K[i, j] = exp(a[j+1] + .. + a[i]) g[i].u[j]
//   gradU[j] = w[j] (sum over i of M[i, j] g[i] + tail[j] after B[j]) + D g[j]
//   gradB[j] = w[j] (sum over i of K[i, j] C[i] + tail[j] after^T u[j])
//   gradC[i] =       sum over j of K[i, j] w[j] B[j] + reach[i] before^T g[i]
//
// where reach leads from the chunk's start to a sample and tail from a sample to the chunk's end.
//
// stage_rates   a, w, reach and tail of every sample
// pair_samples  M and K, and what they add to the gradients of a and w
// reduce_flows  what a chunk's own outputs give to the gradient of the state before it
// carry_flows   across the chunks, from the last: flows[c] becomes `after` of chunk c
// reach_inputs  gradU
// reach_rows    gradB; and gradC, with u and g, B and C, after and before changed for each other
// reach_steps   gradDelta, and the chunk's shares of the gradients of A and D
//
// A workgroup holds one chunk of one head. A product's left side lies in workgroup memory, four
// rows a vec4; an invocation takes four rows and COLUMNS columns, LANES apart. Sums of a run from j
// to k, never as a difference.
#import shared/row_sum
#import shared/ssd_chunk

struct Dims {
  batch: u32, length: u32, head: u32, feature: u32, group: u32, state: u32, chunks: u32
}

/// u; reach_rows takes gradY for it where it gives gradC.
@group(0) @binding(0) var<storage, read> samples: array<f32>;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> A: array<f32>;
@group(0) @binding(3) var<storage, read> B: array<f32>;
@group(0) @binding(4) var<storage, read> C: array<f32>;
@group(0) @binding(5) var<storage, read> D: array<f32>;
@group(0) @binding(6) var<storage, read> gradY: array<f32>;
@group(0) @binding(7) var<storage, read> gradState: array<f32>;
@group(0) @binding(8) var<storage, read> ends: array<f32>;
@group(0) @binding(9) var<storage, read> spans: array<f32>;
/// a, w, reach and tail of a sample.
@group(0) @binding(10) var<storage, read_write> rates: array<vec4f>;
/// M of a chunk and head, then K: [i, j], four j together.
@group(0) @binding(11) var<storage, read_write> pairs: array<vec4f>;
/// Planes of one number a sample and head: see the constants below.
@group(0) @binding(12) var<storage, read_write> steps: array<f32>;
@group(0) @binding(13) var<storage, read_write> flows: array<f32>;
@group(0) @binding(14) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(15) var<storage, read_write> gradDelta: array<f32>;
@group(0) @binding(16) var<storage, read_write> gradX0: array<f32>;
/// A row for each batch and chunk: the heads' shares of gradA, then of gradD.
@group(0) @binding(17) var<storage, read_write> sums: array<f32>;
/// What reach_rows takes for B, or for C.
@group(0) @binding(18) var<storage, read> own: array<f32>;
@group(0) @binding(19) var<storage, read> other: array<f32>;
@group(0) @binding(20) var<storage, read> states: array<f32>;
/// Rows of gradB or gradC, apart for the heads of a group.
@group(0) @binding(21) var<storage, read_write> rows: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Planes of `steps`: of a, from the pairs; of w, from the pairs; of w, from `after`; of a, from
/// `before`; and g.u, the gradient of D.
const OF_LOGS = 0u;
const OF_WEIGHTS = 1u;
const FROM_AFTER = 2u;
const FROM_BEFORE = 3u;
const OF_SKIP = 4u;

var<workgroup> rate: array<vec4f, CHUNK>;
/// Shares of the pairs in the gradient of a, summed along j.
var<workgroup> shares: array<f32, CHUNK * (CHUNK + 1u)>;
var<workgroup> dots: array<vec4f, GROUP>;

// What shared/ssd_chunk takes.

fn inputOf(at: u32) -> f32 {
  return gradY[at];
}

fn scaleOf(k: u32) -> f32 {
  return rate[k].z;
}

fn enterOf(at: u32) -> f32 {
  return C[at];
}

fn leaveOf(at: u32) -> f32 {
  return B[at];
}

fn stateOf(at: u32) -> f32 {
  return flows[at];
}

/// Staged sides are zero past the last term, and a constant number of them unrolls.
fn termsOf(_rest: u32) -> u32 {
  return TILE;
}

fn keepState(at: u32, value: f32) {
  flows[at] = value;
}

fn keepOutput(place: Place, k: u32, at: u32, near: f32, far: f32) {
  var sum = rate[k].y * (near + rate[k].w * far);
#if HAS_D
  sum += D[place.head] * gradY[at];
#end
  gradU[at] = sum;
}

/// The samples, from feature `top` on, as a left side.
fn stageSamples(place: Place, local: u32, top: u32) {
  for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
    let p = top + e % TILE;
    var four = vec4f();
    for (var q = 0u; q < 4u; q++) {
      let k = e / TILE * 4u + q;
      let inside = p < dims.feature && k < place.count;
      four[q] = select(0.0, samples[inputAt(place, k) + p], inside);
    }
    left[e % TILE * ROW_GROUPS + e / TILE] = four;
  }
}

/// Where the number of a sample lies in a plane of `steps`.
fn stepAt(plane: u32, place: Place, k: u32) -> u32 {
  return (plane * dims.batch * dims.chunks * dims.head + place.index) * CHUNK + k;
}

/// Brings the rates of the chunk into workgroup memory; 0 after the last sample.
fn stageRates(place: Place, local: u32) {
  for (var k = local; k < CHUNK; k += GROUP) {
    rate[k] = rates[place.index * CHUNK + k];
  }
  workgroupBarrier();
}

@compute @workgroup_size(GROUP)
fn stage_rates(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group);
  for (var k = local; k < CHUNK; k += GROUP) {
    var logs = 0.0;
    var step = 0.0;
    if (k < place.count) {
      step = delta[(place.batch * dims.length + place.start + k) * dims.head + place.head];
#if HAS_A
      logs = step * A[place.head];
#else
      logs = step;
      step = 1.0;
#end
    }
    rate[k] = vec4f(logs, step, 0.0, 0.0);
  }
  workgroupBarrier();
  for (var k = local; k < CHUNK; k += GROUP) {
    var reach = 0.0;
    for (var i = 0u; i <= k; i++) {
      reach += rate[i].x;
    }
    var tail = 0.0;
    for (var i = k + 1u; i < place.count; i++) {
      tail += rate[i].x;
    }
    rates[place.index * CHUNK + k] = vec4f(rate[k].xy, exp(reach), exp(tail));
  }
}

@compute @workgroup_size(GROUP)
fn pair_samples(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group);
  stageRates(place, local);
  let r = local / LANES;
  let lane = local % LANES;
  let scores = scoresOf(place, local, 0u);
  var products = Sums();
  for (var top = 0u; top < dims.feature; top += TILE) {
    workgroupBarrier();
    for (var e = local; e < TILE * CHUNK; e += GROUP) {
      let p = top + e % TILE;
      let k = e / TILE;
      let inside = p < dims.feature && k < place.count;
      right[k * STRIDE + e % TILE] = select(0.0, gradY[inputAt(place, k) + p], inside);
    }
    stageSamples(place, local, top);
    workgroupBarrier();
    products = addStaged(local, TILE, products);
  }
  let base = 2u * place.index * CHUNK * ROW_GROUPS;
#for c in 0..COLUMNS
  {
    let i = lane + ${c}u * LANES;
    var m = vec4f();
    var k = vec4f();
    for (var q = 0u; q < 4u; q++) {
      let j = 4u * r + q;
      var share = 0.0;
      if (j <= i && i < place.count) {
        var logs = 0.0;
        for (var t = j + 1u; t <= i; t++) {
          logs += rate[t].x;
        }
        m[q] = exp(logs) * scores.of${c}[q];
        k[q] = exp(logs) * products.of${c}[q];
        share = m[q] * products.of${c}[q];
      }
      shares[i * (CHUNK + 1u) + j] = share;
      if (i == j) {
        steps[stepAt(OF_SKIP, place, i)] = products.of${c}[q];
      }
    }
    pairs[base + i * ROW_GROUPS + r] = m;
    pairs[base + (CHUNK + i) * ROW_GROUPS + r] = k;
  }
#end
  workgroupBarrier();
  for (var j = local; j < CHUNK; j += GROUP) {
    var sum = 0.0;
    for (var i = j; i < place.count; i++) {
      sum += shares[i * (CHUNK + 1u) + j];
    }
    steps[stepAt(OF_WEIGHTS, place, j)] = sum;
  }
  workgroupBarrier();
  // Sums along j, up to and with it.
  for (var i = local; i < CHUNK; i += GROUP) {
    var sum = 0.0;
    for (var j = 0u; j <= i; j++) {
      sum += shares[i * (CHUNK + 1u) + j] * rate[j].y;
      shares[i * (CHUNK + 1u) + j] = sum;
    }
  }
  workgroupBarrier();
  // Every pair that spans sample k: j < k <= i.
  for (var k = local; k < CHUNK; k += GROUP) {
    var sum = 0.0;
    if (k > 0u) {
      for (var i = k; i < place.count; i++) {
        sum += shares[i * (CHUNK + 1u) + k - 1u];
      }
    }
    steps[stepAt(OF_LOGS, place, k)] = sum;
  }
}

@compute @workgroup_size(GROUP)
fn reduce_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group);
  stageRates(place, local);
  reduceChunk(place, local);
}

@compute @workgroup_size(GROUP)
fn carry_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let width = dims.feature * dims.state;
  let e = group.x * GROUP + local;
  if (e >= width) {
    return;
  }
  let carried = (group.z * dims.head + group.y) * width + e;
  var flow = gradState[carried];
  for (var c = dims.chunks; c > 0u; c--) {
    let index = (group.z * dims.chunks + c - 1u) * dims.head + group.y;
    let given = flows[index * width + e];
    flows[index * width + e] = flow;
    flow = exp(spans[index]) * flow + given;
  }
#if HAS_X0
  gradX0[carried] = flow;
#end
}

@compute @workgroup_size(GROUP)
fn reach_inputs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group);
  stageRates(place, local);
  let base = 2u * place.index * CHUNK * ROW_GROUPS;
  for (var e = local; e < CHUNK * ROW_GROUPS; e += GROUP) {
    paired[e] = pairs[base + e];
  }
  workgroupBarrier();
  applyChunk(place, local);
}

@compute @workgroup_size(GROUP)
fn reach_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group);
  stageRates(place, local);
  let r = local / LANES;
  let lane = local % LANES;
  let base = (2u * place.index + 1u) * CHUNK * ROW_GROUPS;
  for (var e = local; e < CHUNK * ROW_GROUPS; e += GROUP) {
#if OF_C
    let j = e / ROW_GROUPS;
    let i = e % ROW_GROUPS * 4u;
    var four = vec4f();
    for (var q = 0u; q < 4u; q++) {
      four[q] = rate[j].y * pairs[base + (i + q) * ROW_GROUPS + j / 4u][j % 4u];
    }
    paired[e] = four;
#else
    paired[e] = pairs[base + e];
#end
  }
  workgroupBarrier();
  // Heads of a group write apart.
  let perGroup = dims.head / dims.group;
  let plane = place.head % perGroup * dims.batch * dims.length * dims.group * dims.state;
  var dot = vec4f();
  for (var first = 0u; first < dims.state; first += LANES * COLUMNS) {
#for c in 0..COLUMNS
    let n${c} = min(first + ${c}u * LANES + lane, dims.state - 1u);
    var near${c} = vec4f();
    var far${c} = vec4f();
#end
    for (var k = 0u; k < place.count; k++) {
      let row = rowAt(place, k);
#for c in 0..COLUMNS
      near${c} += paired[k * ROW_GROUPS + r] * other[row + n${c}];
#end
    }
    for (var top = 0u; top < dims.feature; top += TILE) {
      workgroupBarrier();
      stageSamples(place, local, top);
      workgroupBarrier();
      for (var t = 0u; t < min(TILE, dims.feature - top); t++) {
        let at = (place.index * dims.feature + top + t) * dims.state;
#for c in 0..COLUMNS
        far${c} += left[t * ROW_GROUPS + r] * states[at + n${c}];
#end
      }
    }
#for c in 0..COLUMNS
    for (var q = 0u; q < 4u; q++) {
      let k = 4u * r + q;
      if (k < place.count && first + ${c}u * LANES + lane < dims.state) {
        let at = rowAt(place, k) + n${c};
#if OF_C
        let distant = rate[k].z * far${c}[q];
        rows[plane + at] = near${c}[q] + distant;
#else
        let distant = rate[k].w * far${c}[q];
        rows[plane + at] = rate[k].y * (near${c}[q] + distant);
#end
        dot[q] += distant * own[at];
      }
    }
#end
  }
  dots[local] = dot;
  workgroupBarrier();
  for (var k = local; k < CHUNK; k += GROUP) {
    var sum = 0.0;
    for (var i = 0u; i < LANES; i++) {
      sum += dots[k / 4u * LANES + i][k % 4u];
    }
#if OF_C
    steps[stepAt(FROM_BEFORE, place, k)] = sum;
#else
    steps[stepAt(FROM_AFTER, place, k)] = sum;
#end
  }
}

@compute @workgroup_size(GROUP)
fn reach_steps(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group);
  stageRates(place, local);
  let width = dims.feature * dims.state;
  var product = 0.0;
  for (var e = local; e < width; e += GROUP) {
    product += flows[place.index * width + e] * ends[place.index * width + e];
  }
  // What passes through the whole chunk.
  let through = rowSum(local, product) * rate[place.count - 1u].z;
  var ofA = 0.0;
  var ofD = 0.0;
  for (var k = local; k < place.count; k += GROUP) {
    var ofLog = steps[stepAt(OF_LOGS, place, k)] + through;
    for (var i = k; i < place.count; i++) {
      ofLog += steps[stepAt(FROM_BEFORE, place, i)];
    }
    for (var j = 0u; j < k; j++) {
      ofLog += rate[j].y * steps[stepAt(FROM_AFTER, place, j)];
    }
    let at = (place.batch * dims.length + place.start + k) * dims.head + place.head;
#if HAS_A
    let ofWeight = steps[stepAt(OF_WEIGHTS, place, k)] + steps[stepAt(FROM_AFTER, place, k)];
    gradDelta[at] = A[place.head] * ofLog + ofWeight;
#else
    gradDelta[at] = ofLog;
#end
    ofA += rate[k].y * ofLog;
    ofD += steps[stepAt(OF_SKIP, place, k)];
  }
#if HAS_A || HAS_D
  let row = (group.z * dims.chunks + group.x) * 2u * dims.head + place.head;
  let totalA = rowSum(local, ofA);
  let totalD = rowSum(local, ofD);
  if (local == 0u) {
    sums[row] = totalA;
    sums[row + dims.head] = totalD;
  }
#end
}
