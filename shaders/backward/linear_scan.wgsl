// The way back through a diagonal linear scan with steps of sizes of their own, after the scan's
// own reduce_chunks and carry_chunks have found the state at the start of every chunk again:
//
// reduce_flows   every chunk but the first: the gradient's flow out of its start, from none at its
//                end, and the product of its Abar
// carry_flows    across the chunks, from the last: flows[c] becomes the flow into the end of c
// apply_flows    every chunk: its states again, tile by tile, and all gradients
//
// A workgroup holds FEATURES features; the modes of a feature are split over LANES invocations,
// PER_LANE in named registers of each. Rows past the end are staged as zeros: their inputs and
// gradients change no sum, and the flow passes them by.
#import shared/discretize_mode
#import shared/scan_spot

struct Dims { batch: u32, length: u32, feature: u32, chunk: u32, chunks: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> A: array<vec2f>;
@group(0) @binding(2) var<storage, read> B: array<vec2f>;
@group(0) @binding(3) var<storage, read> C: array<vec2f>;
@group(0) @binding(4) var<storage, read> D: array<f32>;
@group(0) @binding(5) var<storage, read> dt: array<f32>;
@group(0) @binding(6) var<storage, read> x0: array<vec2f>;
@group(0) @binding(7) var<storage, read> ends: array<vec2f>;
@group(0) @binding(8) var<storage, read> gradY: array<f32>;
@group(0) @binding(9) var<storage, read> gradState: array<vec2f>;
@group(0) @binding(10) var<storage, read_write> flows: array<vec2f>;
@group(0) @binding(11) var<storage, read_write> flowDecays: array<vec2f>;
@group(0) @binding(12) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(13) var<storage, read_write> gradDt: array<f32>;
@group(0) @binding(14) var<storage, read_write> gradX0: array<vec2f>;
// A row a chunk: gradients of A, B, C [feature, state] c64, then of D [feature].
@group(0) @binding(15) var<storage, read_write> sums: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

const INVOCATIONS = ${FEATURES * LANES}u;

/// A staged row of a feature: u, the gradient of y, dt.
var<workgroup> rows: array<vec4f, ${BACK_TILE * FEATURES}>;
/// What a row gives to sums over the modes, lane by lane: of u in x, of dt in y.
var<workgroup> shares: array<vec2f, ${BACK_TILE * FEATURES * LANES}>;

/// Stages the rows of a tile that begins `base` steps into the chunk.
fn stage(spot: Spot, group: vec3u, local: u32, base: u32) {
  workgroupBarrier();
  for (var i = local; i < BACK_TILE * FEATURES; i += INVOCATIONS) {
    let feature = group.x * FEATURES + i % FEATURES;
    let k = base + i / FEATURES;
    var row = vec4f(0.0);
    if (feature < dims.feature && k < spot.steps) {
      let at = (group.z * dims.length + spot.start + k) * dims.feature + feature;
#if STAGE_U
      row.x = u[at];
#end
      row.y = gradY[at];
      row.z = dt[at];
    }
    rows[i] = row;
  }
  workgroupBarrier();
}

/// The state after a staged row.
fn stepFrom(x: vec2f, a: vec2f, b: vec2f, row: vec4f) -> vec2f {
  let mode = discretizeMode(a, row.z);
  return complexMul(mode.xy, x) + complexMul(mode.zw, b) * row.x;
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
  let a${s} = select(vec2f(0.0), A[mode${s}], has${s});
  let c${s} = select(vec2f(0.0), complexConj(C[mode${s}]), has${s});
  var flow${s} = vec2f(0.0);
  var decay${s} = vec2f(1.0, 0.0);
#end
  for (var t = (spot.steps + BACK_TILE - 1u) / BACK_TILE; t > 0u; t--) {
    let base = (t - 1u) * BACK_TILE;
    stage(spot, group, local, base);
#for r in 0..BACK_TILE
    if (base + ${BACK_TILE - 1 - r}u < spot.steps) {
      let row = rows[${BACK_TILE - 1 - r}u * FEATURES + spot.slot];
#for s in 0..PER_LANE
      {
        let back = complexConj(discretizeMode(a${s}, row.z).xy);
        flow${s} = complexMul(back, flow${s} + dims.scale * row.y * c${s});
        decay${s} = complexMul(back, decay${s});
      }
#end
    }
#end
  }
  let first = (group.z * dims.chunks + chunk) * dims.feature * STATES;
#for s in 0..PER_LANE
  if (has${s}) {
    flows[first + mode${s}] = flow${s};
    flowDecays[first + mode${s}] = decay${s};
  }
#end
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
  var at = (group.y * dims.chunks + dims.chunks - 1u) * width + i;
#if CHUNKED
  // The next chunk is read before this one is written, so that the loads do not wait.
  var own = flows[at];
  var decay = flowDecays[at];
  for (var c = dims.chunks - 1u; c > 0u; c--) {
    let ownHere = own;
    let decayHere = decay;
    let next = at - width;
    own = flows[next];
    decay = flowDecays[next];
    flows[at] = flow;
    flow = ownHere + complexMul(decayHere, flow);
    at = next;
  }
#end
  flows[at] = flow;
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
  let a${s} = select(vec2f(0.0), A[mode${s}], has${s});
  let b${s} = select(vec2f(0.0), B[mode${s}], has${s});
  let c${s} = select(vec2f(0.0), complexConj(C[mode${s}]), has${s});
  var here${s} = vec2f(0.0);
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
  var flow${s} = select(vec2f(0.0), flows[left + mode${s}], has${s});
  var sumA${s} = vec2f(0.0);
  var sumB${s} = vec2f(0.0);
  var sumC${s} = vec2f(0.0);
#end
  var sumD = 0.0;
  let tiles = (spot.steps + BACK_TILE - 1u) / BACK_TILE;
  for (var t = 1u; t < tiles; t++) {
    stage(spot, group, local, (t - 1u) * BACK_TILE);
#for l in 0..BACK_TILE
    {
      let row = rows[${l}u * FEATURES + spot.slot];
#for s in 0..PER_LANE
      here${s} = stepFrom(here${s}, a${s}, b${s}, row);
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
    stage(spot, group, local, base);
#for s in 0..PER_LANE
    var x0_${s} = start0_${s};
#for i in 1..BACK_TILES
    x0_${s} = select(x0_${s}, start${i}_${s}, t == ${i + 1}u);
#end
#end
#for l in 0..BACK_TILE
    let row${l} = rows[${l}u * FEATURES + spot.slot];
#for s in 0..PER_LANE
    let x${l + 1}_${s} = stepFrom(x${l}_${s}, a${s}, b${s}, row${l});
#end
#end
#for r in 0..BACK_TILE
    {
      let row = row${BACK_TILE - 1 - r};
      var share = vec2f(0.0);
      // A row past the end has a step of its own size only where steps differ.
      if (base + ${BACK_TILE - 1 - r}u < spot.steps) {
#for s in 0..PER_LANE
        {
          flow${s} += dims.scale * row.y * c${s};
          sumC${s} += dims.scale * row.y * complexConj(x${BACK_TILE - r}_${s});
          let ofAbar = complexMul(complexConj(x${BACK_TILE - 1 - r}_${s}), flow${s});
          let ofBbar = flow${s} * row.x;
          let mode = discretizeMode(a${s}, row.z);
          let slopes = slopesOfMode(a${s}, row.z, mode.xy);
          let ofFactor = complexMul(complexConj(b${s}), ofBbar);
          share.x += dot(complexMul(mode.zw, b${s}), flow${s});
          sumB${s} += complexMul(complexConj(mode.zw), ofBbar);
          sumA${s} += complexMul(complexConj(slopes.abarByLambda), ofAbar)
            + complexMul(complexConj(slopes.factorByLambda), ofFactor);
          share.y += dot(slopes.abarByStep, ofAbar) + dot(slopes.factorByStep, ofFactor);
          flow${s} = complexMul(complexConj(mode.xy), flow${s});
        }
#end
        sumD += row.y * row.x;
      }
      shares[(${BACK_TILE - 1 - r}u * FEATURES + spot.slot) * LANES + local % LANES] = share;
    }
#end
    workgroupBarrier();
    for (var i = local; i < BACK_TILE * FEATURES; i += INVOCATIONS) {
      let feature = group.x * FEATURES + i % FEATURES;
      let k = base + i / FEATURES;
      if (feature < dims.feature && k < spot.steps) {
        var sum = vec2f(0.0);
        for (var lane = 0u; lane < LANES; lane++) {
          sum += shares[i * LANES + lane];
        }
        let at = (group.z * dims.length + spot.start + k) * dims.feature + feature;
#if HAS_D
        gradU[at] = sum.x + D[feature] * rows[i].y;
#else
        gradU[at] = sum.x;
#end
        gradDt[at] = sum.y;
      }
    }
  }
  let first = (group.z * dims.chunks + group.y) * (6u * width + dims.feature);
#for s in 0..PER_LANE
  if (has${s}) {
    let at = first + 2u * mode${s};
    sums[at] = sumA${s}.x;
    sums[at + 1u] = sumA${s}.y;
    sums[at + 2u * width] = sumB${s}.x;
    sums[at + 2u * width + 1u] = sumB${s}.y;
    sums[at + 4u * width] = sumC${s}.x;
    sums[at + 4u * width + 1u] = sumC${s}.y;
#if HAS_X0
    if (group.y == 0u) {
      gradX0[group.z * width + mode${s}] = flow${s};
    }
#end
  }
#end
  if (spot.known && local % LANES == 0u) {
    sums[first + 6u * width + spot.feature] = sumD;
  }
}
