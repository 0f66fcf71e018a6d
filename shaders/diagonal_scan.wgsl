// Diagonal complex scan with a given drive, reduce-then-scan over chunks of the length.
//
//   x[k] = Abar[k] x[k-1] + f[k] v[k]
//
// reduce_chunks  every chunk but the last: its end state from a zero start, and its decay
// carry_chunks   across the chunks: the state before chunk c + 1 replaces the end of chunk c
// apply_chunks   every chunk again from its true start: x, and the final state
//
// An invocation holds one state of one row of the batch.
#import shared/discretize_mode

struct Dims { length: u32, states: u32, rows: u32, chunk: u32, chunks: u32 }

@group(0) @binding(0) var<storage, read> v: array<vec2f>;
@group(0) @binding(1) var<storage, read> A: array<vec2f>;
@group(0) @binding(2) var<storage, read> dt: array<f32>;
@group(0) @binding(3) var<storage, read> x0: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> x: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> state: array<vec2f>;
/// End state in xy, decay over the chunk in zw.
@group(0) @binding(6) var<storage, read_write> ends: array<vec4f>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Where the scan's step `k` of a row and state lies.
fn elementAt(row: u32, k: u32) -> u32 {
#if REVERSE
  let sample = dims.length - 1u - k;
#else
  let sample = k;
#end
  return (row / dims.states * dims.length + sample) * dims.states + row % dims.states;
}

/// Abar and the factor of the drive at an element.
fn modeAt(a: vec2f, at: u32) -> vec4f {
#if PER_STEP
  return discretizeMode(a, dt[at]);
#else
  return vec4f(a, 1.0, 0.0);
#end
}

@compute @workgroup_size(GROUP)
fn reduce_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.x * GROUP + local;
  if (row >= dims.rows) {
    return;
  }
  let a = A[row % dims.states];
  var end = vec2f(0.0);
  var decay = vec2f(1.0, 0.0);
  for (var k = group.y * dims.chunk; k < (group.y + 1u) * dims.chunk; k++) {
    let at = elementAt(row, k);
    let mode = modeAt(a, at);
    end = complexMul(mode.xy, end) + complexMul(mode.zw, v[at]);
    decay = complexMul(mode.xy, decay);
  }
  ends[group.y * dims.rows + row] = vec4f(end, decay);
}

@compute @workgroup_size(GROUP)
fn carry_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.x * GROUP + local;
  if (row >= dims.rows) {
    return;
  }
#if HAS_X0
  var carried = x0[row];
#else
  var carried = vec2f(0.0);
#end
  for (var c = 0u; c < dims.chunks - 1u; c++) {
    let chunk = ends[c * dims.rows + row];
    carried = complexMul(chunk.zw, carried) + chunk.xy;
    ends[c * dims.rows + row] = vec4f(carried, 0.0, 0.0);
  }
}

@compute @workgroup_size(GROUP)
fn apply_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.x * GROUP + local;
  if (row >= dims.rows) {
    return;
  }
  let a = A[row % dims.states];
  var carried = vec2f(0.0);
#if HAS_X0
  if (group.y == 0u) {
    carried = x0[row];
  }
#end
#if CHUNKED
  if (group.y > 0u) {
    carried = ends[(group.y - 1u) * dims.rows + row].xy;
  }
#end
  let start = group.y * dims.chunk;
  let end = min(start + dims.chunk, dims.length);
  for (var k = start; k < end; k++) {
    let at = elementAt(row, k);
    let mode = modeAt(a, at);
    carried = complexMul(mode.xy, carried) + complexMul(mode.zw, v[at]);
    x[at] = carried;
  }
  if (group.y + 1u == dims.chunks) {
    state[row] = carried;
  }
}
