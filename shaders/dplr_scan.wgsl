// Recurrence of a diagonal-plus-low-rank system (S4), one invocation for a feature of a row.
//
//   (I - dt/2 A) x[k] = (I + dt/2 A) x[k-1] + dt B u[k]     A = diag(lambda) - P P*
//
// recur        the whole length
// keep_starts  the same, keeping the state at the start of every chunk
// flow_back    from the last sample to the first: each chunk's states again, and all gradients
//
// The solve is Woodbury's; src/ssm/dplr.ts has it step by step, src/ops/dplr_scan.ts the way back.
// Of each conjugate pair of modes one is stored, so a product with P* is twice a real dot product.
#import shared/bounds
#import shared/complex

struct Dims { length: u32, feature: u32, rows: u32, chunks: u32, stride: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> lambda: array<vec2f>;
@group(0) @binding(2) var<storage, read> P: array<vec2f>;
@group(0) @binding(3) var<storage, read> B: array<vec2f>;
@group(0) @binding(4) var<storage, read> C: array<vec2f>;
@group(0) @binding(5) var<storage, read> dt: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> x0: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;
@group(0) @binding(9) var<storage, read_write> state: array<vec2f>;
@group(0) @binding(10) var<storage, read> gradY: array<f32>;
@group(0) @binding(11) var<storage, read> gradState: array<vec2f>;
// States of all rows, the row last: at the chunks' starts, and before each step of one chunk.
@group(0) @binding(12) var<storage, read_write> starts: array<vec2f>;
@group(0) @binding(13) var<storage, read_write> states: array<vec2f>;
// For each row of the batch the gradients of lambda, B, C, P, D and dt, one after another.
@group(0) @binding(14) var<storage, read_write> sums: array<f32>;
@group(0) @binding(15) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(16) var<storage, read_write> gradDt: array<f32>;
@group(0) @binding(17) var<storage, read_write> gradX0: array<vec2f>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Row `r` of the low-rank factor at mode `n`.
fn lowRank(feature: u32, r: u32, n: u32) -> vec2f {
  return P[(feature * RANK + r) * HALF + n];
}

/// 1 / (1 - dt/2 lambda).
fn inverseAt(at: u32, half: f32) -> vec2f {
  return complexDiv(vec2f(1.0, 0.0), vec2f(1.0, 0.0) - half * lambda[at]);
}

/// (I + half P* diag(inverse) P)^-1 of a feature, as rows; `half` is dt/2.
fn smallInverse(feature: u32, half: f32) -> mat2x2f {
  var m00 = 1.0;
#if RANK == 2
  var m01 = 0.0;
  var m10 = 0.0;
  var m11 = 1.0;
#end
  for (var n = 0u; n < HALF; n++) {
    let inverse = inverseAt(feature * HALF + n, half);
    let p0 = lowRank(feature, 0u, n);
    let q0 = complexMul(inverse, p0);
    m00 += 2.0 * half * dot(p0, q0);
#if RANK == 2
    let p1 = lowRank(feature, 1u, n);
    let q1 = complexMul(inverse, p1);
    m01 += 2.0 * half * dot(p0, q1);
    m10 += 2.0 * half * dot(p1, q0);
    m11 += 2.0 * half * dot(p1, q1);
#end
  }
#if RANK == 2
  let over = 1.0 / (m00 * m11 - m01 * m10);
  return mat2x2f(m11 * over, -m01 * over, -m10 * over, m00 * over);
#else
  return mat2x2f(1.0 / m00, 0.0, 0.0, 0.0);
#end
}

/// One step in place.
fn advance(
  x: ptr<function, array<vec2f, HALF>>,
  feature: u32,
  half: f32,
  small: mat2x2f,
  input: f32,
) {
  let bank = feature * HALF;
  // The explicit half and the input, then the diagonal part of the solve.
  var before = vec2f(0.0);
  for (var n = 0u; n < HALF; n++) {
#for r in 0..RANK
    before[${r}] += 2.0 * dot(lowRank(feature, ${r}u, n), (*x)[n]);
#end
  }
  var after = vec2f(0.0);
  for (var n = 0u; n < HALF; n++) {
    let old = (*x)[n];
    var w = old + half * complexMul(lambda[bank + n], old) + 2.0 * half * input * B[bank + n];
#for r in 0..RANK
    w -= half * before[${r}] * lowRank(feature, ${r}u, n);
#end
    w = complexMul(inverseAt(bank + n, half), w);
    (*x)[n] = w;
#for r in 0..RANK
    after[${r}] += 2.0 * half * dot(lowRank(feature, ${r}u, n), w);
#end
  }
  // The columns of the matrix type hold the rows of the inverse.
  let weight = vec2f(dot(small[0], after), dot(small[1], after));
  for (var n = 0u; n < HALF; n++) {
    var rows = vec2f(0.0);
#for r in 0..RANK
    rows += weight[${r}] * lowRank(feature, ${r}u, n);
#end
    (*x)[n] -= complexMul(inverseAt(bank + n, half), rows);
  }
}

#if !BACKWARD
@compute @workgroup_size(GROUP)
fn recur(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.rows) {
    return;
  }
  let feature = row % dims.feature;
  let batch = row / dims.feature;
  let bank = feature * HALF;
  var x: array<vec2f, HALF>;
  for (var n = 0u; n < HALF; n++) {
#if HAS_X0
    x[n] = x0[row * HALF + n];
#else
    x[n] = vec2f(0.0);
#end
  }
#if !PER_STEP
  let half = 0.5 * dt[feature];
  let small = smallInverse(feature, half);
#end
  for (var k = 0u; k < dims.length; k++) {
    let at = (batch * dims.length + k) * dims.feature + feature;
#if PER_STEP
    let half = 0.5 * dt[at];
    let small = smallInverse(feature, half);
#end
    advance(&x, feature, half, small, u[at]);
    var sum = 0.0;
    for (var n = 0u; n < HALF; n++) {
      sum += dot(complexConj(C[bank + n]), x[n]);
    }
#if HAS_D
    y[at] = 2.0 * sum + D[feature] * u[at];
#else
    y[at] = 2.0 * sum;
#end
  }
  for (var n = 0u; n < HALF; n++) {
    state[row * HALF + n] = x[n];
  }
}
#end

#if BACKWARD
@compute @workgroup_size(GROUP)
fn keep_starts(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.rows) {
    return;
  }
  let feature = row % dims.feature;
  let batch = row / dims.feature;
  var x: array<vec2f, HALF>;
  for (var n = 0u; n < HALF; n++) {
#if HAS_X0
    x[n] = x0[row * HALF + n];
#else
    x[n] = vec2f(0.0);
#end
  }
#if !PER_STEP
  let half = 0.5 * dt[feature];
  let small = smallInverse(feature, half);
#end
  for (var chunk = 0u; chunk < dims.chunks; chunk++) {
    for (var n = 0u; n < HALF; n++) {
      starts[(chunk * HALF + n) * dims.rows + row] = x[n];
    }
    // Nobody reads the state after the last chunk.
    let end = select((chunk + 1u) * CHUNK, 0u, chunk + 1u == dims.chunks);
    for (var k = chunk * CHUNK; k < end; k++) {
      let at = (batch * dims.length + k) * dims.feature + feature;
#if PER_STEP
      let half = 0.5 * dt[at];
      let small = smallInverse(feature, half);
#end
      advance(&x, feature, half, small, u[at]);
    }
  }
}

/// q = W^T flow, W being the inverse of I - half A.
fn adjointSolve(
  q: ptr<function, array<vec2f, HALF>>,
  flow: ptr<function, array<vec2f, HALF>>,
  feature: u32,
  half: f32,
  small: mat2x2f,
) {
  let bank = feature * HALF;
  var products = vec2f(0.0);
  for (var n = 0u; n < HALF; n++) {
    let turned = complexMul(complexConj(inverseAt(bank + n, half)), (*flow)[n]);
    (*q)[n] = turned;
#for r in 0..RANK
    products[${r}] += 2.0 * half * dot(lowRank(feature, ${r}u, n), turned);
#end
  }
  // The rows of the transposed inverse, whose columns are those of the matrix type.
  let weight = products.x * small[0] + products.y * small[1];
  for (var n = 0u; n < HALF; n++) {
    var rows = vec2f(0.0);
#for r in 0..RANK
    rows += weight[${r}] * lowRank(feature, ${r}u, n);
#end
    (*q)[n] -= complexMul(complexConj(inverseAt(bank + n, half)), rows);
  }
}

fn store(at: u32, value: vec2f) {
  sums[at] = value.x;
  sums[at + 1u] = value.y;
}

@compute @workgroup_size(GROUP)
fn flow_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.rows) {
    return;
  }
  let feature = row % dims.feature;
  let batch = row / dims.feature;
  let bank = feature * HALF;
  var x: array<vec2f, HALF>;
  var q: array<vec2f, HALF>;
  var flow: array<vec2f, HALF>;
  var ofLambda: array<vec2f, HALF>;
  var ofB: array<vec2f, HALF>;
  var ofC: array<vec2f, HALF>;
  var ofP: array<vec2f, RANK * HALF>;
  var ofD = 0.0;
  var ofDt = 0.0;
  for (var n = 0u; n < HALF; n++) {
    flow[n] = gradState[row * HALF + n];
  }
#if !PER_STEP
  let half = 0.5 * dt[feature];
  let small = smallInverse(feature, half);
#end
  for (var chunk = dims.chunks; chunk > 0u; chunk--) {
    let first = (chunk - 1u) * CHUNK;
    let end = min(first + CHUNK, dims.length);
    for (var n = 0u; n < HALF; n++) {
      x[n] = starts[((chunk - 1u) * HALF + n) * dims.rows + row];
    }
    for (var k = first; k < end; k++) {
      let at = (batch * dims.length + k) * dims.feature + feature;
      for (var n = 0u; n < HALF; n++) {
        states[((k - first) * HALF + n) * dims.rows + row] = x[n];
      }
#if PER_STEP
      let half = 0.5 * dt[at];
      let small = smallInverse(feature, half);
#end
      advance(&x, feature, half, small, u[at]);
    }
    // Now x is the state after the chunk.
    for (var k = end; k > first; k--) {
      let at = (batch * dims.length + k - 1u) * dims.feature + feature;
      let sample = u[at];
      let gradient = gradY[at];
#if PER_STEP
      let half = 0.5 * dt[at];
      let small = smallInverse(feature, half);
#end
      for (var n = 0u; n < HALF; n++) {
        flow[n] += 2.0 * gradient * complexConj(C[bank + n]);
        ofC[n] += 2.0 * gradient * complexConj(x[n]);
      }
      adjointSolve(&q, &flow, feature, half, small);
      var ofQ = vec2f(0.0);
      var ofS = vec2f(0.0);
      var ofInput = 0.0;
      var turned = 0.0;
      for (var n = 0u; n < HALF; n++) {
        let earlier = states[((k - 1u - first) * HALF + n) * dims.rows + row];
        // From here on x holds the sum of the two states.
        let s = x[n] + earlier;
        x[n] = s;
        let ofPole = complexMul(q[n], complexConj(s));
        ofLambda[n] += half * ofPole;
        turned += dot(lambda[bank + n], ofPole);
        ofB[n] += 2.0 * half * sample * q[n];
        ofInput += dot(B[bank + n], q[n]);
#for r in 0..RANK
        ofQ[${r}] += dot(lowRank(feature, ${r}u, n), q[n]);
        ofS[${r}] += dot(lowRank(feature, ${r}u, n), s);
#end
      }
      for (var n = 0u; n < HALF; n++) {
#for r in 0..RANK
        ofP[${r} * HALF + n] -= 2.0 * half * (ofS[${r}] * q[n] + ofQ[${r}] * x[n]);
#end
        flow[n] = 2.0 * q[n] - flow[n];
        x[n] = states[((k - 1u - first) * HALF + n) * dims.rows + row];
      }
      let ofStep = 0.5 * turned - dot(ofQ, ofS) + sample * ofInput;
#if PER_STEP
      gradDt[at] = ofStep;
#end
      ofDt += ofStep;
      ofD += gradient * sample;
#if HAS_D
      gradU[at] = 2.0 * half * ofInput + D[feature] * gradient;
#else
      gradU[at] = 2.0 * half * ofInput;
#end
    }
  }
  let width = 2u * dims.feature * HALF;
  let base = batch * dims.stride;
  for (var n = 0u; n < HALF; n++) {
    let at = base + 2u * (bank + n);
    store(at, ofLambda[n]);
    store(at + width, ofB[n]);
    store(at + 2u * width, ofC[n]);
#for r in 0..RANK
    store(base + 3u * width + 2u * ((feature * RANK + ${r}u) * HALF + n), ofP[${r} * HALF + n]);
#end
#if HAS_X0
    gradX0[row * HALF + n] = flow[n];
#end
  }
  let last = base + (3u + RANK) * width + feature;
  sums[last] = ofD;
  sums[last + dims.feature] = ofDt;
}
#end
