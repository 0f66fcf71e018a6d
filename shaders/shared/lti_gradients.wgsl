// Gradients of the bank of a diagonal complex scan whose systems stay the same: of A, B, C and D.
//
//   x[k] = a x[k-1] + b u[k]       y[k] = scale Re(sum c x[k]) + D u[k]
//
// They need no walk from the end. What a state is of a, b and x0 is carried along instead,
//
//   q[k] = a q[k-1] + u[k]         r[k] = a r[k-1] + q[k-1]           x = b q + e
//   e[k] = a^k x0                  f[k] = k a^(k-1) x0                dx/da = b r + f,  dx/db = q
//
// and met with the gradient g of y. From q and r before a block of T = BLOCK steps all sums over it
// follow by products of which none waits for another:
//
//   near    = sum_j a^(j+1)* g[j]           far   = sum_j (j+1) a^j* g[j]
//   sum g q* += near q*                     sum g r* += near r* + far q*
//   q' = a^T q + sum_j a^(T-1-j) u[j]       r' = a^T r + T a^(T-1) q + sum_j (T-1-j) a^(T-2-j) u[j]
//
// but for what u gives to g inside a block. That is the same for all states but for powers of a:
//
//   lag[i] = sum_j g[j] u[j-i]              sum g q* += sum_i a^i* lag[i]
//
// (* is the conjugate), and enters at the end.
//
// reduce_responses   every chunk but the last: q and r at its end from a zero start
// carry_responses    across the chunks: starts[c] becomes q and r at the start of chunk c + 1
// sum_responses      every chunk from its true start: a row of sums
// finish_gradients   the rows' total and the lags' share of it
//
// A workgroup holds FEATURES features; the states of a feature are split over PARTS invocations,
// STATES_PER_PART in named registers of each. PAGE steps of u and g are staged at a time, loaded
// while the page before is used.
#import shared/complex
#import shared/lti_place

struct Dims {
  batch: u32, length: u32, feature: u32, states: u32, chunk: u32, chunks: u32, scale: f32
}

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> A: array<vec2f>;
@group(0) @binding(2) var<storage, read> B: array<vec2f>;
@group(0) @binding(3) var<storage, read> C: array<vec2f>;
@group(0) @binding(4) var<storage, read> x0: array<vec2f>;
@group(0) @binding(5) var<storage, read> gradY: array<f32>;
@group(0) @binding(6) var<storage, read> gradState: array<vec2f>;
/// q in xy, r in zw; with a carried state e and f after them.
@group(0) @binding(7) var<storage, read_write> starts: array<vec4f>;
/// Of a chunk: gradients of A, B and C [feature, state] c64; lags [BLOCK, feature]; of D, what lies
/// past the last block [feature].
@group(0) @binding(8) var<storage, read_write> sums: array<f32>;
@group(0) @binding(9) var<storage, read> totals: array<f32>;
@group(0) @binding(10) var<storage, read_write> gradA: array<vec2f>;
@group(0) @binding(11) var<storage, read_write> gradB: array<vec2f>;
@group(0) @binding(12) var<storage, read_write> gradC: array<vec2f>;
@group(0) @binding(13) var<storage, read_write> gradD: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

var<workgroup> inputs: array<array<array<f32, FEATURES>, BLOCK>, ${PAGE / BLOCK}>;
var<workgroup> gradients: array<array<array<f32, FEATURES>, BLOCK>, ${PAGE / BLOCK}>;

const STRIDE = ${1 + HAS_X0}u;

/// a^n by squares.
fn powerOf(a: vec2f, n: u32) -> vec2f {
  var power = vec2f(1.0, 0.0);
  var square = a;
  for (var rest = n; rest > 0u; rest = rest >> 1u) {
    if ((rest & 1u) == 1u) {
      power = complexMul(power, square);
    }
    square = complexMul(square, square);
  }
  return power;
}

/// conj(a) b
fn conjMul(a: vec2f, b: vec2f) -> vec2f {
  return vec2f(fma(a.x, b.x, a.y * b.y), fma(a.x, b.y, -a.y * b.x));
}

@compute @workgroup_size(FEATURES * PARTS)
fn reduce_responses(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, local, group.y);
#for s in 0..STATES_PER_PART
  let has${s} = hasState(place, ${s}u);
  let p${s}_0 = vec2f(1.0, 0.0);
  let p${s}_1 = select(vec2f(0.0), A[place.first + ${s}u], has${s});
#for j in 2..BLOCK + 1
  let p${s}_${j} = complexMul(p${s}_${j / 2}, p${s}_${j - j / 2});
#end
  let slope${s} = ${BLOCK}.0 * p${s}_${BLOCK - 1};
  var q${s} = vec2f(0.0);
  var r${s} = vec2f(0.0);
#end
#for i in 0..PAGE / PARTS
  var next${i} = u[elementWithin(place, ${i * PARTS}u + place.part)];
#end
  for (var page = 0u; page < place.steps; page += PAGE) {
    workgroupBarrier();
#for i in 0..PAGE / PARTS
    {
      let row = ${i * PARTS}u + place.part;
      inputs[row / BLOCK][row % BLOCK][place.lane] = next${i};
    }
#end
#for i in 0..PAGE / PARTS
    next${i} = u[elementWithin(place, page + ${PAGE + i * PARTS}u + place.part)];
#end
    workgroupBarrier();
    // Chunks that others follow are whole blocks.
    let blocks = min(PAGE, place.steps - page) / BLOCK;
    for (var block = 0u; block < blocks; block++) {
#for j in 0..BLOCK
      let u${j} = inputs[block][${j}][place.lane];
      let weighted${j} = ${BLOCK - 1 - j}.0 * u${j};
#end
#for s in 0..STATES_PER_PART
      r${s} = complexMul(p${s}_${BLOCK}, r${s}) + complexMul(slope${s}, q${s});
      q${s} = complexMul(p${s}_${BLOCK}, q${s});
#end
#for j in 0..BLOCK
#for s in 0..STATES_PER_PART
      q${s} = fma(p${s}_${BLOCK - 1 - j}, vec2f(u${j}), q${s});
#if j + 1 < BLOCK
      r${s} = fma(p${s}_${BLOCK - 2 - j}, vec2f(weighted${j}), r${s});
#end
#end
#end
    }
  }
  let bank = dims.feature * dims.states;
  let row = (group.z * (dims.chunks - 1u) + group.y) * bank + place.first;
#for s in 0..STATES_PER_PART
  if (has${s}) {
    starts[(row + ${s}u) * STRIDE] = vec4f(q${s}, r${s});
  }
#end
}

@compute @workgroup_size(CARRY_GROUP)
fn carry_responses(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let bank = dims.feature * dims.states;
  let i = group.x * CARRY_GROUP + local;
  if (i >= bank) {
    return;
  }
  let before = powerOf(A[i], dims.chunk - 1u);
  let decay = complexMul(A[i], before);
  let slope = f32(dims.chunk) * before;
  var q = vec2f(0.0);
  var r = vec2f(0.0);
#if HAS_X0
  var e = x0[group.y * bank + i];
  var f = vec2f(0.0);
#end
  let first = group.y * (dims.chunks - 1u) * bank + i;
  for (var c = 0u; c < dims.chunks - 1u; c += CARRY_AHEAD) {
    // All loads before the first store, which they could not pass.
#for j in 0..CARRY_AHEAD
    let at${j} = (first + (c + ${j}u) * bank) * STRIDE;
    let end${j} = starts[at${j}];
#end
#for j in 0..CARRY_AHEAD
    if (c + ${j}u < dims.chunks - 1u) {
      r = complexMul(decay, r) + complexMul(slope, q) + end${j}.zw;
      q = complexMul(decay, q) + end${j}.xy;
      starts[at${j}] = vec4f(q, r);
#if HAS_X0
      f = complexMul(decay, f) + complexMul(slope, e);
      e = complexMul(decay, e);
      starts[at${j} + 1u] = vec4f(e, f);
#end
    }
#end
  }
}

@compute @workgroup_size(FEATURES * PARTS)
fn sum_responses(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, local, group.y);
  let bank = dims.feature * dims.states;
#if CHUNKED
  let previous = max(group.y, 1u) - 1u;
  let row = (group.z * (dims.chunks - 1u) + previous) * bank + place.first;
#end
#for s in 0..STATES_PER_PART
  let has${s} = hasState(place, ${s}u);
  let p${s}_0 = vec2f(1.0, 0.0);
  let p${s}_1 = select(vec2f(0.0), A[place.first + ${s}u], has${s});
#for j in 2..BLOCK + 1
  let p${s}_${j} = complexMul(p${s}_${j / 2}, p${s}_${j - j / 2});
#end
  let slope${s} = ${BLOCK}.0 * p${s}_${BLOCK - 1};
  var q${s} = vec2f(0.0);
  var r${s} = vec2f(0.0);
#if HAS_X0
  var e${s} = select(vec2f(0.0), x0[group.z * bank + place.first + ${s}u], has${s});
  var f${s} = vec2f(0.0);
  var sumE${s} = vec2f(0.0);
  var sumF${s} = vec2f(0.0);
#end
#if CHUNKED
  if (has${s} && group.y > 0u) {
    let start = starts[(row + ${s}u) * STRIDE];
    q${s} = start.xy;
    r${s} = start.zw;
#if HAS_X0
    let carried = starts[(row + ${s}u) * STRIDE + 1u];
    e${s} = carried.xy;
    f${s} = carried.zw;
#end
  }
#end
  var sumQ${s} = vec2f(0.0);
  var sumR${s} = vec2f(0.0);
#end
#for i in 0..BLOCK
  var lag${i} = 0.0;
#end
  let whole = place.steps - place.steps % BLOCK;
#for i in 0..PAGE / PARTS
  var nextU${i} = u[elementWithin(place, ${i * PARTS}u + place.part)];
  var nextG${i} = gradY[elementWithin(place, ${i * PARTS}u + place.part)];
#end
  for (var page = 0u; page < whole; page += PAGE) {
    workgroupBarrier();
#for i in 0..PAGE / PARTS
    {
      let row = ${i * PARTS}u + place.part;
      inputs[row / BLOCK][row % BLOCK][place.lane] = nextU${i};
      gradients[row / BLOCK][row % BLOCK][place.lane] = nextG${i};
    }
#end
#for i in 0..PAGE / PARTS
    {
      let at = elementWithin(place, page + ${PAGE + i * PARTS}u + place.part);
      nextU${i} = u[at];
      nextG${i} = gradY[at];
    }
#end
    workgroupBarrier();
    let blocks = min(PAGE, whole - page) / BLOCK;
    for (var block = 0u; block < blocks; block++) {
#for j in 0..BLOCK
      let u${j} = inputs[block][${j}][place.lane];
      let g${j} = gradients[block][${j}][place.lane];
      let uWeighted${j} = ${BLOCK - 1 - j}.0 * u${j};
      let gWeighted${j} = ${j + 1}.0 * g${j};
#end
      // Conjugates of the header's near and far.
#for s in 0..STATES_PER_PART
      var near${s} = vec2f(0.0);
      var far${s} = vec2f(0.0);
#end
#for j in 0..BLOCK
#for s in 0..STATES_PER_PART
      near${s} = fma(p${s}_${j + 1}, vec2f(g${j}), near${s});
      far${s} = fma(p${s}_${j}, vec2f(gWeighted${j}), far${s});
#end
#end
#for s in 0..STATES_PER_PART
      sumQ${s} += complexConj(complexMul(q${s}, near${s}));
      sumR${s} += complexConj(complexMul(r${s}, near${s}) + complexMul(q${s}, far${s}));
#if HAS_X0
      sumE${s} += complexConj(complexMul(e${s}, near${s}));
      sumF${s} += complexConj(complexMul(f${s}, near${s}) + complexMul(e${s}, far${s}));
      f${s} = complexMul(p${s}_${BLOCK}, f${s}) + complexMul(slope${s}, e${s});
      e${s} = complexMul(p${s}_${BLOCK}, e${s});
#end
      r${s} = complexMul(p${s}_${BLOCK}, r${s}) + complexMul(slope${s}, q${s});
      q${s} = complexMul(p${s}_${BLOCK}, q${s});
#end
#for j in 0..BLOCK
#for s in 0..STATES_PER_PART
      q${s} = fma(p${s}_${BLOCK - 1 - j}, vec2f(u${j}), q${s});
#if j + 1 < BLOCK
      r${s} = fma(p${s}_${BLOCK - 2 - j}, vec2f(uWeighted${j}), r${s});
#end
#end
#end
    if (place.part == 0u) {
#for i in 0..BLOCK
#for j in i..BLOCK
      lag${i} = fma(g${j}, u${j - i}, lag${i});
#end
#end
    }
    }
  }
  // The steps after the last whole block, one by one.
  var sumD = 0.0;
  for (var k = whole; k < place.steps; k++) {
    let input = u[elementWithin(place, k)];
    let gradient = gradY[elementWithin(place, k)];
    sumD = fma(input, gradient, sumD);
#for s in 0..STATES_PER_PART
    r${s} = complexMul(p${s}_1, r${s}) + q${s};
    q${s} = complexMul(p${s}_1, q${s}) + vec2f(input, 0.0);
    sumR${s} += gradient * complexConj(r${s});
    sumQ${s} += gradient * complexConj(q${s});
#if HAS_X0
    f${s} = complexMul(p${s}_1, f${s}) + e${s};
    e${s} = complexMul(p${s}_1, e${s});
    sumF${s} += gradient * complexConj(f${s});
    sumE${s} += gradient * complexConj(e${s});
#end
#end
  }
  let out = (group.z * dims.chunks + group.y) * (6u * bank + (BLOCK + 1u) * dims.feature);
#for s in 0..STATES_PER_PART
  if (has${s}) {
    let mode = place.first + ${s}u;
    let b = B[mode];
    let c = C[mode];
    var ofX = conjMul(b, sumQ${s});
    var ofSlope = conjMul(b, sumR${s});
    var moved = complexMul(b, r${s});
#if HAS_X0
    ofX += sumE${s};
    ofSlope += sumF${s};
    moved += f${s};
#end
    var ofA = dims.scale * conjMul(c, ofSlope);
    var ofB = dims.scale * conjMul(c, sumQ${s});
    if (group.y + 1u == dims.chunks) {
      let last = gradState[group.z * bank + mode];
      ofA += conjMul(moved, last);
      ofB += conjMul(q${s}, last);
    }
    let ofC = dims.scale * ofX;
    sums[out + 2u * mode] = ofA.x;
    sums[out + 2u * mode + 1u] = ofA.y;
    sums[out + 2u * (bank + mode)] = ofB.x;
    sums[out + 2u * (bank + mode) + 1u] = ofB.y;
    sums[out + 2u * (2u * bank + mode)] = ofC.x;
    sums[out + 2u * (2u * bank + mode) + 1u] = ofC.y;
  }
#end
  if (place.known && place.part == 0u) {
    let lags = out + 6u * bank + place.feature;
#for i in 0..BLOCK
    sums[lags + ${i}u * dims.feature] = lag${i};
#end
    sums[lags + BLOCK * dims.feature] = sumD;
  }
}

@compute @workgroup_size(CARRY_GROUP)
fn finish_gradients(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let bank = dims.feature * dims.states;
  let i = group.x * CARRY_GROUP + local;
  if (i >= bank) {
    return;
  }
  let feature = i / dims.states;
  let a = A[i];
  let b = B[i];
  let c = C[i];
  let lags = 6u * bank + feature;
  // Horner's rule from the longest lag on, for the polynomial and for its derivative.
  var sum = vec2f(0.0);
  var slope = vec2f(0.0);
#for j in 0..BLOCK
  slope = complexMul(slope, a) + sum;
  sum = complexMul(sum, a) + vec2f(totals[lags + ${BLOCK - 1 - j}u * dims.feature], 0.0);
#end
  let ofA = dims.scale * complexConj(complexMul(complexMul(b, c), slope));
  let ofB = dims.scale * complexConj(complexMul(c, sum));
  let ofC = dims.scale * complexConj(complexMul(b, sum));
  gradA[i] = ofA + vec2f(totals[2u * i], totals[2u * i + 1u]);
  gradB[i] = ofB + vec2f(totals[2u * (bank + i)], totals[2u * (bank + i) + 1u]);
  gradC[i] = ofC + vec2f(totals[2u * (2u * bank + i)], totals[2u * (2u * bank + i) + 1u]);
#if HAS_D
  if (i % dims.states == 0u) {
    gradD[feature] = totals[lags] + totals[lags + BLOCK * dims.feature];
  }
#end
}
