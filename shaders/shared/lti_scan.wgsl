// Diagonal complex scan of systems that stay the same, BLOCK steps at a time.
//
//   x[k] = a x[k-1] + b u[k]             y[k] = scale Re(sum c x[k]) + D u[k]
//
// From the state x before a block of T steps all of the block follows by products of which none
// waits for another:
//
//   y[j] = Re(sum g[j] x) + sum_{i <= j} kernel[j - i] u[i]        g[j] = scale c a^(j+1)
//   x'   = a^T x + sum_j v[j] u[j]                                  v[j] = a^(T-1-j) b
//   kernel[i] = scale Re(sum c a^i b), and D in kernel[0]
//
// That is 4 + 4 / T multiply-adds a state and step, where the recurrence itself takes 8, and the
// coefficients stay in registers for the whole length.
//
// reduce_chunks  every chunk but the last: its end state from a zero start
// carry_chunks   across the chunks: ends[c] becomes the state at the start of chunk c + 1
// apply_chunks   every chunk from its true start: y of its whole tiles, and the state after them
// apply_rest     the steps after the last whole tile, one by one
//
// ADJOINT is the way back: it walks from the end, and takes its input in before the state moves,
//
//   flow[k] = x[k+1] + b u[k]      x[k] = a flow[k]      y[k] = scale Re(sum c flow[k]) + D u[k]
//
// so g[j] has a^j and v[j] has a^(T-j). x0 and the state it leaves are stored as conjugates.
//
// A workgroup holds FEATURES features; the states of a feature are split over PARTS invocations,
// STATES_PER_PART in named registers of each. PAGE steps of u are staged at a time, loaded while
// the page before is used. Of each tile of TILE steps every invocation makes its part's share of
// all outputs, and adds up the shares of every PARTS-th of them, one tile later.
#import shared/complex
#import shared/lti_place

struct Dims {
  batch: u32, length: u32, feature: u32, states: u32, chunk: u32, chunks: u32, scale: f32
}

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> A: array<vec2f>;
@group(0) @binding(2) var<storage, read> B: array<vec2f>;
@group(0) @binding(3) var<storage, read> C: array<vec2f>;
@group(0) @binding(4) var<storage, read> D: array<f32>;
@group(0) @binding(5) var<storage, read> x0: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<storage, read_write> state: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> ends: array<vec2f>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Four steps a vector: a read of them is one of memory's widest.
var<workgroup> inputs: array<array<array<vec4f, FEATURES>, ${TILE / 4}>, ${PAGE / TILE}>;
/// What each part gives to the outputs of a tile.
var<workgroup> shares: array<array<array<array<vec4f, FEATURES>, ${TILE / 4}>, PARTS>, BUFFERS>;

fn asStored(x: vec2f) -> vec2f {
#if ADJOINT
  return complexConj(x);
#else
  return x;
#end
}

/// What a mode takes in of an input. The scale of y is on this side of the state on the way back.
fn inputOf(mode: u32) -> vec2f {
#if ADJOINT
  return dims.scale * B[mode];
#else
  return B[mode];
#end
}

/// What an output takes of a mode, as the vector whose dot product with the state that is.
fn outputOf(mode: u32) -> vec2f {
#if ADJOINT
  return complexConj(C[mode]);
#else
  return dims.scale * complexConj(C[mode]);
#end
}

@compute @workgroup_size(FEATURES * PARTS)
fn reduce_chunks(
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
  let b${s} = select(vec2f(0.0), inputOf(place.first + ${s}u), has${s});
#for j in 0..BLOCK
  let v${s}_${j} = complexMul(b${s}, p${s}_${BLOCK - 1 - j + ADJOINT});
#end
  var x_${s} = vec2f(0.0);
#end
#for i in 0..PAGE / PARTS
  var next${i} = u[elementWithin(place, ${i * PARTS}u + place.part)];
#end
  for (var page = 0u; page < place.steps; page += PAGE) {
    workgroupBarrier();
#for i in 0..PAGE / PARTS
    {
      let row = ${i * PARTS % TILE}u + place.part;
      inputs[${i * PARTS / TILE}][row / 4u][place.lane][row % 4u] = next${i};
    }
#end
#for i in 0..PAGE / PARTS
    next${i} = u[elementWithin(place, page + ${PAGE + i * PARTS}u + place.part)];
#end
    workgroupBarrier();
    // Chunks that others follow are whole tiles.
    let tiles = min(PAGE, place.steps - page) / TILE;
    for (var tile = 0u; tile < tiles; tile++) {
#for q in 0..TILE / 4
      let quad${q} = inputs[tile][${q}][place.lane];
#for i in 0..4
      let u${4 * q + i} = quad${q}[${i}];
#end
#end
#for t in 0..TILE / BLOCK
#for s in 0..STATES_PER_PART
      x_${s} = complexMul(p${s}_${BLOCK}, x_${s});
#end
#for j in 0..BLOCK
#for s in 0..STATES_PER_PART
      x_${s} = fma(v${s}_${j}, vec2f(u${t * BLOCK + j}), x_${s});
#end
#end
#end
    }
  }
  let bank = dims.feature * dims.states;
  let row = (group.z * (dims.chunks - 1u) + group.y) * bank + place.first;
#for s in 0..STATES_PER_PART
  if (has${s}) {
    ends[row + ${s}u] = x_${s};
  }
#end
}

@compute @workgroup_size(CARRY_GROUP)
fn carry_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let bank = dims.feature * dims.states;
  let i = group.x * CARRY_GROUP + local;
  if (i >= bank) {
    return;
  }
#if HAS_X0
  var x = asStored(x0[group.y * bank + i]);
#else
  var x = vec2f(0.0);
#end
  // All chunks but the last have the same power-of-two length.
  var decay = A[i];
  for (var length = 1u; length < dims.chunk; length *= 2u) {
    decay = complexMul(decay, decay);
  }
  let first = group.y * (dims.chunks - 1u) * bank + i;
  for (var c = 0u; c < dims.chunks - 1u; c += CARRY_AHEAD) {
    // All loads before the first store, which they could not pass.
#for j in 0..CARRY_AHEAD
    let at${j} = first + (c + ${j}u) * bank;
    let end${j} = ends[at${j}];
#end
#for j in 0..CARRY_AHEAD
    if (c + ${j}u < dims.chunks - 1u) {
      x = complexMul(decay, x) + end${j};
      ends[at${j}] = x;
    }
#end
  }
}

@compute @workgroup_size(FEATURES * PARTS)
fn apply_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, local, group.y);
  let bank = dims.feature * dims.states;
#if CHUNKED
  let previous = max(group.y, 1u) - 1u;
  let row = (group.z * (dims.chunks - 1u) + previous) * bank + place.first;
#end
#for i in 0..BLOCK
  var kernel${i} = 0.0;
#end
#for s in 0..STATES_PER_PART
  let has${s} = hasState(place, ${s}u);
  let p${s}_0 = vec2f(1.0, 0.0);
  let p${s}_1 = select(vec2f(0.0), A[place.first + ${s}u], has${s});
#for j in 2..BLOCK + 1
  let p${s}_${j} = complexMul(p${s}_${j / 2}, p${s}_${j - j / 2});
#end
  let b${s} = select(vec2f(0.0), inputOf(place.first + ${s}u), has${s});
  let c${s} = select(vec2f(0.0), outputOf(place.first + ${s}u), has${s});
#for j in 0..BLOCK
  let v${s}_${j} = complexMul(b${s}, p${s}_${BLOCK - 1 - j + ADJOINT});
  let g${s}_${j} = complexMul(c${s}, complexConj(p${s}_${j + 1 - ADJOINT}));
  kernel${j} += dot(c${s}, complexMul(p${s}_${j}, b${s}));
#end
  var x_${s} = vec2f(0.0);
#if HAS_X0
  if (has${s} && group.y == 0u) {
    x_${s} = asStored(x0[group.z * bank + place.first + ${s}u]);
  }
#end
#if CHUNKED
  if (has${s} && group.y > 0u) {
    x_${s} = ends[row + ${s}u];
  }
#end
#end
  // Of each SPAN steps the invocation finishes those of number r PARTS + part; own has the kernel
  // at their distance from every step of their block.
#for i in 0..BLOCK
  shares[0][place.part][${i / 4}][place.lane][${i % 4}] = kernel${i};
#end
  workgroupBarrier();
#for r in 0..SPAN / PARTS
#for i in 0..(r + 1) * PARTS
  var own${r}_${i} = 0.0;
  {
    let step = ${r * PARTS}u + place.part;
    if (${i}u <= step && ${i / BLOCK}u == step / BLOCK) {
      let distance = step - ${i}u;
#for p in 0..PARTS
      own${r}_${i} += shares[0][${p}][distance / 4u][place.lane][distance % 4u];
#end
#if HAS_D
      own${r}_${i} += select(0.0, D[place.feature], distance == 0u);
#end
    }
  }
#end
#end
#for i in 0..PAGE / PARTS
  var next${i} = u[elementWithin(place, ${i * PARTS}u + place.part)];
#end
#for r in 0..TILE / PARTS
  var direct${r} = 0.0;
#end
  let whole = place.steps - place.steps % TILE;
  var buffer = 0u;
  for (var page = 0u; page < whole; page += PAGE) {
    workgroupBarrier();
#for i in 0..PAGE / PARTS
    {
      let row = ${i * PARTS % TILE}u + place.part;
      inputs[${i * PARTS / TILE}][row / 4u][place.lane][row % 4u] = next${i};
    }
#end
#for i in 0..PAGE / PARTS
    next${i} = u[elementWithin(place, page + ${PAGE + i * PARTS}u + place.part)];
#end
    let tiles = min(PAGE, whole - page) / TILE;
    for (var tile = 0u; tile < tiles; tile++) {
      workgroupBarrier();
#for q in 0..TILE / 4
      let quad${q} = inputs[tile][${q}][place.lane];
#for i in 0..4
      let u${4 * q + i} = quad${q}[${i}];
#end
#end
#for r in 0..TILE / PARTS
      let row${r} = ${r * PARTS}u + place.part;
#for p in 0..PARTS
      let before${r}_${p}
        = shares[${BUFFERS - 1}u - buffer][${p}][row${r} / 4u][place.lane][row${r} % 4u];
#end
#end
#if BUFFERS == 1
      workgroupBarrier();
#end
#for t in 0..TILE / BLOCK
#for j in 0..BLOCK
      var share${t * BLOCK + j} = g0_${j}.x * x_0.x;
#end
#for s in 0..STATES_PER_PART
#for j in 0..BLOCK * (s > 0)
      share${t * BLOCK + j} = fma(g${s}_${j}.x, x_${s}.x, share${t * BLOCK + j});
#end
#for j in 0..BLOCK
      share${t * BLOCK + j} = fma(g${s}_${j}.y, x_${s}.y, share${t * BLOCK + j});
#end
#end
#for s in 0..STATES_PER_PART
      x_${s} = complexMul(p${s}_${BLOCK}, x_${s});
#end
#for j in 0..BLOCK
#for s in 0..STATES_PER_PART
      x_${s} = fma(v${s}_${j}, vec2f(u${t * BLOCK + j}), x_${s});
#end
#end
#end
#for q in 0..TILE / 4
      shares[buffer][place.part][${q}][place.lane]
        = vec4f(share${4 * q}, share${4 * q + 1}, share${4 * q + 2}, share${4 * q + 3});
#end
      // Of the tile before all shares are there; its outputs leave here.
#for r in 0..TILE / PARTS
#for p in 0..PARTS
      direct${r} += before${r}_${p};
#end
      if (place.known && page + tile > 0u) {
        y[elementAt(place, page + tile * TILE - TILE + row${r})] = direct${r};
      }
      direct${r} = 0.0;
#for i in 0..(r % (SPAN / PARTS) + 1) * PARTS
      direct${r} = fma(
        own${r % (SPAN / PARTS)}_${i}, u${r / (SPAN / PARTS) * SPAN + i}, direct${r},
      );
#end
#end
      buffer = ${BUFFERS - 1}u - buffer;
    }
  }
  workgroupBarrier();
  if (whole > 0u && place.known) {
#for r in 0..TILE / PARTS
    let row${r} = ${r * PARTS}u + place.part;
#for p in 0..PARTS
    direct${r} += shares[${BUFFERS - 1}u - buffer][${p}][row${r} / 4u][place.lane][row${r} % 4u];
#end
    y[elementAt(place, whole - TILE + row${r})] = direct${r};
#end
  }
  if (group.y + 1u == dims.chunks) {
#for s in 0..STATES_PER_PART
    if (has${s}) {
      state[group.z * bank + place.first + ${s}u] = asStored(x_${s});
    }
#end
  }
}

@compute @workgroup_size(FEATURES * PARTS)
fn apply_rest(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, local, dims.chunks - 1u);
  let carried = group.z * dims.feature * dims.states + place.first;
#for s in 0..STATES_PER_PART
  let has${s} = hasState(place, ${s}u);
  let a${s} = select(vec2f(0.0), A[place.first + ${s}u], has${s});
  let b${s} = select(vec2f(0.0), inputOf(place.first + ${s}u), has${s});
  let c${s} = select(vec2f(0.0), outputOf(place.first + ${s}u), has${s});
  var x_${s} = vec2f(0.0);
#if !FROM_START
  if (has${s}) {
    x_${s} = asStored(state[carried + ${s}u]);
  }
#else
#if HAS_X0
  if (has${s}) {
    x_${s} = asStored(x0[carried + ${s}u]);
  }
#end
#end
#end
  for (var k = place.steps - place.steps % TILE; k < place.steps; k++) {
    let input = u[elementWithin(place, k)];
    var share = 0.0;
#for s in 0..STATES_PER_PART
    {
#if ADJOINT
      let flow = x_${s} + b${s} * input;
      share += dot(c${s}, flow);
      x_${s} = complexMul(a${s}, flow);
#else
      x_${s} = complexMul(a${s}, x_${s}) + b${s} * input;
      share += dot(c${s}, x_${s});
#end
    }
#end
    workgroupBarrier();
    shares[0][place.part][0][place.lane].x = share;
    workgroupBarrier();
    if (place.known && place.part == 0u) {
      var sum = 0.0;
#for p in 0..PARTS
      sum += shares[0][${p}][0][place.lane].x;
#end
#if HAS_D
      sum = fma(D[place.feature], input, sum);
#end
      y[elementAt(place, k)] = sum;
    }
  }
#for s in 0..STATES_PER_PART
  if (has${s}) {
    state[carried + ${s}u] = asStored(x_${s});
  }
#end
}
