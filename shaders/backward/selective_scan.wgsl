// The way back through a selective scan, after the scan's own reduce_chunks and carry_chunks have
// found the state at the start of every chunk again:
//
// reduce_flows   every chunk but the first: the gradient's flow out of its start, from none at its
//                end, and the sum of its dt
// carry_flows    across the chunks, from the last: flows[c] becomes the flow into the end of c
// apply_flows    every chunk: its states again, tile by tile, and all gradients; those of B and C
//                summed over the workgroup's features
//
// A workgroup holds FEATURES features of one group of B and C; the states of a feature are split
// over LANES invocations, PER_LANE in named registers of each. Rows past the end are staged as
// zeros and so are states past the last: neither changes a sum.
#import shared/activation
#import shared/scan_number
#import shared/scan_spot

struct Dims {
  batch: u32, length: u32, feature: u32, chunk: u32, chunks: u32, groupB: u32, groupC: u32
}

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> A: array<Number>;
@group(0) @binding(3) var<storage, read> B: array<Number>;
@group(0) @binding(4) var<storage, read> C: array<Number>;
@group(0) @binding(5) var<storage, read> D: array<f32>;
@group(0) @binding(6) var<storage, read> z: array<f32>;
@group(0) @binding(7) var<storage, read> deltaBias: array<f32>;
@group(0) @binding(8) var<storage, read> x0: array<Number>;
@group(0) @binding(9) var<storage, read> ends: array<Number>;
@group(0) @binding(10) var<storage, read> gradY: array<f32>;
@group(0) @binding(11) var<storage, read> gradState: array<Number>;
@group(0) @binding(12) var<storage, read_write> flows: array<Number>;
@group(0) @binding(13) var<storage, read_write> flowSpans: array<f32>;
@group(0) @binding(14) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(15) var<storage, read_write> gradDelta: array<f32>;
@group(0) @binding(16) var<storage, read_write> gradZ: array<f32>;
@group(0) @binding(17) var<storage, read_write> gradX0: array<Number>;
// A row a chunk: gradients of A and of what is fixed of B and C [feature, state], then of D.
@group(0) @binding(18) var<storage, read_write> sums: array<f32>;
// A row a tile of features inside its group: [batch, length, group, state].
@group(0) @binding(19) var<storage, read_write> sharesOfB: array<Number>;
@group(0) @binding(20) var<storage, read_write> sharesOfC: array<Number>;
@group(1) @binding(0) var<uniform> dims: Dims;

const INVOCATIONS = ${FEATURES * LANES}u;
const WIDTH = ${LANES * PER_LANE}u;
/// One more than the features, so that sums over them meet no bank twice.
const STRIDE = ${FEATURES + 1}u;

/// A staged row of a feature: the step size, its slope, u, and the gradient before the gate.
var<workgroup> rows: array<vec4f, ${BACK_TILE * FEATURES}>;
#if !FIXED_B
var<workgroup> rowsOfB: array<Number, ${BACK_TILE * LANES * PER_LANE}>;
#end
#if !FIXED_C
var<workgroup> rowsOfC: array<Number, ${BACK_TILE * LANES * PER_LANE}>;
#end
#if APPLY
/// What ROWS_AT_ONCE rows give to sums over the states, lane by lane: of b, of the step, of y.
var<workgroup> ofInput: array<f32, ${ROWS_AT_ONCE * FEATURES * LANES}>;
var<workgroup> ofStep: array<f32, ${ROWS_AT_ONCE * FEATURES * LANES}>;
#if HAS_Z
var<workgroup> ofY: array<f32, ${ROWS_AT_ONCE * FEATURES * LANES}>;
#end
/// And to sums over the features, state by state.
#if !FIXED_B
var<workgroup> ofB: array<Number, ${ROWS_AT_ONCE * LANES * PER_LANE * (FEATURES + 1)}>;
#end
#if !FIXED_C
var<workgroup> ofC: array<Number, ${ROWS_AT_ONCE * LANES * PER_LANE * (FEATURES + 1)}>;
#end
#end

/// Stages the rows of a tile that begins `base` steps into the chunk. The sweep that only finds
/// the states wants neither gradients nor C.
fn stage(spot: Spot, group: vec3u, local: u32, base: u32, isSweep: bool) {
  workgroupBarrier();
  for (var i = local; i < BACK_TILE * FEATURES; i += INVOCATIONS) {
    let feature = group.x * FEATURES + i % FEATURES;
    let k = base + i / FEATURES;
    var row = vec4f(0.0);
    if (feature < dims.feature && k < spot.steps) {
      let at = (group.z * dims.length + spot.start + k) * dims.feature + feature;
      var step = delta[at];
#if HAS_BIAS
      step += deltaBias[feature];
#end
      row.y = 1.0;
#if SOFTPLUS
      row.y = softplusSlope(step);
      step = softplus(step);
#end
      row.x = step;
#if APPLY
      row.z = u[at];
#end
      if (!isSweep) {
        row.w = gradY[at];
#if HAS_Z
        row.w *= silu(z[at]);
#end
      }
    }
    rows[i] = row;
  }
  let feature = min(group.x * FEATURES, dims.feature - 1u);
#if APPLY && !FIXED_B
  for (var i = local; i < BACK_TILE * WIDTH; i += INVOCATIONS) {
    let k = base + i / WIDTH;
    var value = Number();
    if (k < spot.steps && i % WIDTH < STATES) {
      let time = group.z * dims.length + spot.start + k;
      let owner = feature * dims.groupB / dims.feature;
      value = B[(time * dims.groupB + owner) * STATES + i % WIDTH];
    }
    rowsOfB[i] = value;
  }
#end
#if !FIXED_C
  if (!isSweep) {
    for (var i = local; i < BACK_TILE * WIDTH; i += INVOCATIONS) {
      let k = base + i / WIDTH;
      var value = Number();
      if (k < spot.steps && i % WIDTH < STATES) {
        let time = group.z * dims.length + spot.start + k;
        let owner = feature * dims.groupC / dims.feature;
        value = C[(time * dims.groupC + owner) * STATES + i % WIDTH];
      }
      rowsOfC[i] = value;
    }
  }
#end
  workgroupBarrier();
}

@compute @workgroup_size(INVOCATIONS)
fn reduce_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let chunk = group.y + 1u;
  let spot = spotOf(group.x, chunk, local);
#for s in 0..PER_LANE
  let has${s} = spot.known && spot.first + ${s}u < STATES;
  let mode${s} = select(0u, spot.bank + spot.first + ${s}u, has${s});
  let a${s} = select(Number(), A[mode${s}], has${s});
#if FIXED_C
  let c${s} = select(Number(), C[mode${s}], has${s});
#end
  var flow${s} = Number();
#end
  var span = 0.0;
  for (var t = (spot.steps + BACK_TILE - 1u) / BACK_TILE; t > 0u; t--) {
    stage(spot, group, local, (t - 1u) * BACK_TILE, false);
#for l in 0..BACK_TILE
    {
      let row = ${BACK_TILE - 1 - l}u;
      let step = rows[row * FEATURES + spot.slot];
      span += step.x;
#for s in 0..PER_LANE
#if !FIXED_C
      let c${s} = rowsOfC[row * WIDTH + spot.first + ${s}u];
#end
      flow${s} = adjoint(decayOf(a${s}, step.x), flow${s} + step.w * readoutSlope(c${s}));
#end
    }
#end
  }
  let row = group.z * dims.chunks + chunk;
#for s in 0..PER_LANE
  if (has${s}) {
    flows[row * dims.feature * STATES + mode${s}] = flow${s};
  }
#end
  if (spot.known && local % LANES == 0u) {
    flowSpans[row * dims.feature + spot.feature] = span;
  }
}

@compute @workgroup_size(CARRY_GROUP)
fn carry_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let width = dims.feature * STATES;
  let i = group.x * CARRY_GROUP + local;
  if (i >= width) {
    return;
  }
  var flow = gradState[group.y * width + i];
#if CHUNKED
  let a = A[i];
  // The next chunk is read before this one is written, so that the loads do not wait.
  var row = group.y * dims.chunks + dims.chunks - 1u;
  var own = flows[row * width + i];
  var span = flowSpans[row * dims.feature + i / STATES];
  for (var c = dims.chunks - 1u; c > 0u; c--) {
    let ownHere = own;
    let decay = decayOf(a, span);
    let next = row - 1u;
    own = flows[next * width + i];
    span = flowSpans[next * dims.feature + i / STATES];
    flows[row * width + i] = flow;
    flow = ownHere + adjoint(decay, flow);
    row = next;
  }
#end
  flows[group.y * dims.chunks * width + i] = flow;
}

#if APPLY
/// Writes a Number of a chunk's row of `sums`, after `part` banks.
fn storeSum(first: u32, part: u32, mode: u32, value: Number) {
#if COMPLEX
  let at = first + 2u * (part * dims.feature * STATES + mode);
  sums[at] = value.x;
  sums[at + 1u] = value.y;
#else
  sums[first + part * dims.feature * STATES + mode] = value;
#end
}

/// The sum over a row's features of what one state gave.
#if !FIXED_B
fn sumOfB(first: u32) -> Number {
  var sum = Number();
  for (var slot = 0u; slot < FEATURES; slot++) {
    sum += ofB[first + slot];
  }
  return sum;
}
#end
#if !FIXED_C
fn sumOfC(first: u32) -> Number {
  var sum = Number();
  for (var slot = 0u; slot < FEATURES; slot++) {
    sum += ofC[first + slot];
  }
  return sum;
}
#end

/// Writes the gradients of ROWS_AT_ONCE rows from what the invocations left in workgroup memory.
fn finishRows(spot: Spot, group: vec3u, local: u32, base: u32, firstRow: u32) {
  // From the last invocation, since the first ones have the sums over the features.
  for (var i = INVOCATIONS - 1u - local; i < ROWS_AT_ONCE * FEATURES; i += INVOCATIONS) {
    let feature = group.x * FEATURES + i % FEATURES;
    let row = firstRow + i / FEATURES;
    let k = base + row;
    if (feature < dims.feature && k < spot.steps) {
      var input = 0.0;
      var ofDelta = 0.0;
#if HAS_Z
      var y = 0.0;
#end
      for (var lane = 0u; lane < LANES; lane++) {
        input += ofInput[i * LANES + lane];
        ofDelta += ofStep[i * LANES + lane];
#if HAS_Z
        y += ofY[i * LANES + lane];
#end
      }
      let step = rows[row * FEATURES + i % FEATURES];
      let at = (group.z * dims.length + spot.start + k) * dims.feature + feature;
#if HAS_D
      gradU[at] = step.x * input + D[feature] * step.w;
#else
      gradU[at] = step.x * input;
#end
      gradDelta[at] = step.y * (ofDelta + step.z * input);
#if HAS_Z
#if HAS_D
      y += D[feature] * step.z;
#end
      gradZ[at] = gradY[at] * y * siluSlope(z[at]);
#end
    }
  }
  let time = group.z * dims.length + spot.start + base + firstRow;
#if !FIXED_B
  for (var i = local; i < ROWS_AT_ONCE * WIDTH; i += INVOCATIONS) {
    let n = i % WIDTH;
    let row = i / WIDTH;
    if (n < STATES && base + firstRow + row < spot.steps) {
      let tilesOfGroup = dims.feature / FEATURES / dims.groupB;
      let share = group.x % tilesOfGroup * dims.batch * dims.length + time + row;
      sharesOfB[(share * dims.groupB + group.x / tilesOfGroup) * STATES + n] = sumOfB(i * STRIDE);
    }
  }
#end
#if !FIXED_C
  for (var i = local; i < ROWS_AT_ONCE * WIDTH; i += INVOCATIONS) {
    let n = i % WIDTH;
    let row = i / WIDTH;
    if (n < STATES && base + firstRow + row < spot.steps) {
      let tilesOfGroup = dims.feature / FEATURES / dims.groupC;
      let share = group.x % tilesOfGroup * dims.batch * dims.length + time + row;
      sharesOfC[(share * dims.groupC + group.x / tilesOfGroup) * STATES + n] = sumOfC(i * STRIDE);
    }
  }
#end
}

@compute @workgroup_size(INVOCATIONS)
fn apply_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let spot = spotOf(group.x, group.y, local);
  let width = dims.feature * STATES;
#if CHUNKED
  let entered = (group.z * (dims.chunks - 1u) + max(group.y, 1u) - 1u) * width;
#end
  let left = (group.z * dims.chunks + group.y) * width;
#for s in 0..PER_LANE
  let has${s} = spot.known && spot.first + ${s}u < STATES;
  let mode${s} = select(0u, spot.bank + spot.first + ${s}u, has${s});
  let a${s} = select(Number(), A[mode${s}], has${s});
#if FIXED_B
  let b${s} = select(Number(), B[mode${s}], has${s});
  var sumB${s} = Number();
#end
#if FIXED_C
  let c${s} = select(Number(), C[mode${s}], has${s});
  var sumC${s} = Number();
#end
  var here${s} = Number();
#if HAS_X0
  if (has${s} && group.y == 0u) {
    here${s} = x0[group.z * width + mode${s}];
  }
#end
#if CHUNKED
  if (has${s} && group.y > 0u) {
    here${s} = ends[entered + mode${s}];
  }
#end
  // The state at the start of each tile of the chunk.
#for t in 0..BACK_TILES
  var start${t}_${s} = here${s};
#end
  var flow${s} = select(Number(), flows[left + mode${s}], has${s});
  var sumA${s} = Number();
#end
  var sumD = 0.0;
  let tiles = (spot.steps + BACK_TILE - 1u) / BACK_TILE;
  for (var t = 1u; t < tiles; t++) {
    stage(spot, group, local, (t - 1u) * BACK_TILE, true);
#for l in 0..BACK_TILE
    {
      let step = rows[${l}u * FEATURES + spot.slot];
#for s in 0..PER_LANE
#if !FIXED_B
      let b${s} = rowsOfB[${l}u * WIDTH + spot.first + ${s}u];
#end
      here${s} = times(decayOf(a${s}, step.x), here${s}) + step.x * step.z * b${s};
#end
    }
#end
#for t in 1..BACK_TILES
    if (t == ${t}u) {
#for s in 0..PER_LANE
      start${t}_${s} = here${s};
#end
    }
#end
  }
  for (var t = tiles; t > 0u; t--) {
    let base = (t - 1u) * BACK_TILE;
    stage(spot, group, local, base, false);
#for s in 0..PER_LANE
    var x0_${s} = start0_${s};
#for i in 1..BACK_TILES
    x0_${s} = select(x0_${s}, start${i}_${s}, t == ${i + 1}u);
#end
#end
#for l in 0..BACK_TILE
    let step${l} = rows[${l}u * FEATURES + spot.slot];
#for s in 0..PER_LANE
#if FIXED_B
    let b${l}_${s} = b${s};
#else
    let b${l}_${s} = rowsOfB[${l}u * WIDTH + spot.first + ${s}u];
#end
    let decay${l}_${s} = decayOf(a${s}, step${l}.x);
    let x${l + 1}_${s} = times(decay${l}_${s}, x${l}_${s}) + step${l}.x * step${l}.z * b${l}_${s};
#end
#end
#for q in 0..BACK_TILE / ROWS_AT_ONCE
#for p in 0..ROWS_AT_ONCE
    {
      // Rows are passed from the last to the first; `place` is the row's among those at once.
      let row = ${BACK_TILE - 1 - q * ROWS_AT_ONCE - p}u;
      let place = ${ROWS_AT_ONCE - 1 - p}u;
      let step = step${BACK_TILE - 1 - q * ROWS_AT_ONCE - p};
      var input = 0.0;
      var power = 0.0;
      var y = 0.0;
#for s in 0..PER_LANE
      {
        let n = place * WIDTH + spot.first + ${s}u;
        let xBefore = x${BACK_TILE - 1 - q * ROWS_AT_ONCE - p}_${s};
        let xAfter = x${BACK_TILE - q * ROWS_AT_ONCE - p}_${s};
#if FIXED_C
        let c = c${s};
#else
        let c = rowsOfC[row * WIDTH + spot.first + ${s}u];
#end
        flow${s} += step.w * readoutSlope(c);
        input += inner(b${BACK_TILE - 1 - q * ROWS_AT_ONCE - p}_${s}, flow${s});
        y += readout(c, xAfter);
#if FIXED_B
        sumB${s} += step.x * step.z * flow${s};
#else
        ofB[n * STRIDE + spot.slot] = step.x * step.z * flow${s};
#end
#if FIXED_C
        sumC${s} += step.w * readoutSlope(xAfter);
#else
        ofC[n * STRIDE + spot.slot] = step.w * readoutSlope(xAfter);
#end
        flow${s} = adjoint(decay${BACK_TILE - 1 - q * ROWS_AT_ONCE - p}_${s}, flow${s});
        let ofPower = adjoint(xBefore, flow${s});
        power += inner(a${s}, ofPower);
        sumA${s} += step.x * ofPower;
      }
#end
      sumD += step.w * step.z;
      let at = (place * FEATURES + spot.slot) * LANES + local % LANES;
      ofInput[at] = input;
      ofStep[at] = power;
#if HAS_Z
      ofY[at] = y;
#end
    }
#end
    workgroupBarrier();
    finishRows(spot, group, local, base, ${BACK_TILE - (q + 1) * ROWS_AT_ONCE}u);
    workgroupBarrier();
#end
  }
  let first = (group.z * dims.chunks + group.y)
    * (${(1 + FIXED_B + FIXED_C) * PARTS}u * width + dims.feature);
#for s in 0..PER_LANE
  if (has${s}) {
    storeSum(first, 0u, mode${s}, sumA${s});
#if FIXED_B
    storeSum(first, 1u, mode${s}, sumB${s});
#end
#if FIXED_C
    storeSum(first, ${1 + FIXED_B}u, mode${s}, sumC${s});
#end
#if HAS_X0
    if (group.y == 0u) {
      gradX0[group.z * width + mode${s}] = flow${s};
    }
#end
  }
#end
  if (spot.known && local % LANES == 0u) {
    sums[first + ${(1 + FIXED_B + FIXED_C) * PARTS}u * width + spot.feature] = sumD;
  }
}
#end
