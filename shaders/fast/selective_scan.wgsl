// Selective scan (Mamba) with real A, made to keep memory, exponentials and additions busy at once.
//
//   dt = softplus(delta + deltaBias)     x[k] = exp(dt A) x[k-1] + dt u[k] B[k]
//   y[k] = (sum C[k] x[k] + D u[k]) silu(z[k])
//
// reduce_chunks  every chunk but the last: its end state from a zero start, and the sum of its dt
// (then          shared/chunk_carry: row c of starts becomes the state before chunk c; a chunk's
//                decay is exp(A sum dt))
// apply_chunks   every chunk again from its true start: y, and the final state
//
// Layout of the work. An invocation holds FEATURES neighbouring features (a Row) and QUADS times
// four of their states; PARTS invocations share the states of a Row, LANES Rows make a workgroup.
// A tile of TILE steps goes: (1) every invocation turns its own rows of delta and u into step sizes
// and drives, once for all states, and stages them beside the rows of B and C; (2) it asks for the
// rows of the next tile; (3) it walks the tile, each staged quad of B and C serving FEATURES
// features; (4) the PARTS sums of a step meet in the invocation that loaded the step's u and z,
// which gates and writes y. Rows past the end have dt = 0 and change nothing.
#import shared/feature_rows

struct Dims { length: u32, rows: u32, chunk: u32, chunks: u32, groupB: u32, groupC: u32 }

@group(0) @binding(0) var<storage, read> u: array<Row>;
@group(0) @binding(1) var<storage, read> delta: array<Row>;
@group(0) @binding(2) var<storage, read> A: array<vec4f>;
@group(0) @binding(3) var<storage, read> B: array<vec4f>;
@group(0) @binding(4) var<storage, read> C: array<vec4f>;
@group(0) @binding(5) var<storage, read> D: array<Row>;
@group(0) @binding(6) var<storage, read> z: array<Row>;
@group(0) @binding(7) var<storage, read> deltaBias: array<Row>;
@group(0) @binding(8) var<storage, read> x0: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> y: array<Row>;
@group(0) @binding(10) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> starts: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> spans: array<Row>;
@group(1) @binding(0) var<uniform> dims: Dims;

const INVOCATIONS = ${LANES * PARTS}u;
/// Quads of all states of a feature: of a row of A, B or C.
const WIDTH = ${QUADS * PARTS}u;
const LOG2_E = 1.4426950408889634;

#if PARTS > 1
var<workgroup> tileStep: array<array<Step, LANES>, TILE>;
#end
var<workgroup> tileB: array<array<vec4f, ${QUADS * PARTS}>, TILE>;
#if APPLY
var<workgroup> tileC: array<array<vec4f, ${QUADS * PARTS}>, TILE>;
#end

/// Where an invocation stands: its Row among those of a step, its share of the states.
struct Place {
  row: u32, known: bool, lane: u32, part: u32, first: u32, steps: u32, ownerOfB: u32, ownerOfC: u32
}

fn placeOf(group: vec3u, local: u32) -> Place {
  // The parts of a Row side by side: they meet in one subgroup.
  let lane = local / PARTS;
  let part = local % PARTS;
  let row = group.x * LANES + lane;
  let start = group.y * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  let first = group.z * dims.length + start;
  return Place(
    min(row, dims.rows - 1u), row < dims.rows, lane, part, first, steps,
    group.x * LANES * dims.groupB / dims.rows, group.x * LANES * dims.groupC / dims.rows,
  );
}

/// What an invocation loads of a tile: every PARTS-th of its steps, and its share of B and C.
struct Loaded {
#for i in 0..TILE / PARTS
  u${i}: Row,
  delta${i}: Row,
#if APPLY && HAS_Z
  z${i}: Row,
#end
#end
#for i in 0..(TILE * QUADS * PARTS + LANES * PARTS - 1) / (LANES * PARTS)
  b${i}: vec4f,
#if APPLY
  c${i}: vec4f,
#end
#end
}

fn load(place: Place, group: vec3u, local: u32, base: u32) -> Loaded {
  var loaded: Loaded;
  let last = place.steps - 1u;
#for i in 0..TILE / PARTS
  {
    let k = min(base + ${i * PARTS}u + place.part, last);
    let at = (place.first + k) * dims.rows + place.row;
    loaded.u${i} = u[at];
    loaded.delta${i} = delta[at];
#if APPLY && HAS_Z
    loaded.z${i} = z[at];
#end
  }
#end
#for i in 0..(TILE * QUADS * PARTS + LANES * PARTS - 1) / (LANES * PARTS)
  {
    let quad = local + ${i}u * INVOCATIONS;
    let k = place.first + min(base + quad / WIDTH, last);
    loaded.b${i} = B[(k * dims.groupB + place.ownerOfB) * WIDTH + quad % WIDTH];
#if APPLY
    loaded.c${i} = C[(k * dims.groupC + place.ownerOfC) * WIDTH + quad % WIDTH];
#end
  }
#end
  return loaded;
}

@compute @workgroup_size(INVOCATIONS)
#if APPLY
fn apply_chunks(
#else
fn reduce_chunks(
#end
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, local);
  let quads = place.part * QUADS;
#for f in 0..FEATURES
#for v in 0..QUADS
  let a${f}_${v} = LOG2_E * A[(place.row * FEATURES + ${f}u) * WIDTH + quads + ${v}u];
  var x${f}_${v} = vec4f();
#end
#end
  let carried = (group.z * dims.rows + place.row) * FEATURES * WIDTH + quads;
#if APPLY && HAS_X0 && !CHUNKED
#for f in 0..FEATURES
#for v in 0..QUADS
  x${f}_${v} = x0[carried + ${f}u * WIDTH + ${v}u];
#end
#end
#end
#if APPLY && CHUNKED
  let entered = ((group.z * dims.chunks + group.y) * dims.rows + place.row) * FEATURES * WIDTH;
#for f in 0..FEATURES
#for v in 0..QUADS
  x${f}_${v} = starts[entered + ${f}u * WIDTH + quads + ${v}u];
#end
#end
#end
#if HAS_BIAS
  let bias = deltaBias[place.row];
#end
#if APPLY && HAS_D
  let skip = D[place.row];
#end
#if !APPLY
  var span = Row();
#end
  var next = load(place, group, local, 0u);
  for (var base = 0u; base < place.steps; base += TILE) {
    let now = next;
#for i in 0..TILE / PARTS
    var dt${i} = now.delta${i};
#if HAS_BIAS
    dt${i} += bias;
#end
#if SOFTPLUS
    dt${i} = softplusOf(dt${i});
#end
    dt${i} = select(Row(), dt${i}, base + ${i * PARTS}u + place.part < place.steps);
#if PARTS > 1
    tileStep[${i * PARTS}u + place.part][place.lane] = stepOf(dt${i}, dt${i} * now.u${i});
#else
    let drive${i} = dt${i} * now.u${i};
#end
#end
#for i in 0..(TILE * QUADS * PARTS + LANES * PARTS - 1) / (LANES * PARTS)
    {
      let quad = local + ${i}u * INVOCATIONS;
      if (quad < ${TILE * QUADS * PARTS}u) {
        tileB[quad / WIDTH][quad % WIDTH] = now.b${i};
#if APPLY
        tileC[quad / WIDTH][quad % WIDTH] = now.c${i};
#end
      }
    }
#end
    workgroupBarrier();
    next = load(place, group, local, base + TILE);
#for l in 0..TILE
#if PARTS > 1
    let step${l} = tileStep[${l}][place.lane];
#else
    let step${l} = stepOf(dt${l}, drive${l});
#end
#if APPLY
    var sum${l} = Row();
#else
    span += dtOf(step${l});
#end
#for v in 0..QUADS
    {
      let b = tileB[${l}][quads + ${v}u];
#for f in 0..FEATURES
      x${f}_${v} = fma(
        exp2(of${f}(dtOf(step${l})) * a${f}_${v}), x${f}_${v}, of${f}(driveOf(step${l})) * b,
      );
#end
#if APPLY
      let c = tileC[${l}][quads + ${v}u];
#if FEATURES == 1
      sum${l} += dot(c, x0_${v});
#else
      sum${l} += Row(dot(c, x0_${v}), dot(c, x1_${v}));
#end
#end
    }
#end
#end
#if APPLY
#for i in 0..TILE / PARTS
#if PARTS == 1
    var out${i} = sum${i};
#end
#if PARTS == 2
    var out${i} = meet2(sum${2 * i}, sum${2 * i + 1}, place.part);
#end
#if PARTS == 4
    var out${i} = meet4(
      sum${4 * i}, sum${4 * i + 1}, sum${4 * i + 2}, sum${4 * i + 3}, place.part,
    );
#end
#if PARTS == 8
    var out${i} = meet8(
      sum${8 * i}, sum${8 * i + 1}, sum${8 * i + 2}, sum${8 * i + 3},
      sum${8 * i + 4}, sum${8 * i + 5}, sum${8 * i + 6}, sum${8 * i + 7}, place.part,
    );
#end
#if HAS_D
    out${i} += skip * now.u${i};
#end
#if HAS_Z
    out${i} *= siluOf(now.z${i});
#end
#end
    // One branch for a whole tile: a branch for each row would have the rows' gates wait in turn.
    let firstRow = (place.first + base + place.part) * dims.rows + place.row;
    if (place.known && base + TILE <= place.steps) {
#for i in 0..TILE / PARTS
      y[firstRow + ${i * PARTS}u * dims.rows] = out${i};
#end
    } else if (place.known) {
#for i in 0..TILE / PARTS
      if (base + ${i * PARTS}u + place.part < place.steps) {
        y[firstRow + ${i * PARTS}u * dims.rows] = out${i};
      }
#end
    }
#end
    workgroupBarrier();
  }
#if APPLY
  if (place.known && group.y + 1u == dims.chunks) {
#for f in 0..FEATURES
#for v in 0..QUADS
    state[carried + ${f}u * WIDTH + ${v}u] = x${f}_${v};
#end
#end
  }
#else
  if (place.known) {
    let chunk = (group.z * dims.chunks + group.y) * dims.rows + place.row;
#for f in 0..FEATURES
#for v in 0..QUADS
    starts[chunk * FEATURES * WIDTH + quads + ${f}u * WIDTH + ${v}u] = x${f}_${v};
#end
#end
    if (place.part == 0u) {
      spans[chunk] = span;
    }
  }
#end
}
