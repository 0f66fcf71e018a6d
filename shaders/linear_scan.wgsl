// Diagonal complex linear scan with steps of sizes of their own, reduce-then-scan over chunks of
// the length. Equal steps go by shared/lti_scan.wgsl.
//
//   x[k] = Abar[k] x[k-1] + Bbar[k] u[k]       y[k] = scale Re(sum C x[k]) + D u[k]
//
// reduce_chunks  every chunk but the last: its end state from a zero start
// carry_chunks   across the chunks: ends[c] becomes the state at the start of chunk c + 1
// apply_chunks   every chunk again from its true start: y, and the final state
//
// A workgroup holds FEATURES features; the states of a feature are split over STATE_GROUPS
// invocations, STATES_PER_THREAD in named registers of each. TILE steps of u are staged at a time.
// The way back is backward/linear_scan.wgsl.
#import shared/discretize_mode
#import shared/scan_place

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
@group(1) @binding(0) var<uniform> dims: Dims;

var<workgroup> tileU: array<array<f32, FEATURES>, TILE>;
var<workgroup> tileDt: array<array<f32, FEATURES>, TILE>;
var<workgroup> tileY: array<array<array<f32, FEATURES>, TILE>, STATE_GROUPS>;

/// Stages TILE steps; each invocation of a feature loads every STATE_GROUPS-th of them.
fn stageTile(place: Place, base: u32) {
#for i in 0..TILE / STATE_GROUPS
  {
    let row = ${i * STATE_GROUPS}u + place.part;
    let k = place.start + base + row;
    let at = (place.batch * dims.length + k) * dims.feature + place.feature;
    let inside = place.known && base + row < place.steps;
    tileU[row][place.lane] = select(0.0, u[at], inside);
    tileDt[row][place.lane] = select(0.0, dt[at], inside);
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
  var decay${s} = vec2f(1.0, 0.0);
#end
  for (var base = 0u; base < place.steps; base += TILE) {
    workgroupBarrier();
    stageTile(place, base);
    workgroupBarrier();
#for l in 0..TILE
    if (base + ${l}u < place.steps) {
      let input = tileU[${l}][place.lane];
      let step = tileDt[${l}][place.lane];
#for s in 0..STATES_PER_THREAD
      let z${s} = discretizeMode(a${s}, step);
      x_${s} = complexMul(z${s}.xy, x_${s}) + complexMul(z${s}.zw, b${s}) * input;
      decay${s} = complexMul(z${s}.xy, decay${s});
#end
    }
#end
  }
  let row = (place.batch * (dims.chunks - 1u) + group.y) * dims.feature * STATES + bank;
#for s in 0..STATES_PER_THREAD
  if (has${s}) {
    ends[row + n${s}] = x_${s};
    decays[row + n${s}] = decay${s};
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
  let first = group.y * (dims.chunks - 1u) * width + i;
  for (var c = 0u; c < dims.chunks - 1u; c++) {
    let at = first + c * width;
    x = complexMul(decays[at], x) + ends[at];
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
      let step = tileDt[${l}][place.lane];
#for s in 0..STATES_PER_THREAD
      let z${s} = discretizeMode(a${s}, step);
      x_${s} = complexMul(z${s}.xy, x_${s}) + complexMul(z${s}.zw, b${s}) * input;
      sum += dot(c${s}, x_${s});
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
