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
// A workgroup holds FEATURES features of one group of B and C, whose rows it stages TILE steps at a
// time; the states of a feature are split over STATE_GROUPS invocations, STATES_PER_THREAD in named
// registers of each. The way back is backward/selective_scan.wgsl.
#import shared/activation
#import shared/scan_number
#import shared/scan_place

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
@group(0) @binding(9) var<storage, read_write> y: array<f32>;
@group(0) @binding(10) var<storage, read_write> state: array<Number>;
@group(0) @binding(11) var<storage, read_write> ends: array<Number>;
@group(0) @binding(12) var<storage, read_write> spans: array<f32>;
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
  // Past the last state that is repeated, so that no load is out of bounds; it is never stored.
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
  // Past the last state that is repeated, so that no load is out of bounds; it is never stored.
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
      // What repeats the last state must not count in the output.
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
