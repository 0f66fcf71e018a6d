// The scan across chunks of real diagonal states: row c of `ends` holds the state at the end of
// chunk c from a zero start, and receives the state before the chunk.
//
//   x[0] = initial     x[c + 1] = exp(A spans[c]) x[c] + ends[c]
//
// REVERSED runs from the last chunk to the first, as gradients flow.
//
// Layout of the work: an invocation holds a quad of states and one of SEGMENTS runs of chunks. It
// finds its run's end from zero, the runs meet in workgroup memory, and it walks its run again from
// where the runs before it end. Loads of AHEAD chunks are under way at once.

struct Dims { quads: u32, width: u32, chunks: u32 }

@group(0) @binding(0) var<storage, read> A: array<vec4f>;
@group(0) @binding(1) var<storage, read> initial: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> ends: array<vec4f>;
@group(0) @binding(3) var<storage, read> spans: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

const LOG2_E = 1.4426950408889634;

var<workgroup> runEnds: array<array<vec4f, LANES>, SEGMENTS>;
var<workgroup> runSpans: array<array<f32, LANES>, SEGMENTS>;

fn rowOf(batch: u32, c: u32) -> u32 {
#if REVERSED
  return batch * dims.chunks + dims.chunks - 1u - min(c, dims.chunks - 1u);
#else
  return batch * dims.chunks + min(c, dims.chunks - 1u);
#end
}

@compute @workgroup_size(${LANES * SEGMENTS})
fn carry_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let lane = local % LANES;
  let segment = local / LANES;
  let known = group.x * LANES + lane < dims.quads;
  let i = min(group.x * LANES + lane, dims.quads - 1u);
  let feature = i / dims.width;
  let features = dims.quads / dims.width;
  let a = LOG2_E * A[i];
  let run = (dims.chunks + SEGMENTS - 1u) / SEGMENTS;
  let first = segment * run;
  let end = min(first + run, dims.chunks);
#if HAS_INITIAL
  var x = initial[group.y * dims.quads + i];
#else
  var x = vec4f();
#end
#if SEGMENTS > 1
  var own = vec4f();
  var span = 0.0;
  for (var c = first; c < end; c += AHEAD) {
#for n in 0..AHEAD
    let row${n} = rowOf(group.y, c + ${n}u);
    let end${n} = ends[row${n} * dims.quads + i];
    let span${n} = spans[row${n} * features + feature];
#end
#for n in 0..AHEAD
    if (c + ${n}u < end) {
      own = fma(exp2(a * span${n}), own, end${n});
      span += span${n};
    }
#end
  }
  runEnds[segment][lane] = own;
  runSpans[segment][lane] = span;
  workgroupBarrier();
  for (var before = 0u; before < segment; before++) {
    x = fma(exp2(a * runSpans[before][lane]), x, runEnds[before][lane]);
  }
#end
  for (var c = first; c < end; c += AHEAD) {
#for n in 0..AHEAD
    let row${n} = rowOf(group.y, c + ${n}u);
    let end${n} = ends[row${n} * dims.quads + i];
    let span${n} = spans[row${n} * features + feature];
#end
#for n in 0..AHEAD
    if (known && c + ${n}u < end) {
      ends[row${n} * dims.quads + i] = x;
    }
    x = fma(exp2(a * span${n}), x, end${n});
#end
  }
}
