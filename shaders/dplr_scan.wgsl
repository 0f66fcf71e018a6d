// Recurrence of a diagonal-plus-low-rank system (S4), one invocation for a feature of a row.
//
//   (I - dt/2 A) x[k] = (I + dt/2 A) x[k-1] + dt B u[k]     A = diag(lambda) - P P*
//
// The solve is Woodbury's; src/ssm/dplr.ts has it step by step. Of each conjugate pair of modes one
// is stored, so a product with P* is twice a real dot product.
#import shared/bounds
#import shared/complex

struct Dims { length: u32, feature: u32, rows: u32 }

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
    // The explicit half and the input, then the diagonal part of the solve.
    var before = vec2f(0.0);
    for (var n = 0u; n < HALF; n++) {
#for r in 0..RANK
      before[${r}] += 2.0 * dot(lowRank(feature, ${r}u, n), x[n]);
#end
    }
    var after = vec2f(0.0);
    for (var n = 0u; n < HALF; n++) {
      var w = x[n] + half * complexMul(lambda[bank + n], x[n]) + 2.0 * half * u[at] * B[bank + n];
#for r in 0..RANK
      w -= half * before[${r}] * lowRank(feature, ${r}u, n);
#end
      w = complexMul(inverseAt(bank + n, half), w);
      x[n] = w;
#for r in 0..RANK
      after[${r}] += 2.0 * half * dot(lowRank(feature, ${r}u, n), w);
#end
    }
    // The columns of the matrix type hold the rows of the inverse.
    let weight = vec2f(dot(small[0], after), dot(small[1], after));
    var sum = 0.0;
    for (var n = 0u; n < HALF; n++) {
      var rows = vec2f(0.0);
#for r in 0..RANK
      rows += weight[${r}] * lowRank(feature, ${r}u, n);
#end
      x[n] -= complexMul(inverseAt(bank + n, half), rows);
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
