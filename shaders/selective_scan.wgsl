// Selective scan (Mamba), reduce-then-scan over chunks of the length.
//
//   dt = softplus(delta + deltaBias)     x[k] = exp(dt A) x[k-1] + dt B[k] u[k]
//   y[k] = (sum C[k] x[k] + D u[k]) silu(z[k])
//
// reduce_chunks  every chunk but the last: its end state from a zero start, and the sum of its dt
// carry_chunks   across the chunks: ends[c] becomes the state at the start of chunk c + 1; a
//                chunk's decay is exp(A sum dt)
// apply_chunks   every chunk again from its true start: y, and the final state
//
// and back, after the first two again, with the gradient's flow through the states:
//
// reduce_flows   every chunk but the first: the flow out of its start, from none at its end
// carry_flows    across the chunks, from the last: flows[c] becomes the flow into the end of c
// apply_flows    every chunk: its states again, tile by tile, and all gradients; those of B and C
//                summed over the workgroup's features
//
// A workgroup holds FEATURES features of one group of B and C, whose rows it stages TILE steps at a
// time; the states of a feature are split over STATE_GROUPS invocations, STATES_PER_THREAD in named
// registers of each. Number is f32, or vec2f for complex A.
#import shared/activation
#import shared/trig

struct Dims {
  batch: u32, length: u32, feature: u32, chunk: u32, chunks: u32, groupB: u32, groupC: u32
}

#if COMPLEX
alias Number = vec2f;
#else
alias Number = f32;
#end

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> A: array<Number>;
@group(0) @binding(3) var<storage, read> B: array<Number>;
@group(0) @binding(4) var<storage, read> C: array<Number>;
@group(0) @binding(5) var<storage, read> D: array<f32>;
@group(0) @binding(6) var<storage, read> z: array<f32>;
@group(0) @binding(7) var<storage, read> deltaBias: array<f32>;
@group(0) @binding(8) var<storage, read> x0: array<Number>;
@group(0) @binding(9) var<storage, read_write> y: array<f32>;
@group(0) @binding(10) var<storage, read_write> state: array<Number>;
@group(0) @binding(11) var<storage, read_write> ends: array<Number>;
@group(0) @binding(12) var<storage, read_write> spans: array<f32>;
@group(0) @binding(13) var<storage, read> gradY: array<f32>;
@group(0) @binding(14) var<storage, read> gradState: array<Number>;
@group(0) @binding(15) var<storage, read_write> flows: array<Number>;
@group(0) @binding(16) var<storage, read_write> flowSpans: array<f32>;
@group(0) @binding(17) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(18) var<storage, read_write> gradDelta: array<f32>;
@group(0) @binding(19) var<storage, read_write> gradZ: array<f32>;
@group(0) @binding(20) var<storage, read_write> gradX0: array<Number>;
// A row a chunk: gradients of A and of fixed B and C [feature, state], then of D [feature].
@group(0) @binding(21) var<storage, read_write> sums: array<f32>;
// A row a tile of features inside its group: [batch, length, group, state].
@group(0) @binding(22) var<storage, read_write> sharesOfB: array<Number>;
@group(0) @binding(23) var<storage, read_write> sharesOfC: array<Number>;
@group(1) @binding(0) var<uniform> dims: Dims;

// dt in x, dt u in y.
var<workgroup> tileStep: array<array<vec2f, FEATURES>, TILE>;
#if !FIXED_B
var<workgroup> tileB: array<array<Number, STATES>, TILE>;
#end
#if !FIXED_C
var<workgroup> tileC: array<array<Number, STATES>, TILE>;
#end
var<workgroup> tileY: array<array<array<f32, FEATURES>, TILE>, STATE_GROUPS>;

#if COMPLEX
fn decayOf(a: Number, step: f32) -> Number {
  return complexExp(step * a);
}

fn times(a: Number, x: Number) -> Number {
  return complexMul(a, x);
}

fn readout(c: Number, x: Number) -> f32 {
  return 2.0 * (c.x * x.x - c.y * x.y);
}
#else
fn decayOf(a: Number, step: f32) -> Number {
  return exp(step * a);
}

fn times(a: Number, x: Number) -> Number {
  return a * x;
}

fn readout(c: Number, x: Number) -> f32 {
  return c * x;
}
#end

/// Where the invocation stands.
struct Place { feature: u32, known: bool, lane: u32, part: u32, batch: u32, start: u32, steps: u32 }

fn placeOf(group: vec3u, local: u32) -> Place {
  let lane = local % FEATURES;
  let feature = group.x * FEATURES + lane;
  let start = group.y * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  return Place(feature, feature < dims.feature, lane, local / FEATURES, group.z, start, steps);
}

fn stepAt(place: Place, k: u32) -> vec2f {
  let at = (place.batch * dims.length + k) * dims.feature + place.feature;
  var step = delta[at];
#if HAS_BIAS
  step += deltaBias[place.feature];
#end
#if SOFTPLUS
  step = softplus(step);
#end
  return vec2f(step, step * u[at]);
}

/// Stages the step sizes of TILE steps; each invocation of a feature takes every
/// STATE_GROUPS-th of them, so that softplus is computed once.
fn stageSteps(place: Place, base: u32) {
#for i in 0..TILE / STATE_GROUPS
  {
    let row = ${i * STATE_GROUPS}u + place.part;
    if (place.known && base + row < place.steps) {
      tileStep[row][place.lane] = stepAt(place, place.start + base + row);
    }
  }
#end
}

/// First element of the row of B or C that belongs to step `k` and the workgroup's group.
fn rowOf(place: Place, group: vec3u, k: u32, count: u32) -> u32 {
  let g = group.x * FEATURES * count / dims.feature;
  return ((place.batch * dims.length + k) * count + g) * STATES;
}

fn stageB(place: Place, group: vec3u, local: u32, base: u32) {
#if !FIXED_B
  for (var i = local; i < TILE * STATES; i += FEATURES * STATE_GROUPS) {
    let row = i / STATES;
    if (base + row < place.steps) {
      let first = rowOf(place, group, place.start + base + row, dims.groupB);
      tileB[row][i % STATES] = B[first + i % STATES];
    }
  }
#end
}

fn stageC(place: Place, group: vec3u, local: u32, base: u32) {
#if !FIXED_C
  for (var i = local; i < TILE * STATES; i += FEATURES * STATE_GROUPS) {
    let row = i / STATES;
    if (base + row < place.steps) {
      let first = rowOf(place, group, place.start + base + row, dims.groupC);
      tileC[row][i % STATES] = C[first + i % STATES];
    }
  }
#end
}

@compute @workgroup_size(FEATURES * STATE_GROUPS)
fn reduce_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, local);
  let bank = place.feature * STATES;
#for s in 0..STATES_PER_THREAD
  let n${s} = place.part * STATES_PER_THREAD + ${s}u;
  let has${s} = place.known && n${s} < STATES;
  let m${s} = min(n${s}, STATES - 1u);
  let a${s} = A[bank + m${s}];
#if FIXED_B
  let b${s} = B[bank + m${s}];
#end
  var x_${s} = Number();
#end
  var span = 0.0;
  for (var base = 0u; base < place.steps; base += TILE) {
    workgroupBarrier();
    stageSteps(place, base);
    stageB(place, group, local, base);
    workgroupBarrier();
#for l in 0..TILE
    if (base + ${l}u < place.steps) {
      let step = tileStep[${l}][place.lane];
      span += step.x;
#for s in 0..STATES_PER_THREAD
#if FIXED_B
      x_${s} = times(decayOf(a${s}, step.x), x_${s}) + step.y * b${s};
#else
      x_${s} = times(decayOf(a${s}, step.x), x_${s}) + step.y * tileB[${l}][m${s}];
#end
#end
    }
#end
  }
  let chunk = (place.batch * (dims.chunks - 1u) + group.y) * dims.feature;
#for s in 0..STATES_PER_THREAD
  if (has${s}) {
    ends[chunk * STATES + bank + n${s}] = x_${s};
  }
#end
  if (place.known && place.part == 0u) {
    spans[chunk + place.feature] = span;
  }
}

@compute @workgroup_size(CARRY_GROUP)
fn carry_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let width = dims.feature * STATES;
  let i = group.x * CARRY_GROUP + local;
  if (i >= width) {
    return;
  }
  let a = A[i];
#if HAS_X0
  var x = x0[group.y * width + i];
#else
  var x = Number();
#end
  for (var c = 0u; c < dims.chunks - 1u; c++) {
    let chunk = group.y * (dims.chunks - 1u) + c;
    let at = chunk * width + i;
    x = times(decayOf(a, spans[chunk * dims.feature + i / STATES]), x) + ends[at];
    ends[at] = x;
  }
}

@compute @workgroup_size(FEATURES * STATE_GROUPS)
fn apply_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, local);
  let bank = place.feature * STATES;
  let carried = place.batch * dims.feature * STATES + bank;
#if CHUNKED
  let previous = max(group.y, 1u) - 1u;
  let row = (place.batch * (dims.chunks - 1u) + previous) * dims.feature * STATES + bank;
#end
#for s in 0..STATES_PER_THREAD
  let n${s} = place.part * STATES_PER_THREAD + ${s}u;
  let has${s} = place.known && n${s} < STATES;
  let m${s} = min(n${s}, STATES - 1u);
  let a${s} = A[bank + m${s}];
#if FIXED_B
  let b${s} = B[bank + m${s}];
#end
#if FIXED_C
  let c${s} = select(Number(), C[bank + m${s}], has${s});
#end
  var x_${s} = Number();
#if HAS_X0
  if (has${s} && group.y == 0u) {
    x_${s} = x0[carried + n${s}];
  }
#end
#if CHUNKED
  if (has${s} && group.y > 0u) {
    x_${s} = ends[row + n${s}];
  }
#end
#end
  for (var base = 0u; base < place.steps; base += TILE) {
    workgroupBarrier();
    stageSteps(place, base);
    stageB(place, group, local, base);
    stageC(place, group, local, base);
    workgroupBarrier();
#for l in 0..TILE
    if (base + ${l}u < place.steps) {
      let step = tileStep[${l}][place.lane];
      var sum = 0.0;
#for s in 0..STATES_PER_THREAD
#if FIXED_B
      x_${s} = times(decayOf(a${s}, step.x), x_${s}) + step.y * b${s};
#else
      x_${s} = times(decayOf(a${s}, step.x), x_${s}) + step.y * tileB[${l}][m${s}];
#end
#if FIXED_C
      sum += readout(c${s}, x_${s});
#else
      // An invocation past the last state repeats it and must not count.
      sum += select(0.0, readout(tileC[${l}][m${s}], x_${s}), has${s});
#end
#end
      tileY[place.part][${l}][place.lane] = sum;
    }
#end
    workgroupBarrier();
#for i in 0..TILE / STATE_GROUPS
    {
      let row = ${i * STATE_GROUPS}u + place.part;
      if (place.known && base + row < place.steps) {
        let k = place.start + base + row;
        let at = (place.batch * dims.length + k) * dims.feature + place.feature;
        var sum = 0.0;
#for g in 0..STATE_GROUPS
        sum += tileY[${g}][row][place.lane];
#end
#if HAS_D
        sum += D[place.feature] * u[at];
#end
#if HAS_Z
        sum *= silu(z[at]);
#end
        y[at] = sum;
      }
    }
#end
  }
  if (group.y + 1u == dims.chunks) {
#for s in 0..STATES_PER_THREAD
    if (has${s}) {
      state[carried + n${s}] = x_${s};
    }
#end
  }
}

#if BACKWARD
// One invocation a state: LANES of them a feature, FEATURES features of one group a workgroup.

/// A staged row: the step size, its slope, u, and the gradient before the gate.
var<workgroup> backSteps: array<vec4f, ${BACK_TILE * FEATURES}>;
var<workgroup> tileStart: array<array<Number, LANE_GROUP>, BACK_TILES>;
var<workgroup> shares: array<array<f32, LANE_GROUP>, BACK_TILE>;
var<workgroup> numbers: array<array<Number, LANE_GROUP>, BACK_TILE>;

#if COMPLEX
/// conj(a) x.
fn adjoint(a: Number, x: Number) -> Number {
  return complexMul(complexConj(a), x);
}

/// Re(conj(a) x).
fn inner(a: Number, x: Number) -> f32 {
  return dot(a, x);
}

/// Gradient of the output with respect to C where the state is x, or to x where C is x.
fn readoutSlope(x: Number) -> Number {
  return 2.0 * complexConj(x);
}
#else
fn adjoint(a: Number, x: Number) -> Number {
  return a * x;
}

fn inner(a: Number, x: Number) -> f32 {
  return a * x;
}

fn readoutSlope(x: Number) -> Number {
  return x;
}
#end

/// Where an invocation stands on the way back; `mode` is its place in [feature, state].
struct Spot { slot: u32, feature: u32, n: u32, mode: u32, known: bool, start: u32, steps: u32 }

fn spotOf(tile: u32, chunk: u32, local: u32) -> Spot {
  let n = local % LANES;
  let slot = local / LANES;
  let feature = tile * FEATURES + slot;
  let known = feature < dims.feature && n < STATES;
  let start = chunk * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  let mode = select(0u, feature * STATES + n, known);
  return Spot(slot, feature, min(n, STATES - 1u), mode, known, start, steps);
}

/// Stages the rows of a tile that begins `base` steps into the chunk.
fn stageBack(spot: Spot, batch: u32, tile: u32, local: u32, base: u32) {
  workgroupBarrier();
  for (var i = local; i < BACK_TILE * FEATURES; i += LANE_GROUP) {
    let feature = tile * FEATURES + i % FEATURES;
    let k = base + i / FEATURES;
    var row = vec4f(0.0);
    if (feature < dims.feature && k < spot.steps) {
      let at = (batch * dims.length + spot.start + k) * dims.feature + feature;
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
      row.w = gradY[at];
#if HAS_Z
      row.w *= silu(z[at]);
#end
    }
    backSteps[i] = row;
  }
  workgroupBarrier();
}

/// Where the row of B for a step begins; C alike.
fn rowOfB(spot: Spot, batch: u32, k: u32) -> u32 {
  let owner = min(spot.feature, dims.feature - 1u) * dims.groupB / dims.feature;
  let time = batch * dims.length + spot.start + min(k, spot.steps - 1u);
  return (time * dims.groupB + owner) * STATES;
}

fn rowOfC(spot: Spot, batch: u32, k: u32) -> u32 {
  let owner = min(spot.feature, dims.feature - 1u) * dims.groupC / dims.feature;
  let time = batch * dims.length + spot.start + min(k, spot.steps - 1u);
  return (time * dims.groupC + owner) * STATES;
}

@compute @workgroup_size(LANE_GROUP)
fn reduce_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let chunk = group.y + 1u;
  let spot = spotOf(group.x, chunk, local);
  let a = select(Number(), A[spot.mode], spot.known);
#if FIXED_C
  let fixedC = C[spot.mode];
#end
  var flow = Number();
  var span = 0.0;
  for (var t = (spot.steps + BACK_TILE - 1u) / BACK_TILE; t > 0u; t--) {
    let base = (t - 1u) * BACK_TILE;
    stageBack(spot, group.z, group.x, local, base);
#for r in 0..BACK_TILE
    if (base + ${BACK_TILE - 1 - r}u < spot.steps) {
      let row = ${BACK_TILE - 1 - r}u;
      let step = backSteps[row * FEATURES + spot.slot];
#if FIXED_C
      let c = fixedC;
#else
      let c = C[rowOfC(spot, group.z, base + row) + spot.n];
#end
      flow = adjoint(decayOf(a, step.x), flow + step.w * readoutSlope(c));
      span += step.x;
    }
#end
  }
  if (spot.known) {
    let row = group.z * dims.chunks + chunk;
    flows[row * dims.feature * STATES + spot.mode] = flow;
    if (local % LANES == 0u) {
      flowSpans[row * dims.feature + spot.feature] = span;
    }
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
  for (var c = dims.chunks - 1u; c > 0u; c--) {
    let row = group.y * dims.chunks + c;
    let decay = decayOf(A[i], flowSpans[row * dims.feature + i / STATES]);
    let out = flows[row * width + i] + adjoint(decay, flow);
    flows[row * width + i] = flow;
    flow = out;
  }
#end
  flows[group.y * dims.chunks * width + i] = flow;
}

#if APPLY
/// Adds a Number to a row of `sums`, after `part` banks.
fn storeSum(first: u32, part: u32, mode: u32, value: Number) {
#if COMPLEX
  let at = first + 2u * (part * dims.feature * STATES + mode);
  sums[at] = value.x;
  sums[at + 1u] = value.y;
#else
  sums[first + part * dims.feature * STATES + mode] = value;
#end
}

@compute @workgroup_size(LANE_GROUP)
fn apply_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let spot = spotOf(group.x, group.y, local);
  let width = dims.feature * STATES;
  let a = select(Number(), A[spot.mode], spot.known);
#if FIXED_B
  let fixedB = B[spot.mode];
#end
#if FIXED_C
  let fixedC = C[spot.mode];
#end
  var x = Number();
#if HAS_X0
  if (spot.known && group.y == 0u) {
    x = x0[group.z * width + spot.mode];
  }
#end
#if CHUNKED
  if (spot.known && group.y > 0u) {
    x = ends[(group.z * (dims.chunks - 1u) + group.y - 1u) * width + spot.mode];
  }
#end
  let tiles = (spot.steps + BACK_TILE - 1u) / BACK_TILE;
  for (var t = 0u; t < tiles; t++) {
    tileStart[t][local] = x;
    stageBack(spot, group.z, group.x, local, t * BACK_TILE);
#for l in 0..BACK_TILE
    if (t * BACK_TILE + ${l}u < spot.steps) {
      let step = backSteps[${l}u * FEATURES + spot.slot];
#if FIXED_B
      let b = fixedB;
#else
      let b = B[rowOfB(spot, group.z, t * BACK_TILE + ${l}u) + spot.n];
#end
      x = times(decayOf(a, step.x), x) + step.x * step.z * b;
    }
#end
  }
  var flow = Number();
  if (spot.known) {
    flow = flows[(group.z * dims.chunks + group.y) * width + spot.mode];
  }
  var sumA = Number();
  var sumB = Number();
  var sumC = Number();
  var sumD = 0.0;
  for (var t = tiles; t > 0u; t--) {
    let base = (t - 1u) * BACK_TILE;
    stageBack(spot, group.z, group.x, local, base);
    let x_0 = tileStart[t - 1u][local];
#for l in 0..BACK_TILE
    // Rows past the end hold steps of zero, which change nothing.
    let step${l} = backSteps[${l}u * FEATURES + spot.slot];
#if FIXED_B
    let b${l} = fixedB;
#else
    let b${l} = B[rowOfB(spot, group.z, base + ${l}u) + spot.n];
#end
#if FIXED_C
    let c${l} = fixedC;
#else
    let c${l} = C[rowOfC(spot, group.z, base + ${l}u) + spot.n];
#end
    let decay${l} = decayOf(a, step${l}.x);
    let x_${l + 1} = times(decay${l}, x_${l}) + step${l}.x * step${l}.z * b${l};
    // What the row gives to sums over the states, and to sums over the features.
    var ofInput${l} = 0.0;
    var ofStep${l} = 0.0;
    var ofB${l} = Number();
    var ofC${l} = Number();
#end
#for r in 0..BACK_TILE
    if (spot.known && base + ${BACK_TILE - 1 - r}u < spot.steps) {
      let step = step${BACK_TILE - 1 - r};
      flow += step.w * readoutSlope(c${BACK_TILE - 1 - r});
      ofInput${BACK_TILE - 1 - r} = inner(b${BACK_TILE - 1 - r}, flow);
      ofB${BACK_TILE - 1 - r} = step.x * step.z * flow;
      ofC${BACK_TILE - 1 - r} = step.w * readoutSlope(x_${BACK_TILE - r});
      flow = adjoint(decay${BACK_TILE - 1 - r}, flow);
      let ofPower = adjoint(x_${BACK_TILE - 1 - r}, flow);
      ofStep${BACK_TILE - 1 - r} = inner(a, ofPower);
      sumA += step.x * ofPower;
      sumB += ofB${BACK_TILE - 1 - r};
      sumC += ofC${BACK_TILE - 1 - r};
      sumD += step.w * step.z;
    }
#end
#for l in 0..BACK_TILE
    shares[${l}][local] = ofInput${l};
#end
    workgroupBarrier();
    // Each row of a feature belongs to one invocation from here on.
    for (var i = local; i < BACK_TILE * FEATURES; i += LANE_GROUP) {
      let feature = group.x * FEATURES + i % FEATURES;
      let k = base + i / FEATURES;
      if (feature < dims.feature && k < spot.steps) {
        var sum = 0.0;
        for (var n = 0u; n < STATES; n++) {
          sum += shares[i / FEATURES][i % FEATURES * LANES + n];
        }
        let step = backSteps[i];
        let at = (group.z * dims.length + spot.start + k) * dims.feature + feature;
        var ofU = step.x * sum;
#if HAS_D
        ofU += D[feature] * step.w;
#end
        gradU[at] = ofU;
        // Completed below with the other half of the sum.
        gradDelta[at] = step.z * sum;
      }
    }
    workgroupBarrier();
#for l in 0..BACK_TILE
    shares[${l}][local] = ofStep${l};
#end
    workgroupBarrier();
    for (var i = local; i < BACK_TILE * FEATURES; i += LANE_GROUP) {
      let feature = group.x * FEATURES + i % FEATURES;
      let k = base + i / FEATURES;
      if (feature < dims.feature && k < spot.steps) {
        var sum = 0.0;
        for (var n = 0u; n < STATES; n++) {
          sum += shares[i / FEATURES][i % FEATURES * LANES + n];
        }
        let at = (group.z * dims.length + spot.start + k) * dims.feature + feature;
        gradDelta[at] = backSteps[i].y * (gradDelta[at] + sum);
      }
    }
#if HAS_Z
    workgroupBarrier();
#for l in 0..BACK_TILE
    shares[${l}][local] = readout(c${l}, x_${l + 1});
#end
    workgroupBarrier();
    for (var i = local; i < BACK_TILE * FEATURES; i += LANE_GROUP) {
      let feature = group.x * FEATURES + i % FEATURES;
      let k = base + i / FEATURES;
      if (feature < dims.feature && k < spot.steps) {
        var sum = 0.0;
        for (var n = 0u; n < STATES; n++) {
          sum += shares[i / FEATURES][i % FEATURES * LANES + n];
        }
#if HAS_D
        sum += D[feature] * backSteps[i].z;
#end
        let at = (group.z * dims.length + spot.start + k) * dims.feature + feature;
        gradZ[at] = gradY[at] * sum * siluSlope(z[at]);
      }
    }
#end
#if !FIXED_B
#for l in 0..BACK_TILE
    numbers[${l}][local] = ofB${l};
#end
    workgroupBarrier();
    for (var i = local; i < BACK_TILE * LANES; i += LANE_GROUP) {
      let k = base + i / LANES;
      if (i % LANES < STATES && k < spot.steps) {
        var sum = Number();
        for (var s = 0u; s < FEATURES; s++) {
          sum += numbers[i / LANES][s * LANES + i % LANES];
        }
        let tilesOfGroup = dims.feature / FEATURES / dims.groupB;
        let time = group.x % tilesOfGroup * dims.batch * dims.length + group.z * dims.length
          + spot.start + k;
        sharesOfB[(time * dims.groupB + group.x / tilesOfGroup) * STATES + i % LANES] = sum;
      }
    }
#end
#if !FIXED_C
    workgroupBarrier();
#for l in 0..BACK_TILE
    numbers[${l}][local] = ofC${l};
#end
    workgroupBarrier();
    for (var i = local; i < BACK_TILE * LANES; i += LANE_GROUP) {
      let k = base + i / LANES;
      if (i % LANES < STATES && k < spot.steps) {
        var sum = Number();
        for (var s = 0u; s < FEATURES; s++) {
          sum += numbers[i / LANES][s * LANES + i % LANES];
        }
        let tilesOfGroup = dims.feature / FEATURES / dims.groupC;
        let time = group.x % tilesOfGroup * dims.batch * dims.length + group.z * dims.length
          + spot.start + k;
        sharesOfC[(time * dims.groupC + group.x / tilesOfGroup) * STATES + i % LANES] = sum;
      }
    }
#end
  }
#if HAS_X0
  if (spot.known && group.y == 0u) {
    gradX0[group.z * width + spot.mode] = flow;
  }
#end
  let first = (group.z * dims.chunks + group.y) * (3u * width * PARTS + dims.feature);
  if (spot.known) {
    storeSum(first, 0u, spot.mode, sumA);
    storeSum(first, 1u, spot.mode, sumB);
    storeSum(first, 2u, spot.mode, sumC);
    if (local % LANES == 0u) {
      sums[first + 3u * width * PARTS + spot.feature] = sumD;
    }
  }
}
#end
#end
