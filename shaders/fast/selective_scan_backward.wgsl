// The way back through a selective scan with real A, the states found again once.
//
// keep_states    every chunk from a zero start (the only chunk from x0): the state before each tile
//                of KEPT steps, and with several chunks the chunk's end state, the sum of its dt,
//                and the gradient's flow out of its start from none at its end. That flow needs no
//                second exponential: it is the sum over k of grad[k] C[k] times the product of the
//                decays up to k
// (then          shared/chunk_carry, there and back: row c of starts becomes the state before
//                chunk c, row c of flows the flow into its end)
// apply_flows    every chunk from its last tile: the tile's states again, in registers, then the
//                flow back through them, and all gradients
//
// Layout of the work, as in fast/selective_scan.wgsl: an invocation holds a Row of FEATURES
// features and QUADS quads of their states, PARTS invocations share a Row's states, LANES Rows make
// a workgroup. Gradients of B and C are sums over features: first those of a Row in registers, then
// over TEAM Rows in a subgroup, each lane keeping a part of the result, then over the teams of a
// workgroup in its memory, and at last over workgroups by another shader.
#import shared/feature_rows

struct Dims {
  batch: u32, length: u32, rows: u32, chunk: u32, chunks: u32, tiles: u32, groupB: u32, groupC: u32
}

@group(0) @binding(0) var<storage, read> u: array<Row>;
@group(0) @binding(1) var<storage, read> delta: array<Row>;
@group(0) @binding(2) var<storage, read> A: array<vec4f>;
@group(0) @binding(3) var<storage, read> B: array<vec4f>;
@group(0) @binding(4) var<storage, read> C: array<vec4f>;
@group(0) @binding(5) var<storage, read> D: array<Row>;
@group(0) @binding(6) var<storage, read> z: array<Row>;
@group(0) @binding(7) var<storage, read> deltaBias: array<Row>;
@group(0) @binding(8) var<storage, read> x0: array<vec4f>;
@group(0) @binding(9) var<storage, read> gradY: array<Row>;
@group(0) @binding(10) var<storage, read> gradState: array<vec4f>;
// The state before each tile of KEPT steps [batch, chunks * tiles, feature, state], and where the
// chunks' starts come later the sum of dt from the chunk's start to there.
@group(0) @binding(11) var<storage, read_write> kept: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> keptSpans: array<Row>;
@group(0) @binding(13) var<storage, read_write> starts: array<vec4f>;
@group(0) @binding(14) var<storage, read_write> flows: array<vec4f>;
@group(0) @binding(15) var<storage, read_write> spans: array<Row>;
@group(0) @binding(16) var<storage, read_write> gradU: array<Row>;
@group(0) @binding(17) var<storage, read_write> gradDelta: array<Row>;
@group(0) @binding(18) var<storage, read_write> gradZ: array<Row>;
@group(0) @binding(19) var<storage, read_write> gradX0: array<vec4f>;
// A row for each chunk of each batch: sums over its steps.
@group(0) @binding(20) var<storage, read_write> sumsOfA: array<vec4f>;
@group(0) @binding(21) var<storage, read_write> sumsOfD: array<Row>;
@group(0) @binding(22) var<storage, read_write> sumsOfBias: array<Row>;
// A row for each workgroup's features in their group: [batch, length, group, state].
@group(0) @binding(23) var<storage, read_write> sharesOfB: array<f32>;
@group(0) @binding(24) var<storage, read_write> sharesOfC: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

const INVOCATIONS = ${LANES * PARTS}u;
/// Quads of all states of a feature: of a row of A, B or C.
const WIDTH = ${QUADS * PARTS}u;
const LOG2_E = 1.4426950408889634;
const LN_2 = 0.6931471805599453;

var<workgroup> tileStep: array<array<Step, LANES>, TILE>;
#if FLOWS
var<workgroup> tileGrad: array<array<Row, LANES>, TILE>;
var<workgroup> tileC: array<array<vec4f, ${QUADS * PARTS}>, TILE>;
#end
var<workgroup> tileB: array<array<vec4f, ${QUADS * PARTS}>, TILE>;

/// Where an invocation stands: its Row among those of a step, its share of the states.
struct Place {
  row: u32, known: bool, lane: u32, part: u32, first: u32, steps: u32, ownerOfB: u32, ownerOfC: u32
}

fn placeOf(group: vec3u, local: u32) -> Place {
  // The parts of a Row side by side: they meet in one subgroup.
  let lane = local / PARTS;
  let row = group.x * LANES + lane;
  let start = group.y * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  let first = group.z * dims.length + start;
  return Place(
    min(row, dims.rows - 1u), row < dims.rows, lane, local % PARTS, first, steps,
    group.x * LANES * dims.groupB / dims.rows, group.x * LANES * dims.groupC / dims.rows,
  );
}

/// What an invocation loads of a tile: every PARTS-th of its steps, and its share of B and C.
struct Loaded {
#for i in 0..TILE / PARTS
  u${i}: Row,
  delta${i}: Row,
#if FLOWS
  gradY${i}: Row,
#if HAS_Z
  z${i}: Row,
#end
#end
#end
#for i in 0..(TILE * QUADS * PARTS + LANES * PARTS - 1) / (LANES * PARTS)
  b${i}: vec4f,
#if FLOWS
  c${i}: vec4f,
#end
#end
#if APPLY
#for f in 0..FEATURES
#for v in 0..QUADS
  x${f}_${v}: vec4f,
#end
#end
#if CHUNKED
  span: Row,
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
#if FLOWS
    loaded.gradY${i} = gradY[at];
#if HAS_Z
    loaded.z${i} = z[at];
#end
#end
  }
#end
#for i in 0..(TILE * QUADS * PARTS + LANES * PARTS - 1) / (LANES * PARTS)
  {
    let quad = local + ${i}u * INVOCATIONS;
    let k = place.first + min(base + quad / WIDTH, last);
    loaded.b${i} = B[(k * dims.groupB + place.ownerOfB) * WIDTH + quad % WIDTH];
#if FLOWS
    loaded.c${i} = C[(k * dims.groupC + place.ownerOfC) * WIDTH + quad % WIDTH];
#end
  }
#end
#if APPLY
  let tile = (group.z * dims.chunks + group.y) * dims.tiles + base / KEPT;
  let keptRow = tile * dims.rows + place.row;
#for f in 0..FEATURES
#for v in 0..QUADS
  loaded.x${f}_${v} =
    kept[(keptRow * FEATURES + ${f}u) * WIDTH + place.part * QUADS + ${v}u];
#end
#end
#if CHUNKED
  loaded.span = keptSpans[keptRow];
#end
#end
  return loaded;
}

fn stageQuads(local: u32, now: Loaded) {
#for i in 0..(TILE * QUADS * PARTS + LANES * PARTS - 1) / (LANES * PARTS)
  {
    let quad = local + ${i}u * INVOCATIONS;
    if (quad < ${TILE * QUADS * PARTS}u) {
      tileB[quad / WIDTH][quad % WIDTH] = now.b${i};
#if FLOWS
      tileC[quad / WIDTH][quad % WIDTH] = now.c${i};
#end
    }
  }
#end
}

#if !APPLY
#import shared/scan_kept_states
#end

#if APPLY
#import shared/scan_team_shares

fn storeRow(at: u32, ofU: Row, ofDelta: Row, ofZ: Row) {
  gradU[at] = ofU;
  gradDelta[at] = ofDelta;
#if HAS_Z
  gradZ[at] = ofZ;
#end
}

/// The sum over the parts of a Row, in each of them.
fn overParts(value: Row) -> Row {
  var sum = value;
#if PARTS >= 2
  sum += subgroupShuffleXor(sum, 1u);
#end
#if PARTS >= 4
  sum += subgroupShuffleXor(sum, 2u);
#end
#if PARTS >= 8
  sum += subgroupShuffleXor(sum, 4u);
#end
  return sum;
}

@compute @workgroup_size(INVOCATIONS)
fn apply_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, local);
  let quads = place.part * QUADS;
  let bank = place.row * FEATURES * WIDTH + quads;
  let width = dims.rows * FEATURES * WIDTH;
  let chunk = group.z * dims.chunks + group.y;
#for f in 0..FEATURES
#for v in 0..QUADS
  let a${f}_${v} = LOG2_E * A[bank + ${f}u * WIDTH + ${v}u];
#if CHUNKED
  let start${f}_${v} = starts[chunk * width + bank + ${f}u * WIDTH + ${v}u];
  var flow${f}_${v} = flows[chunk * width + bank + ${f}u * WIDTH + ${v}u];
#else
  var flow${f}_${v} = gradState[group.z * width + bank + ${f}u * WIDTH + ${v}u];
#end
  // A Row past the last repeats it and must not count.
  flow${f}_${v} = select(vec4f(), flow${f}_${v}, place.known);
  var sumA${f}_${v} = vec4f();
#end
#end
#if HAS_BIAS
  let bias = deltaBias[place.row];
#end
#if HAS_D
  let skip = D[place.row];
#end
  var sumD = Row();
  var sumBias = Row();
  let rowOfB = shareRow(place, group.x, place.ownerOfB, dims.groupB);
  let rowOfC = shareRow(place, group.x, place.ownerOfC, dims.groupC);
  let tiles = (place.steps + TILE - 1u) / TILE;
  var next = load(place, group, local, (tiles - 1u) * TILE);
  for (var turn = 0u; turn < tiles; turn++) {
    let tile = tiles - 1u - turn;
    let base = tile * TILE;
    let now = next;
#for i in 0..TILE / PARTS
    let inside${i} = place.known && base + ${i * PARTS}u + place.part < place.steps;
    var dt${i} = now.delta${i};
#if HAS_BIAS
    dt${i} += bias;
#end
#if SOFTPLUS
    let slope${i} = softplusSlopeOf(dt${i});
    dt${i} = softplusOf(dt${i});
#end
    dt${i} = select(Row(), dt${i}, inside${i});
    var grad${i} = now.gradY${i};
#if HAS_Z
    let slopeOfZ${i} = grad${i} * siluSlopeOf(now.z${i});
    grad${i} *= siluOf(now.z${i});
#end
    grad${i} = select(Row(), grad${i}, inside${i});
    tileStep[${i * PARTS}u + place.part][place.lane] = stepOf(dt${i}, dt${i} * now.u${i});
    tileGrad[${i * PARTS}u + place.part][place.lane] = grad${i};
#end
    stageQuads(local, now);
    workgroupBarrier();
    next = load(place, group, local, select(base - TILE, 0u, tile == 0u));
    // The tile's states again, before and after each step.
#for l in 0..TILE
    let step${l} = tileStep[${l}][place.lane];
#for v in 0..QUADS
    let b${l}_${v} = tileB[${l}][quads + ${v}u];
#for f in 0..FEATURES
#if l == 0
#if CHUNKED
    let before${l}_${f}_${v} =
      fma(exp2(of${f}(now.span) * a${f}_${v}), start${f}_${v}, now.x${f}_${v});
#else
    let before${l}_${f}_${v} = now.x${f}_${v};
#end
#else
    let before${l}_${f}_${v} = after${l - 1}_${f}_${v};
#end
    let decay${l}_${f}_${v} = exp2(of${f}(dtOf(step${l})) * a${f}_${v});
    let after${l}_${f}_${v} =
      fma(decay${l}_${f}_${v}, before${l}_${f}_${v}, of${f}(driveOf(step${l})) * b${l}_${v});
#end
#end
#end
#for i in 0..TILE / PARTS
    var ofU${i} = Row();
    var ofDelta${i} = Row();
    var ofZ${i} = Row();
#end
#for i in 0..TILE / PARTS
    // Back through PARTS steps, from the last.
#for p in 0..PARTS
#for l in TILE - 1 - i * PARTS - p..TILE - i * PARTS - p
    var input${l} = Row();
    var power${l} = Row();
    var y${l} = Row();
    {
      let grad = tileGrad[${l}][place.lane];
#for v in 0..QUADS
      let c${v} = tileC[${l}][quads + ${v}u];
      var ofB${v} = vec4f();
      var ofC${v} = vec4f();
#for f in 0..FEATURES
      flow${f}_${v} = fma(vec4f(of${f}(grad)), c${v}, flow${f}_${v});
      let input${f}_${v} = dot(b${l}_${v}, flow${f}_${v});
      ofB${v} = fma(vec4f(of${f}(driveOf(step${l}))), flow${f}_${v}, ofB${v});
      ofC${v} = fma(vec4f(of${f}(grad)), after${l}_${f}_${v}, ofC${v});
      let y${f}_${v} = dot(c${v}, after${l}_${f}_${v});
      flow${f}_${v} *= decay${l}_${f}_${v};
      let ofPower${f}_${v} = flow${f}_${v} * before${l}_${f}_${v};
      let power${f}_${v} = dot(a${f}_${v}, ofPower${f}_${v});
      sumA${f}_${v} = fma(vec4f(of${f}(dtOf(step${l}))), ofPower${f}_${v}, sumA${f}_${v});
#end
#if FEATURES == 1
      input${l} += input0_${v};
      power${l} += power0_${v};
      y${l} += y0_${v};
#else
      input${l} += Row(input0_${v}, input1_${v});
      power${l} += Row(power0_${v}, power1_${v});
      y${l} += Row(y0_${v}, y1_${v});
#end
      shareQuads(place, ${l}u, quads + ${v}u, ofB${v}, ofC${v});
#end
    }
#end
#end
    {
#if PARTS == 1
      let input = input${TILE - 1 - i};
      let power = LN_2 * power${TILE - 1 - i};
      var y = y${TILE - 1 - i};
#end
#if PARTS == 2
      let input = meet2(input${TILE - 2 - 2 * i}, input${TILE - 1 - 2 * i}, place.part);
      let power = LN_2 * meet2(power${TILE - 2 - 2 * i}, power${TILE - 1 - 2 * i}, place.part);
      var y = meet2(y${TILE - 2 - 2 * i}, y${TILE - 1 - 2 * i}, place.part);
#end
#if PARTS == 4
      let input = meet4(
        input${TILE - 4 - 4 * i}, input${TILE - 3 - 4 * i},
        input${TILE - 2 - 4 * i}, input${TILE - 1 - 4 * i}, place.part,
      );
      let power = LN_2 * meet4(
        power${TILE - 4 - 4 * i}, power${TILE - 3 - 4 * i},
        power${TILE - 2 - 4 * i}, power${TILE - 1 - 4 * i}, place.part,
      );
      var y = meet4(
        y${TILE - 4 - 4 * i}, y${TILE - 3 - 4 * i},
        y${TILE - 2 - 4 * i}, y${TILE - 1 - 4 * i}, place.part,
      );
#end
#if PARTS == 8
      let input = meet8(
        input${TILE - 8 - 8 * i}, input${TILE - 7 - 8 * i},
        input${TILE - 6 - 8 * i}, input${TILE - 5 - 8 * i},
        input${TILE - 4 - 8 * i}, input${TILE - 3 - 8 * i},
        input${TILE - 2 - 8 * i}, input${TILE - 1 - 8 * i}, place.part,
      );
      let power = LN_2 * meet8(
        power${TILE - 8 - 8 * i}, power${TILE - 7 - 8 * i},
        power${TILE - 6 - 8 * i}, power${TILE - 5 - 8 * i},
        power${TILE - 4 - 8 * i}, power${TILE - 3 - 8 * i},
        power${TILE - 2 - 8 * i}, power${TILE - 1 - 8 * i}, place.part,
      );
      var y = meet8(
        y${TILE - 8 - 8 * i}, y${TILE - 7 - 8 * i}, y${TILE - 6 - 8 * i}, y${TILE - 5 - 8 * i},
        y${TILE - 4 - 8 * i}, y${TILE - 3 - 8 * i}, y${TILE - 2 - 8 * i}, y${TILE - 1 - 8 * i},
        place.part,
      );
#end
      // The step whose sums this invocation holds is one that it loaded.
#for r in TILE / PARTS - 1 - i..TILE / PARTS - i
      ofDelta${r} = power + now.u${r} * input;
#if SOFTPLUS
      ofDelta${r} *= slope${r};
#end
      ofDelta${r} = select(Row(), ofDelta${r}, inside${r});
      ofU${r} = dt${r} * input;
#if HAS_D
      ofU${r} += skip * grad${r};
      y += skip * now.u${r};
      sumD += grad${r} * now.u${r};
#end
#if HAS_BIAS
      sumBias += ofDelta${r};
#end
#if HAS_Z
      ofZ${r} = slopeOfZ${r} * y;
#end
#end
    }
#end
    // One branch for a whole tile: a branch for each row would have the rows wait in turn.
    let firstRow = (place.first + base + place.part) * dims.rows + place.row;
    if (place.known && base + TILE <= place.steps) {
#for i in 0..TILE / PARTS
      storeRow(firstRow + ${i * PARTS}u * dims.rows, ofU${i}, ofDelta${i}, ofZ${i});
#end
    } else if (place.known) {
#for i in 0..TILE / PARTS
      if (inside${i}) {
        storeRow(firstRow + ${i * PARTS}u * dims.rows, ofU${i}, ofDelta${i}, ofZ${i});
      }
#end
    }
    workgroupBarrier();
    writeShares(place, local, base, rowOfB, rowOfC);
  }
  if (place.known) {
#for f in 0..FEATURES
#for v in 0..QUADS
    sumsOfA[chunk * width + bank + ${f}u * WIDTH + ${v}u] = sumA${f}_${v};
#if HAS_X0
    if (group.y == 0u) {
      gradX0[group.z * width + bank + ${f}u * WIDTH + ${v}u] = flow${f}_${v};
    }
#end
#end
#end
  }
#if HAS_D
  let ofD = overParts(sumD);
  if (place.known && place.part == 0u) {
    sumsOfD[chunk * dims.rows + place.row] = ofD;
  }
#end
#if HAS_BIAS
  let ofBias = overParts(sumBias);
  if (place.known && place.part == 0u) {
    sumsOfBias[chunk * dims.rows + place.row] = ofBias;
  }
#end
}
#end
