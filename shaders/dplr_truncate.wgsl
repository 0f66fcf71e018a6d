// The truncated output matrix of S4, C (I - Abar^length), and its way back.
//
// difference  one row of Q = Abar - I of one step, by Woodbury's identity
// multiply    product = factor left right + shift base, tile by tile: squares, and the way back
// truncate    Ctilde by -(t Q + 2 t) with t = C Q: the last squaring, of a row alone
// rows_back   the gradients of that row's C and Q
// gather      the gradients of a mode's pole and low-rank factor, from that of dt/2 A
//
// Matrices are real and act on (re, im) pairs; src/ops/dplr_truncate.ts has the equations.
#import shared/complex

// Ctilde = faded C (I - Abar^length) + rest C.
struct Dims { feature: u32, factor: f32, shift: f32, faded: f32, rest: f32 }

const SIZE = 2u * HALF;

@group(0) @binding(0) var<storage, read> lambda: array<vec2f>;
@group(0) @binding(1) var<storage, read> P: array<vec2f>;
@group(0) @binding(2) var<storage, read> C: array<vec2f>;
@group(0) @binding(3) var<storage, read> dt: array<f32>;
@group(0) @binding(4) var<storage, read_write> Ctilde: array<vec2f>;
@group(0) @binding(5) var<storage, read> left: array<f32>;
@group(0) @binding(6) var<storage, read> right: array<f32>;
@group(0) @binding(7) var<storage, read> base: array<f32>;
@group(0) @binding(8) var<storage, read_write> product: array<f32>;
@group(0) @binding(9) var<storage, read> square: array<f32>;
@group(0) @binding(10) var<storage, read> gradCtilde: array<vec2f>;
@group(0) @binding(11) var<storage, read_write> gradC: array<vec2f>;
@group(0) @binding(12) var<storage, read_write> gradLambda: array<vec2f>;
@group(0) @binding(13) var<storage, read_write> gradP: array<vec2f>;
// What each mode adds to the gradient of dt, [half, feature].
@group(0) @binding(14) var<storage, read_write> steps: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// 1 / (1 - dt/2 lambda).
fn inverseAt(at: u32, half: f32) -> vec2f {
  return complexDiv(vec2f(1.0, 0.0), vec2f(1.0, 0.0) - half * lambda[at]);
}

/// One of the two numbers of a pair.
fn numberOf(pair: vec2f, i: u32) -> f32 {
  return select(pair.x, pair.y, i % 2u == 1u);
}

@compute @workgroup_size(GROUP)
fn difference(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = group.x * GROUP + local;
  if (i >= SIZE) {
    return;
  }
  let feature = group.y;
  let bank = feature * HALF;
  let step = dt[feature];
  let half = 0.5 * step;
  // I + dt P* diag(inverse) P, and its inverse applied to row i of the product inverse P.
  let mine = inverseAt(bank + i / 2u, half);
#for r in 0..RANK
  let p${r} = numberOf(complexMul(mine, P[(feature * RANK + ${r}u) * HALF + i / 2u]), i);
#for c in 0..RANK
  var m${r}_${c} = ${r == c}.0;
#end
#end
  for (var n = 0u; n < HALF; n++) {
    let inverse = inverseAt(bank + n, half);
#for c in 0..RANK
    let q${c} = complexMul(inverse, P[(feature * RANK + ${c}u) * HALF + n]);
#for r in 0..RANK
    m${r}_${c} += step * dot(P[(feature * RANK + ${r}u) * HALF + n], q${c});
#end
#end
  }
#if RANK == 2
  let over = 2.0 * step / (m0_0 * m1_1 - m0_1 * m1_0);
  let w0 = over * (p0 * m1_1 - p1 * m1_0);
  let w1 = over * (p1 * m0_0 - p0 * m0_1);
#else
  let w0 = 2.0 * step / m0_0 * p0;
#end
  let own = step * complexMul(lambda[bank + i / 2u], mine);
  let row = (feature * SIZE + i) * SIZE;
  for (var n = 0u; n < HALF; n++) {
    var pair = vec2f(0.0);
    let inverse = complexConj(inverseAt(bank + n, half));
#for r in 0..RANK
    pair -= w${r} * complexMul(inverse, P[(feature * RANK + ${r}u) * HALF + n]);
#end
    // The mode's own block, [[re, -im], [im, re]].
    let block = select(vec2f(own.x, -own.y), vec2f(own.y, own.x), i % 2u == 1u);
    pair += select(vec2f(0.0), block, n == i / 2u);
    product[row + 2u * n] = pair.x;
    product[row + 2u * n + 1u] = pair.y;
  }
}

var<workgroup> tileLeft: array<array<f32, TILE>, TILE>;
var<workgroup> tileRight: array<array<f32, TILE>, TILE>;

@compute @workgroup_size(TILE * TILE)
fn multiply(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = local / TILE;
  let column = local % TILE;
  let i = group.y * TILE + row;
  let j = group.x * TILE + column;
  let first = group.z * SIZE * SIZE;
  var sum = 0.0;
  for (var k = 0u; k < SIZE; k += TILE) {
    workgroupBarrier();
    // Consecutive invocations read consecutive numbers, whichever side is transposed.
#if TRANSPOSE_LEFT
    let known = k + row < SIZE && group.y * TILE + column < SIZE;
    let at = first + (k + row) * SIZE + group.y * TILE + column;
    tileLeft[column][row] = select(0.0, left[select(first, at, known)], known);
#else
    let known = i < SIZE && k + column < SIZE;
    let at = first + i * SIZE + k + column;
    tileLeft[row][column] = select(0.0, left[select(first, at, known)], known);
#end
#if TRANSPOSE_RIGHT
    let inside = group.x * TILE + row < SIZE && k + column < SIZE;
    let source = first + (group.x * TILE + row) * SIZE + k + column;
    tileRight[column][row] = select(0.0, right[select(first, source, inside)], inside);
#else
    let inside = k + row < SIZE && j < SIZE;
    let source = first + (k + row) * SIZE + j;
    tileRight[row][column] = select(0.0, right[select(first, source, inside)], inside);
#end
    workgroupBarrier();
    for (var m = 0u; m < TILE; m++) {
      sum += tileLeft[row][m] * tileRight[m][column];
    }
  }
  if (i < SIZE && j < SIZE) {
    let at = first + i * SIZE + j;
    product[at] = dims.factor * sum + dims.shift * base[at];
  }
}

var<workgroup> through: array<f32, SIZE>;

/// t = C Q as a real row, into workgroup memory.
fn rowThrough(feature: u32, local: u32) {
  for (var j = local; j < SIZE; j += GROUP) {
    var sum = 0.0;
    for (var n = 0u; n < HALF; n++) {
      let c = C[feature * HALF + n];
      let at = (feature * SIZE + 2u * n) * SIZE + j;
      sum += c.x * square[at] - c.y * square[at + SIZE];
    }
    through[j] = sum;
  }
  workgroupBarrier();
}

@compute @workgroup_size(GROUP)
fn truncate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.y;
  rowThrough(feature, local);
  for (var n = local; n < HALF; n += GROUP) {
    var sum = 2.0 * vec2f(through[2u * n], through[2u * n + 1u]);
    for (var i = 0u; i < SIZE; i++) {
      let at = (feature * SIZE + i) * SIZE + 2u * n;
      sum += through[i] * vec2f(square[at], square[at + 1u]);
    }
    let c = C[feature * HALF + n];
    Ctilde[feature * HALF + n] = dims.faded * vec2f(-sum.x, sum.y) + dims.rest * c;
  }
}

var<workgroup> flow: array<f32, SIZE>;

/// The gradient of C (I - Abar^length) as a real row.
fn gradientAt(feature: u32, i: u32) -> f32 {
  let pair = gradCtilde[feature * HALF + i / 2u];
  return dims.faded * select(pair.x, -pair.y, i % 2u == 1u);
}

@compute @workgroup_size(GROUP)
fn rows_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.y;
  let first = feature * SIZE * SIZE;
  rowThrough(feature, local);
  for (var i = local; i < SIZE; i += GROUP) {
    var sum = 2.0 * gradientAt(feature, i);
    for (var j = 0u; j < SIZE; j++) {
      sum += square[first + i * SIZE + j] * gradientAt(feature, j);
    }
    flow[i] = -sum;
  }
  workgroupBarrier();
  for (var n = local; n < HALF; n += GROUP) {
    var sum = vec2f(0.0);
    for (var j = 0u; j < SIZE; j++) {
      let at = first + 2u * n * SIZE + j;
      sum += flow[j] * vec2f(square[at], square[at + SIZE]);
    }
    let kept = dims.rest * gradCtilde[feature * HALF + n];
    gradC[feature * HALF + n] = complexConj(sum) + kept;
  }
  for (var at = local; at < SIZE * SIZE; at += GROUP) {
    let i = at / SIZE;
    let j = at % SIZE;
    let pair = C[feature * HALF + i / 2u];
    let c = select(pair.x, -pair.y, i % 2u == 1u);
    product[first + at] = c * flow[j] - through[i] * gradientAt(feature, j);
  }
}

@compute @workgroup_size(GROUP)
fn gather(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let n = group.x * GROUP + local;
  if (n >= HALF) {
    return;
  }
  let feature = group.y;
  let first = feature * SIZE * SIZE;
  let step = dt[feature];
  let diagonal = first + 2u * n * (SIZE + 1u);
  let ofPole = vec2f(
    base[diagonal] + base[diagonal + SIZE + 1u],
    base[diagonal + SIZE] - base[diagonal + 1u],
  );
  gradLambda[feature * HALF + n] = 0.5 * step * ofPole;
  var ofStep = 0.5 * dot(lambda[feature * HALF + n], ofPole);
#for r in 0..RANK
  {
    var sum = vec2f(0.0);
    let row = (feature * RANK + ${r}u) * HALF;
    for (var m = 0u; m < HALF; m++) {
      let p = P[row + m];
      let across = first + 2u * n * SIZE + 2u * m;
      let down = first + 2u * m * SIZE + 2u * n;
      sum += p.x * vec2f(base[across] + base[down], base[across + SIZE] + base[down + 1u]);
      sum += p.y * vec2f(
        base[across + 1u] + base[down + SIZE],
        base[across + SIZE + 1u] + base[down + SIZE + 1u],
      );
    }
    gradP[row + n] = -step * sum;
    ofStep -= 0.5 * dot(P[row + n], sum);
  }
#end
  steps[n * dims.feature + feature] = ofStep;
}
