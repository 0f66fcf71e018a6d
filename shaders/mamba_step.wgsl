// One sample of a Mamba block for many streams whose states stay on the device.
//
//   [a, z] = inProj·norm(x)      v = silu(convWeight·[past, a] + convBias)
//   [r, B, C] = xProj·v          dt = softplus(dtProj·r + dtBias)·elapsed
//   h = exp(dt A) h + dt B v            out = x + outProj·((C·h + D v) silu(z))
//
// A workgroup takes STREAMS streams, INNER * SPLIT invocations. In the projections to `a` and `z`,
// the convolution and the recurrence an invocation owns inner feature d of HELD = STREAMS / SPLIT
// streams, those whose number is i * SPLIT + part. In the projections to r, B, C and to the output
// it owns one column and one of SLICES ranges of the inner features for all streams, so that each
// weight is read once a workgroup; the ranges' sums meet in workgroup memory. REACH is the vectors
// of a range, COLUMNS the columns of the wider projection.
//
// `rows` says for each sample where its stream's state lies (a negative number: nowhere, the row is
// padding), which of the window's PAST inputs is the oldest and gives its place to the new one, and
// how much time has passed. All weights lie in one buffer, four to a vec4f along the sum, the
// columns next to one another; `src/ops/_helpers/mamba_weights.ts` writes them there.
#import shared/activation

struct Dims { batch: u32, rows: u32, fields: u32, eps: f32 }

#if HALF
alias Four = vec2u;
#else
alias Four = vec4f;
#end

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> state: array<Four>;
@group(0) @binding(4) var<storage, read_write> window: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

const GROUP = INNER * SPLIT;

/// Slot, place of the oldest input, elapsed time.
var<workgroup> record: array<vec4f, STREAMS>;
/// Factor of the norm.
var<workgroup> scale: array<f32, STREAMS>;
var<workgroup> tileX: array<array<vec4f, ${FEATURE / 4}>, STREAMS>;
/// v, then the gated output.
var<workgroup> tileV: array<array<array<vec4f, REACH>, SLICES>, STREAMS>;
/// r, B, C.
var<workgroup> selected: array<array<vec4f, ${SELECTED / 4}>, STREAMS>;
var<workgroup> sums: array<array<array<f32, COLUMNS>, STREAMS>, SLICES>;

/// total + the products of two vectors.
fn add4(w: vec4f, v: vec4f, total: f32) -> f32 {
  return fma(w.x, v.x, fma(w.y, v.y, fma(w.z, v.z, fma(w.w, v.w, total))));
}

#if HALF
// The largest number of binary16: what lies beyond it would become an infinity.
const HALF_MAX: f32 = 65504.0;

fn widened(four: vec2u) -> vec4f {
  return vec4f(unpack2x16float(four.x), unpack2x16float(four.y));
}

fn narrowed(four: vec4f) -> vec2u {
  let inside = clamp(four, vec4f(-HALF_MAX), vec4f(HALF_MAX));
  return vec2u(pack2x16float(inside.xy), pack2x16float(inside.zw));
}
#else
fn widened(four: vec4f) -> vec4f {
  return four;
}

fn narrowed(four: vec4f) -> vec4f {
  return four;
}
#end

/// One column of a projection of tileV for all streams, over one range of it: into `sums`.
fn project(local: u32, first: u32, columns: u32) {
  for (var i = local; i < columns * SLICES; i += GROUP) {
    let column = i % columns;
    let slice = i / columns;
#for s in 0..STREAMS
    var sum${s} = 0.0;
#end
    let at = first + slice * REACH * columns + column;
#for k in 0..REACH
    {
      let w = weights[at + ${k}u * columns];
#for s in 0..STREAMS
      sum${s} = add4(w, tileV[${s}][slice][${k}], sum${s});
#end
    }
#end
#for s in 0..STREAMS
    sums[slice][${s}][column] = sum${s};
#end
  }
}

/// The sum of a column over its ranges.
fn summed(stream: u32, column: u32) -> f32 {
  var sum = sums[0][stream][column];
#for q in 1..SLICES
  sum += sums[${q}][stream][column];
#end
  return sum;
}

@compute @workgroup_size(GROUP)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = (group.y * groups.x + group.x) * STREAMS;
  let d = local % INNER;
  let part = local / INNER;
  for (var i = local; i < STREAMS * (FEATURE / 4u); i += GROUP) {
    let stream = i / (FEATURE / 4u);
    let row = min(first + stream, dims.batch - 1u);
    tileX[stream][i % (FEATURE / 4u)] = x[row * (FEATURE / 4u) + i % (FEATURE / 4u)];
  }
  if (local < STREAMS) {
    let row = first + local;
    let at = dims.fields * min(row, dims.batch - 1u);
    let isKnown = row < dims.batch && rows[at] >= 0.0 && rows[at] < f32(dims.rows);
    record[local] = vec4f(select(-1.0, rows[at], isKnown), rows[at + 1u], rows[at + 2u], 0.0);
  }
  workgroupBarrier();
#for i in 0..STREAMS / SPLIT
  let record${i} = record[${i * SPLIT}u + part];
  let slot${i} = u32(max(record${i}.x, 0.0));
  let ring${i} = slot${i} * (PAST * INNER) + d;
  let oldest${i} = u32(record${i}.y);
#for j in 0..PAST
  let tap${i}_${j} = window[ring${i} + (oldest${i} + ${j}u) % PAST * INNER];
#end
  let bank${i} = slot${i} * (STATES / 4u) * INNER + d;
#end

#if NORM
  if (local < STREAMS) {
    var square = 0.0;
    for (var k = 0u; k < FEATURE / 4u; k++) {
      let v = tileX[local][k];
      square = add4(v, v, square);
    }
    scale[local] = inverseSqrt(square / f32(FEATURE) + dims.eps);
  }
#end
#for i in 0..STREAMS / SPLIT
  var a${i} = 0.0;
  var z${i} = 0.0;
#end
  for (var k = 0u; k < FEATURE / 4u; k += UNROLL) {
#for u in 0..UNROLL
    {
      let wa = weights[IN_AT + (k + ${u}u) * (2u * INNER) + d];
      let wz = weights[IN_AT + (k + ${u}u) * (2u * INNER) + INNER + d];
#for i in 0..STREAMS / SPLIT
      {
        let v = tileX[${i * SPLIT}u + part][k + ${u}u];
        a${i} = add4(wa, v, a${i});
        z${i} = add4(wz, v, z${i});
      }
#end
    }
#end
  }
  let lane = weights[LANE_AT + d];
#for j in 0..(PAST + 4) / 4
  let taps${j} = weights[CONV_AT + ${j}u * INNER + d];
#end
  workgroupBarrier();
#for i in 0..STREAMS / SPLIT
  {
#if NORM
    let factor = scale[${i * SPLIT}u + part];
    a${i} *= factor;
    z${i} *= factor;
#end
#if BIAS
    let biases = weights[BIAS_AT + d];
    a${i} += biases.x;
    z${i} += biases.y;
#end
#if PAST > 0
    if (record${i}.x >= 0.0) {
      window[ring${i} + oldest${i} * INNER] = a${i};
    }
#end
    var sum = fma(taps${PAST / 4}[${PAST % 4}], a${i}, lane.x);
#for j in 0..PAST
    sum = fma(taps${j / 4}[${j % 4}], tap${i}_${j}, sum);
#end
    a${i} = silu(sum);
    tileV[${i * SPLIT}u + part][d / (4u * REACH)][d / 4u % REACH][d % 4u] = a${i};
  }
#end
  workgroupBarrier();
  project(local, X_AT, SELECTED);
#for i in 0..CHUNK
#for n in 0..STATES / 4
  let held${i}_${n} = state[bank${i} + ${n}u * INNER];
#end
#end
  workgroupBarrier();
  for (var i = local; i < STREAMS * SELECTED; i += GROUP) {
    let column = i % SELECTED;
    selected[i / SELECTED][column / 4u][column % 4u] = summed(i / SELECTED, column);
  }
#for n in 0..STATES / 4
  let A${n} = weights[A_AT + ${n}u * INNER + d];
#end
#for r in 0..RANKS
  let W${r} = weights[DT_AT + ${r}u * INNER + d];
#end
  workgroupBarrier();
#for c in 0..STREAMS / SPLIT / CHUNK
  // The next streams' states are under way while these are advanced.
#for i in (c + 1) * CHUNK..(c + 2) * CHUNK
#if i < STREAMS / SPLIT
#for n in 0..STATES / 4
  let held${i}_${n} = state[bank${i} + ${n}u * INNER];
#end
#end
#end
#for i in c * CHUNK..(c + 1) * CHUNK
  {
    let stream = ${i * SPLIT}u + part;
    var raw = lane.y;
#for r in 0..RANKS
    raw = add4(W${r}, selected[stream][${r}], raw);
#end
    let dt = softplus(raw) * record${i}.z;
    let input = dt * a${i};
    var y = lane.z * a${i};
    let isKnown = record${i}.x >= 0.0;
#for n in 0..STATES / 4
    {
      let kept = exp2(dt * A${n}) * widened(held${i}_${n});
      let next = fma(vec4f(input), selected[stream][${RANKS + n}], kept);
      y = add4(selected[stream][${RANKS + STATES / 4 + n}], next, y);
      if (isKnown) {
        state[bank${i} + ${n}u * INNER] = narrowed(next);
      }
    }
#end
    tileV[stream][d / (4u * REACH)][d / 4u % REACH][d % 4u] = y * silu(z${i});
  }
#end
#end
  workgroupBarrier();
  project(local, OUT_AT, FEATURE);
  workgroupBarrier();
  for (var i = local; i < STREAMS * FEATURE; i += GROUP) {
    let stream = i / FEATURE;
    let column = i % FEATURE;
    let row = first + stream;
    if (row < dims.batch) {
      var sum = summed(stream, column);
#if BIAS
      sum += weights[OUT_BIAS_AT + column / 4u][column % 4u];
#end
      sum += tileX[stream][column / 4u][column % 4u];
      out[row * FEATURE + column] = select(0.0, sum, record[stream].x >= 0.0);
    }
  }
}
