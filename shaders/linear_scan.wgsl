// Diagonal complex linear scan, reduce-then-scan over chunks of the length.
//
//   x[k] = Abar x[k-1] + Bbar u[k]       y[k] = scale Re(sum C x[k]) + D u[k]
//
// reduce_chunks  every chunk but the last: its end state from a zero start
// carry_chunks   across the chunks: ends[c] becomes the state at the start of chunk c + 1
// apply_chunks   every chunk again from its true start: y, and the final state
//
// and back, after the first two again, with the gradient's flow through the states:
//
// reduce_flows   every chunk but the first: the flow out of its start, from none at its end
// carry_flows    across the chunks, from the last: flows[c] becomes the flow into the end of c
// apply_flows    every chunk: its states again, tile by tile, and all gradients
//
// A workgroup holds FEATURES features; the states of a feature are split over STATE_GROUPS
// invocations, STATES_PER_THREAD in named registers of each. TILE steps of u are staged at a time.
#import shared/discretize_mode

struct Dims { batch: u32, length: u32, feature: u32, chunk: u32, chunks: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> A: array<vec2f>;
@group(0) @binding(2) var<storage, read> B: array<vec2f>;
@group(0) @binding(3) var<storage, read> C: array<vec2f>;
@group(0) @binding(4) var<storage, read> D: array<f32>;
@group(0) @binding(5) var<storage, read> dt: array<f32>;
@group(0) @binding(6) var<storage, read> x0: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<storage, read_write> state: array<vec2f>;
@group(0) @binding(9) var<storage, read_write> ends: array<vec2f>;
@group(0) @binding(10) var<storage, read_write> decays: array<vec2f>;
@group(0) @binding(11) var<storage, read> gradY: array<f32>;
@group(0) @binding(12) var<storage, read> gradState: array<vec2f>;
@group(0) @binding(13) var<storage, read_write> flows: array<vec2f>;
@group(0) @binding(14) var<storage, read_write> flowDecays: array<vec2f>;
@group(0) @binding(15) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(16) var<storage, read_write> gradDt: array<f32>;
@group(0) @binding(17) var<storage, read_write> gradX0: array<vec2f>;
// A row a chunk: gradients of A, B, C [feature, state] c64, then of D [feature].
@group(0) @binding(18) var<storage, read_write> sums: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

var<workgroup> tileU: array<array<f32, FEATURES>, TILE>;
var<workgroup> tileDt: array<array<f32, FEATURES>, TILE>;
var<workgroup> tileY: array<array<array<f32, FEATURES>, TILE>, STATE_GROUPS>;

/// Where the invocation stands.
struct Place { feature: u32, known: bool, lane: u32, part: u32, batch: u32, start: u32, steps: u32 }

fn placeOf(group: vec3u, local: u32) -> Place {
  let lane = local % FEATURES;
  let feature = group.x * FEATURES + lane;
  let start = group.y * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  return Place(feature, feature < dims.feature, lane, local / FEATURES, group.z, start, steps);
}

/// Stages TILE steps; each invocation of a feature loads every STATE_GROUPS-th of them.
fn stageTile(place: Place, base: u32) {
#for i in 0..TILE / STATE_GROUPS
  {
    let row = ${i * STATE_GROUPS}u + place.part;
    let k = place.start + base + row;
    let at = (place.batch * dims.length + k) * dims.feature + place.feature;
    let inside = place.known && base + row < place.steps;
    tileU[row][place.lane] = select(0.0, u[at], inside);
#if PER_STEP
    tileDt[row][place.lane] = select(0.0, dt[at], inside);
#end
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
  let a${s} = select(vec2f(0.0), A[bank + n${s}], has${s});
  let b${s} = select(vec2f(0.0), B[bank + n${s}], has${s});
  var x_${s} = vec2f(0.0);
#if PER_STEP
  var decay${s} = vec2f(1.0, 0.0);
#end
#end
  for (var base = 0u; base < place.steps; base += TILE) {
    workgroupBarrier();
    stageTile(place, base);
    workgroupBarrier();
#for l in 0..TILE
    if (base + ${l}u < place.steps) {
      let input = tileU[${l}][place.lane];
#if PER_STEP
      let step = tileDt[${l}][place.lane];
#for s in 0..STATES_PER_THREAD
      let z${s} = discretizeMode(a${s}, step);
      x_${s} = complexMul(z${s}.xy, x_${s}) + complexMul(z${s}.zw, b${s}) * input;
      decay${s} = complexMul(z${s}.xy, decay${s});
#end
#else
#for s in 0..STATES_PER_THREAD
      x_${s} = complexMul(a${s}, x_${s}) + b${s} * input;
#end
#end
    }
#end
  }
  let row = (place.batch * (dims.chunks - 1u) + group.y) * dims.feature * STATES + bank;
#for s in 0..STATES_PER_THREAD
  if (has${s}) {
    ends[row + n${s}] = x_${s};
#if PER_STEP
    decays[row + n${s}] = decay${s};
#end
  }
#end
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
#if HAS_X0
  var x = x0[group.y * width + i];
#else
  var x = vec2f(0.0);
#end
#if !PER_STEP
  // All chunks but the last have the same power-of-two length.
  var decay = A[i];
  for (var length = 1u; length < dims.chunk; length *= 2u) {
    decay = complexMul(decay, decay);
  }
#end
  let first = group.y * (dims.chunks - 1u) * width + i;
  for (var c = 0u; c < dims.chunks - 1u; c++) {
    let at = first + c * width;
#if PER_STEP
    x = complexMul(decays[at], x) + ends[at];
#else
    x = complexMul(decay, x) + ends[at];
#end
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
  let a${s} = select(vec2f(0.0), A[bank + n${s}], has${s});
  let b${s} = select(vec2f(0.0), B[bank + n${s}], has${s});
  let c${s} = select(vec2f(0.0), complexConj(C[bank + n${s}]), has${s});
  var x_${s} = vec2f(0.0);
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
    stageTile(place, base);
    workgroupBarrier();
#for l in 0..TILE
    if (base + ${l}u < place.steps) {
      let input = tileU[${l}][place.lane];
      var sum = 0.0;
#if PER_STEP
      let step = tileDt[${l}][place.lane];
#for s in 0..STATES_PER_THREAD
      let z${s} = discretizeMode(a${s}, step);
      x_${s} = complexMul(z${s}.xy, x_${s}) + complexMul(z${s}.zw, b${s}) * input;
      sum += dot(c${s}, x_${s});
#end
#else
#for s in 0..STATES_PER_THREAD
      x_${s} = complexMul(a${s}, x_${s}) + b${s} * input;
      sum += dot(c${s}, x_${s});
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
        var sum = 0.0;
#for g in 0..STATE_GROUPS
        sum += tileY[${g}][row][place.lane];
#end
        sum *= dims.scale;
#if HAS_D
        sum += D[place.feature] * tileU[row][place.lane];
#end
        let k = place.start + base + row;
        y[(place.batch * dims.length + k) * dims.feature + place.feature] = sum;
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
// One invocation a state: LANES of them a feature, FEATURES features a workgroup.

var<workgroup> backU: array<f32, ${BACK_TILE * FEATURES}>;
var<workgroup> backDt: array<f32, ${BACK_TILE * FEATURES}>;
var<workgroup> backGradY: array<f32, ${BACK_TILE * FEATURES}>;
var<workgroup> tileStart: array<array<vec2f, LANE_GROUP>, BACK_TILES>;
var<workgroup> sharesOfU: array<array<f32, LANE_GROUP>, BACK_TILE>;
var<workgroup> sharesOfDt: array<array<f32, LANE_GROUP>, BACK_TILE>;

/// Where an invocation stands on the way back; `mode` is its place in a bank.
struct Spot { slot: u32, feature: u32, mode: u32, known: bool, start: u32, steps: u32 }

fn spotOf(tile: u32, chunk: u32, local: u32) -> Spot {
  let n = local % LANES;
  let slot = local / LANES;
  let feature = tile * FEATURES + slot;
  let known = feature < dims.feature && n < STATES;
  let start = chunk * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  return Spot(slot, feature, select(0u, feature * STATES + n, known), known, start, steps);
}

/// Stages the rows of a tile that begins `base` steps into the chunk.
fn stageBack(spot: Spot, batch: u32, tile: u32, local: u32, base: u32) {
  workgroupBarrier();
  for (var i = local; i < BACK_TILE * FEATURES; i += LANE_GROUP) {
    let feature = tile * FEATURES + i % FEATURES;
    let k = base + i / FEATURES;
    let inside = feature < dims.feature && k < spot.steps;
    let at = (batch * dims.length + spot.start + k) * dims.feature + feature;
    let safe = select(0u, at, inside);
#if STAGE_U
    backU[i] = select(0.0, u[safe], inside);
#end
    backGradY[i] = select(0.0, gradY[safe], inside);
#if PER_STEP
    backDt[i] = select(0.0, dt[safe], inside);
#end
  }
  workgroupBarrier();
}

/// Abar of a mode in a staged row.
fn abarAt(a: vec2f, row: u32, slot: u32) -> vec2f {
#if PER_STEP
  return discretizeMode(a, backDt[row * FEATURES + slot]).xy;
#else
  return a;
#end
}

/// The state after a staged row.
fn stepFrom(x: vec2f, a: vec2f, b: vec2f, row: u32, slot: u32) -> vec2f {
  let input = backU[row * FEATURES + slot];
#if PER_STEP
  let mode = discretizeMode(a, backDt[row * FEATURES + slot]);
  return complexMul(mode.xy, x) + complexMul(mode.zw, b) * input;
#else
  return complexMul(a, x) + b * input;
#end
}

@compute @workgroup_size(LANE_GROUP)
fn reduce_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let chunk = group.y + 1u;
  let spot = spotOf(group.x, chunk, local);
  let a = select(vec2f(0.0), A[spot.mode], spot.known);
  let c = select(vec2f(0.0), complexConj(C[spot.mode]), spot.known);
  var flow = vec2f(0.0);
  var decay = vec2f(1.0, 0.0);
  for (var t = (spot.steps + BACK_TILE - 1u) / BACK_TILE; t > 0u; t--) {
    let base = (t - 1u) * BACK_TILE;
    stageBack(spot, group.z, group.x, local, base);
#for r in 0..BACK_TILE
    if (base + ${BACK_TILE - 1 - r}u < spot.steps) {
      let row = ${BACK_TILE - 1 - r}u;
      let back = complexConj(abarAt(a, row, spot.slot));
      flow = complexMul(back, flow + dims.scale * backGradY[row * FEATURES + spot.slot] * c);
      decay = complexMul(back, decay);
    }
#end
  }
  if (spot.known) {
    let at = (group.z * dims.chunks + chunk) * dims.feature * STATES + spot.mode;
    flows[at] = flow;
    flowDecays[at] = decay;
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
    let at = (group.y * dims.chunks + c) * width + i;
    let out = flows[at] + complexMul(flowDecays[at], flow);
    flows[at] = flow;
    flow = out;
  }
#end
  flows[group.y * dims.chunks * width + i] = flow;
}

@compute @workgroup_size(LANE_GROUP)
fn apply_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let spot = spotOf(group.x, group.y, local);
  let width = dims.feature * STATES;
  let a = select(vec2f(0.0), A[spot.mode], spot.known);
  let b = select(vec2f(0.0), B[spot.mode], spot.known);
  let c = select(vec2f(0.0), complexConj(C[spot.mode]), spot.known);
  var x = vec2f(0.0);
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
      x = stepFrom(x, a, b, ${l}u, spot.slot);
    }
#end
  }
  var flow = vec2f(0.0);
  if (spot.known) {
    flow = flows[(group.z * dims.chunks + group.y) * width + spot.mode];
  }
  var sumA = vec2f(0.0);
  var sumB = vec2f(0.0);
  var sumC = vec2f(0.0);
  var sumD = 0.0;
  for (var t = tiles; t > 0u; t--) {
    let base = (t - 1u) * BACK_TILE;
    stageBack(spot, group.z, group.x, local, base);
    let x_0 = tileStart[t - 1u][local];
#for l in 0..BACK_TILE
    // Rows past the end hold zeros, and what follows does not look at their states.
    let x_${l + 1} = stepFrom(x_${l}, a, b, ${l}u, spot.slot);
#end
#for r in 0..BACK_TILE
    {
      let row = ${BACK_TILE - 1 - r}u;
      var ofU = 0.0;
      var ofDt = 0.0;
      if (base + row < spot.steps) {
        let sample = backU[row * FEATURES + spot.slot];
        let gradient = backGradY[row * FEATURES + spot.slot];
        flow += dims.scale * gradient * c;
        sumC += dims.scale * gradient * complexConj(x_${BACK_TILE - r});
        sumD += gradient * sample;
        let ofAbar = complexMul(complexConj(x_${BACK_TILE - 1 - r}), flow);
        let ofBbar = flow * sample;
#if PER_STEP
        let step = backDt[row * FEATURES + spot.slot];
        let mode = discretizeMode(a, step);
        let slopes = slopesOfMode(a, step, mode.xy);
        let ofFactor = complexMul(complexConj(b), ofBbar);
        ofU = dot(complexMul(mode.zw, b), flow);
        sumB += complexMul(complexConj(mode.zw), ofBbar);
        sumA += complexMul(complexConj(slopes.abarByLambda), ofAbar)
          + complexMul(complexConj(slopes.factorByLambda), ofFactor);
        ofDt = dot(slopes.abarByStep, ofAbar) + dot(slopes.factorByStep, ofFactor);
        flow = complexMul(complexConj(mode.xy), flow);
#else
        ofU = dot(b, flow);
        sumA += ofAbar;
        sumB += ofBbar;
        flow = complexMul(complexConj(a), flow);
#end
      }
      sharesOfU[row][local] = ofU;
#if PER_STEP
      sharesOfDt[row][local] = ofDt;
#end
    }
#end
    workgroupBarrier();
    for (var i = local; i < BACK_TILE * FEATURES; i += LANE_GROUP) {
      let row = i / FEATURES;
      let feature = group.x * FEATURES + i % FEATURES;
      if (feature < dims.feature && base + row < spot.steps) {
        let first = i % FEATURES * LANES;
        var ofU = 0.0;
        var ofDt = 0.0;
        for (var n = 0u; n < STATES; n++) {
          ofU += sharesOfU[row][first + n];
#if PER_STEP
          ofDt += sharesOfDt[row][first + n];
#end
        }
        let at = (group.z * dims.length + spot.start + base + row) * dims.feature + feature;
#if HAS_D
        ofU += D[feature] * backGradY[i];
#end
        gradU[at] = ofU;
#if PER_STEP
        gradDt[at] = ofDt;
#end
      }
    }
  }
#if HAS_X0
  if (spot.known && group.y == 0u) {
    gradX0[group.z * width + spot.mode] = flow;
  }
#end
  let first = (group.z * dims.chunks + group.y) * (6u * width + dims.feature);
  if (spot.known) {
    let at = first + 2u * spot.mode;
    sums[at] = sumA.x;
    sums[at + 1u] = sumA.y;
    sums[at + 2u * width] = sumB.x;
    sums[at + 2u * width + 1u] = sumB.y;
    sums[at + 4u * width] = sumC.x;
    sums[at + 4u * width + 1u] = sumC.y;
    if (local % LANES == 0u) {
      sums[first + 6u * width + spot.feature] = sumD;
    }
  }
}
#end
