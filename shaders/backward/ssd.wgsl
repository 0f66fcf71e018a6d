// Gradients of state-space duality (Mamba-2) in chunks of the length, as matrix products.
//
// With g = gradY, a the logarithm of a decay, w the weight of an input and s the sums of a (see
// ssd.wgsl), the gradient of the state x[k] is f[k] = g[k] C[k]^T + exp(a[k+1]) f[k+1]. For a chunk
// of which `before` is the state before it and `after` the gradient that comes from behind, with
// L[i, j] = exp(s[i] - s[j]) for j <= i, and S the sum of a over the chunk:
//
//   gradB[j] = w[j] exp(S - s[j]) after^T u[j] + sum over i of W[i, j] C[i]
//   gradC[i] =          exp(s[i]) before^T g[i] + sum over j of W[i, j] B[j]
//
// each summed over the heads of a group, where W is such a sum already: of L[i, j] w[j] g[i].u[j].
// The passes of ssd.wgsl give `before`, `after` and gradU, and of the products of samples with what
// the carried states add to them
//
//   ofBefore[i] = exp(s[i]) g[i].before C[i]        ofAfter[j] = exp(S - s[j]) u[j].after B[j]
//
// The gradient of a[k] is a sum over all pairs that have k between them: with the shares
// h[i, j] = L[i, j] (C[i].B[j]) (g[i].u[j])
//
//   ofLog[k] = exp(S) after.before + sum over j < k of w[j] ofAfter[j]
//            + sum over i >= k of (ofBefore[i] + sum over j < k of w[j] h[i, j])
//
// Differences of sums along rows and columns of w[j] h[i, j] would give the last sum with fewer
// terms; where decays are strong, little would be left of them but rounding.
//
// pair_samples  W, and the sums of h along both sides
// reach_rows    gradB; with OF_C gradC
// reach_steps   gradDelta, and the chunk's shares of the gradients of A and D
#import shared/register_tile
#import shared/row_sum
#import shared/ssd_chunk

/// u, and gradY; reach_rows takes gradY for u where it gives gradC.
@group(0) @binding(0) var<storage, read> samples0: array<Row>;
@group(0) @binding(1) var<storage, read> samples1: array<Row>;
/// C, or B where reach_rows gives gradC; the second is not read.
@group(0) @binding(2) var<storage, read> rows0: array<Row>;
@group(0) @binding(15) var<storage, read> rows1: array<Row>;
@group(0) @binding(3) var<storage, read> rate: array<vec4f>;
/// C[i].B[j] as [batch, chunk, group, i, j].
@group(0) @binding(4) var<storage, read> pairs: array<vec4f>;
/// W, of the same form.
@group(0) @binding(5) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(6) var<storage, read> weighed: array<vec4f>;
/// Planes of [batch, chunk, head, CHUNK]: h[k, k]; g.u; for every tile of columns the sums over its
/// j < k of w[j] h[k, j]; then for every tile of rows the sums over its i > k of h[i, k], and those
/// over its i >= k and the j < k of k's own tile of columns of w[j] h[i, j].
@group(0) @binding(7) var<storage, read_write> steps: array<f32>;
/// Blocks of states: see `ends` of ssd.wgsl.
@group(0) @binding(8) var<storage, read> befores: array<vec4f>;
@group(0) @binding(9) var<storage, read> afters: array<vec4f>;
@group(0) @binding(10) var<storage, read_write> rows: array<f32>;
/// [part of the features, batch, chunk, head, CHUNK].
@group(0) @binding(11) var<storage, read> ofBefore: array<f32>;
@group(0) @binding(12) var<storage, read> ofAfter: array<f32>;
@group(0) @binding(13) var<storage, read_write> gradDelta: array<f32>;
/// A row for each batch and chunk: the heads' shares of gradA, then of gradD.
@group(0) @binding(14) var<storage, read_write> sums: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Columns of a tile of W, and how many of them there are side by side.
const PAIR_SIDE = 32u;
const PAIR_PARTS = CHUNK / PAIR_SIDE;
/// Planes of `steps`.
const OF_SELF = 0u;
const OF_SKIP = 1u;
const ALONG_ROWS = 2u;
const ALONG_COLUMNS = ALONG_ROWS + PAIR_PARTS;
const BETWEEN = ALONG_COLUMNS + SAMPLE_PARTS;

/// For reach_steps: ofBefore and the sums over the tiles of columns before each, and ofAfter.
var<workgroup> ahead: array<array<f32, CHUNK>, PAIR_PARTS>;
var<workgroup> behind: array<f32, CHUNK>;

/// Where the number of a sample lies in a plane of `steps`, `ofBefore` or `ofAfter`.
fn stepAt(plane: u32, place: Place, k: u32) -> u32 {
  return (plane * dims.batch * dims.chunks * dims.head + place.index) * CHUNK + k;
}

/// Slots of both sides of g.u: features are the terms.
fn fetchPairs(place: Place, local: u32, first: u32, row: u32, column: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
    let slot = leftSlotTurned(local, ${i}u);
    staged.left${i} = featuresOf1(place, row + slot.y, first / 4u + slot.x);
  }
#end
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlotTurned(local, ${i}u);
    staged.right${i} = featuresOf0(place, column + slot.y, first / 4u + slot.x);
  }
#end
  return staged;
}

@compute @workgroup_size(GROUP)
fn pair_samples(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = workgroup.x % SAMPLE_PARTS * ROWS;
  let part = workgroup.x / SAMPLE_PARTS % PAIR_PARTS;
  let chunk = workgroup.x / (SAMPLE_PARTS * PAIR_PARTS);
  let perGroup = dims.head / dims.group;
  let block = (workgroup.z * dims.chunks + chunk) * dims.group + workgroup.y;
  let ownRow = row + local / 32u * 32u;
  let lane = local % 8u;
  // An invocation's columns, and the same as places of `own`.
  let first = part * PAIR_SIDE + 4u * lane;
  let columns = first + vec4u(0u, 1u, 2u, 3u);
  var total = Tile();
  var scores = Tile();
#for r in 0..8
  if (row + ROWS > part * PAIR_SIDE) {
    let i = row + rowOfTile(local, ${r}u);
    scores.at${r}_0 = pairs[(block * CHUNK + i) * (CHUNK / 4u) + first / 4u];
  }
#end
  for (var h = 0u; h < perGroup; h++) {
    let place = placeOf(workgroup.z, chunk, workgroup.y * perGroup + h);
    var tile = Tile();
    var staged = fetchPairs(place, local, 0u, row, part * PAIR_SIDE);
#for i in 0..CHUNK / ROWS
    let rates${i} = rate[place.index * RATES + local + ${i}u * ROWS];
#end
    for (var top = 0u; top < dims.feature; top += STEPS) {
      workgroupBarrier();
      if (top == 0u) {
#for i in 0..CHUNK / ROWS
        own[local + ${i}u * ROWS] = rates${i};
#end
      }
      keepLeftTurned(local, staged);
      keepRightTurned(local, staged);
      workgroupBarrier();
      if (top + STEPS < dims.feature) {
        staged = fetchPairs(place, local, top + STEPS, row, part * PAIR_SIDE);
      }
      if (ownRow + 32u > part * PAIR_SIDE) {
        addStaged(local, &tile);
      }
    }
    let of0 = own[first];
    let of1 = own[first + 1u];
    let of2 = own[first + 2u];
    let of3 = own[first + 3u];
    let coarse = vec4f(of0.x, of1.x, of2.x, of3.x);
    let fine = vec4f(of0.y, of1.y, of2.y, of3.y);
    let weight = vec4f(of0.z, of1.z, of2.z, of3.z);
    // Sums along the columns of an invocation, row by row, and along its rows.
    var along0 = vec4f();
    var along1 = vec4f();
    var down = vec4f();
#for r in 0..8
    {
      let i = row + rowOfTile(local, ${r}u);
      let decay = exp((own[i].x - coarse) + (own[i].y - fine));
      let product = select(vec4f(), decay * tile.at${r}_0, columns <= vec4u(i));
      total.at${r}_0 += weight * product;
      let share = product * scores.at${r}_0;
#for q in 0..4
      if (first + ${q}u == i) {
        steps[stepAt(OF_SELF, place, i)] = share[${q}];
        steps[stepAt(OF_SKIP, place, i)] = product[${q}];
      }
#end
      let apart = select(vec4f(), share, columns < vec4u(i));
      down += apart;
      tile.at${r}_0 = weight * apart;
      along${r / 4}[${r % 4}] = dot(weight, apart);
    }
#end
    workgroupBarrier();
    // The staged sides have been read, and their place is free.
    left[lane][rowOfTile(local, 0u) / 4u] = along0;
    left[lane][rowOfTile(local, 4u) / 4u] = along1;
    left[8u + lane][local / 8u] = down;
    workgroupBarrier();
    // Sums over the columns before, those of other invocations first.
    var before0 = vec4f();
    var before1 = vec4f();
#for l in 0..7
    before0 += select(vec4f(), left[${l}][rowOfTile(local, 0u) / 4u], ${l}u < lane);
    before1 += select(vec4f(), left[${l}][rowOfTile(local, 4u) / 4u], ${l}u < lane);
#end
    var between = vec4f();
#for r in 0..8
    {
      let i = row + rowOfTile(local, ${r}u);
      let x = before${r / 4}[${r % 4}];
      let y = x + tile.at${r}_0.x;
      let z = y + tile.at${r}_0.y;
      let before = vec4f(x, y, z, z + tile.at${r}_0.z);
      between += select(vec4f(), before, columns <= vec4u(i));
    }
#end
    right[local / 8u][lane] = between;
    workgroupBarrier();
    var along = 0.0;
#for l in 0..8
    along += left[${l}][local / 4u][local % 4u];
#end
    steps[stepAt(ALONG_ROWS + part, place, row + local)] = along;
    if (local < PAIR_SIDE) {
      var ofColumn = 0.0;
      var ofBetween = 0.0;
      for (var t = 0u; t < ROWS / 8u; t++) {
        ofColumn += left[8u + local / 4u][t][local % 4u];
        ofBetween += right[t][local / 4u][local % 4u];
      }
      let k = part * PAIR_SIDE + local;
      steps[stepAt(ALONG_COLUMNS + workgroup.x % SAMPLE_PARTS, place, k)] = ofColumn;
      steps[stepAt(BETWEEN + workgroup.x % SAMPLE_PARTS, place, k)] = ofBetween;
    }
  }
#for r in 0..8
  {
    let i = row + rowOfTile(local, ${r}u);
    weights[(block * CHUNK + i) * (CHUNK / 4u) + first / 4u] = total.at${r}_0;
  }
#end
}

/// What is left of the samples of an invocation's left slots at the end of the chunk, or since its
/// start, for one head: factors of which fetchScales brings the parts.
struct Scales {
#for i in 0..STEPS / 4
  at${i}: vec2f,
#end
}

fn fetchScales(place: Place, local: u32, row: u32) -> Scales {
  var scales = Scales();
#for i in 0..STEPS / 4
  {
    let here = rate[place.index * RATES + row + leftSlotTurned(local, ${i}u).y];
#if OF_C
    scales.at${i} = here.xy;
#else
    scales.at${i} = here.zw;
#end
  }
#end
  return scales;
}

/// Slots of both sides of what the states give to the rows, of one head: features are the terms.
fn fetchFar(place: Place, local: u32, first: u32, row: u32, column: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
    let slot = leftSlotTurned(local, ${i}u);
    staged.left${i} = featuresOf0(place, row + slot.y, first / 4u + slot.x);
  }
#end
#for i in 0..8 * VECTORS * STEPS / ROWS
  staged.right${i} = stateOf(place.index, rightSlotTurned(local, ${i}u), first, column);
#end
  return staged;
}

/// Four features of a state of a block; 0 past the last of either.
fn stateOf(index: u32, slot: vec2u, first: u32, column: u32) -> vec4f {
  let four = first / 4u + slot.x;
  if (column + slot.y < dims.states && four < dims.fours) {
    return befores[index * blockSize() + (column + slot.y) * dims.fours + four];
  }
  return vec4f();
}

#if HAS_RUNS
/// The right slots of the state before the run of the chunk, and what is left of it at the chunk.
struct Carried {
  lead: f32,
#for i in 0..8 * VECTORS * STEPS / ROWS
  right${i}: vec4f,
#end
}

fn fetchCarried(place: Place, local: u32, first: u32, column: u32) -> Carried {
  let run = runAt(place.batch, place.chunk / dims.chunksOfRun, place.head);
  var carried = Carried();
  carried.lead = befores[(place.index + 1u) * blockSize() - 1u].x;
#for i in 0..8 * VECTORS * STEPS / ROWS
  carried.right${i} = stateOf(run, rightSlotTurned(local, ${i}u), first, column);
#end
  return carried;
}
#end

/// Scales the left slots.
fn scaleLeft(staged: ptr<function, Staged>, scales: Scales) {
#for i in 0..STEPS / 4
#if OF_C
  (*staged).left${i} *= exp(scales.at${i}.x + scales.at${i}.y);
#else
  (*staged).left${i} *= scales.at${i}.x * scales.at${i}.y;
#end
#end
}

/// Slots of both sides of what the chunk's samples give: the samples are the terms.
fn fetchNear(place: Place, local: u32, first: u32, row: u32, column: u32) -> Staged {
  var staged = Staged();
#for i in 0..STEPS / 4
  {
#if OF_C
    let slot = leftSlotTurned(local, ${i}u);
    let at = (place.group * CHUNK + row + slot.y) * (CHUNK / 4u) + first / 4u + slot.x;
#else
    let slot = leftSlot(local, ${i}u);
    let at = (place.group * CHUNK + first + slot.x) * (CHUNK / 4u) + row / 4u + slot.y;
#end
    staged.left${i} = weighed[at];
  }
#end
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlot(local, ${i}u);
    staged.right${i} = statesOf0(place, first + slot.x, column / 4u + slot.y);
  }
#end
  return staged;
}

@compute @workgroup_size(GROUP)
fn reach_rows(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = workgroup.x % SAMPLE_PARTS * ROWS;
  let column = workgroup.x / SAMPLE_PARTS % dims.stateParts * COLUMNS;
  let chunk = workgroup.x / (SAMPLE_PARTS * dims.stateParts);
  let perGroup = dims.head / dims.group;
  let head = workgroup.y * perGroup;
  let ownPlace = placeOf(workgroup.z, chunk, head);
  // The features of a head in whole stages.
  let features = (dims.feature + STEPS - 1u) / STEPS * STEPS;
#if OF_C
  let start = 0u;
  let end = min(ownPlace.count, row + ROWS);
#else
  let start = row;
  let end = max(ownPlace.count, row);
#end
  let ownRow = row + local / 32u * 32u;
  let far = perGroup * features;
  var tile = Tile();
  var scales = fetchScales(ownPlace, local, row);
  var staged = fetchFar(ownPlace, local, 0u, row, column);
#if HAS_RUNS
  var carried = fetchCarried(ownPlace, local, 0u, column);
#end
  for (var first = 0u; first < far + end - start; first += STEPS) {
    workgroupBarrier();
    if (first < far) {
      scaleLeft(&staged, scales);
#if HAS_RUNS
#for i in 0..8 * VECTORS * STEPS / ROWS
      staged.right${i} += carried.lead * carried.right${i};
#end
#end
      keepLeftTurned(local, staged);
      keepRightTurned(local, staged);
    } else {
#if OF_C
      keepLeftTurned(local, staged);
#else
      keepLeft(local, staged);
#end
      keepRight(local, staged);
    }
    workgroupBarrier();
    let next = first + STEPS;
    if (next < far) {
      let place = placeOf(workgroup.z, chunk, head + next / features);
      staged = fetchFar(place, local, next % features, row, column);
      if (next % features == 0u) {
        scales = fetchScales(place, local, row);
      }
#if HAS_RUNS
      carried = fetchCarried(place, local, next % features, column);
#end
    } else if (next < far + end - start) {
      staged = fetchNear(ownPlace, local, start + next - far, row, column);
    }
    // W is 0 for samples on the other side of the diagonal.
#if OF_C
    if (first < far || start + first - far < ownRow + 32u) {
#else
    if (first < far || start + next - far > ownRow) {
#end
      addStaged(local, &tile);
    }
  }
  let group = dims.group;
#for r in 0..8
  {
    let k = row + rowOfTile(local, ${r}u);
    let at = (workgroup.z * dims.length + chunk * CHUNK + k) * group + workgroup.y;
#for v in 0..VECTORS
#for q in 0..4
    {
      let n = column + 4u * fourOfTile(local, ${v}u) + ${q}u;
      if (k < ownPlace.count && n < dims.state) {
        rows[at * dims.state + n] = tile.at${r}_${v}[${q}];
      }
    }
#end
#end
  }
#end
}

@compute @workgroup_size(GROUP)
fn reach_steps(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(workgroup.z, workgroup.x, workgroup.y);
  let size = blockSize();
  let run = runAt(place.batch, place.chunk / dims.chunksOfRun, place.head);
  let leadOfBefore = befores[(place.index + 1u) * size - 1u].x;
  let leadOfAfter = afters[(place.index + 1u) * size - 1u].x;
  stageRates(place, local, GROUP);
  var product = vec4f();
  for (var e = local; e < size - 1u; e += GROUP) {
    var before = befores[place.index * size + e];
    if (leadOfBefore != 0.0) {
      before += leadOfBefore * befores[run * size + e];
    }
    var after = afters[place.index * size + e];
    if (leadOfAfter != 0.0) {
      after += leadOfAfter * afters[run * size + e];
    }
    product += before * after;
  }
  let whole = rate[place.index * RATES + CHUNK];
  // What passes through the whole chunk.
  let through = exp(whole.x) * rowSum(local, product.x + product.y + product.z + product.w);
  for (var k = local; k < CHUNK; k += GROUP) {
    var sum = 0.0;
    var fromAfter = 0.0;
    for (var part = 0u; part < dims.featureParts; part++) {
      sum += ofBefore[stepAt(part, place, k)];
      fromAfter += ofAfter[stepAt(part, place, k)];
    }
    for (var part = 0u; part < PAIR_PARTS; part++) {
      ahead[part][k] = sum;
      sum += steps[stepAt(ALONG_ROWS + part, place, k)];
    }
    behind[k] = fromAfter;
  }
  workgroupBarrier();
  var ofA = 0.0;
  var ofD = 0.0;
  for (var k = local; k < place.count; k += GROUP) {
    var ofLog = through;
    for (var i = k; i < place.count; i++) {
      ofLog += ahead[k / PAIR_SIDE][i];
    }
    for (var j = 0u; j < k; j++) {
      ofLog += own[j].z * behind[j];
    }
    for (var part = 0u; part < SAMPLE_PARTS; part++) {
      ofLog += steps[stepAt(BETWEEN + part, place, k)];
    }
    var ofWeight = steps[stepAt(OF_SELF, place, k)] + behind[k];
    for (var part = 0u; part < SAMPLE_PARTS; part++) {
      ofWeight += steps[stepAt(ALONG_COLUMNS + part, place, k)];
    }
#if HAS_A
    gradDelta[sampleAt(place, k)] = whole.z * ofLog + ofWeight;
#else
    gradDelta[sampleAt(place, k)] = ofLog;
#end
    ofA += own[k].z * ofLog;
    ofD += steps[stepAt(OF_SKIP, place, k)];
  }
#if HAS_A || HAS_D
  let row = (workgroup.z * dims.chunks + workgroup.x) * 2u * dims.head + place.head;
  let totalA = rowSum(local, ofA);
  let totalD = rowSum(local, ofD);
  if (local == 0u) {
    sums[row] = totalA;
    sums[row + dims.head] = totalD;
  }
#end
}
