// Products of a tile of queries and one of keys, for attention and its way back. A workgroup holds
// one tile, the left side of its products, and walks over tiles of the other kind. The shader that
// imports this declares `dims`, `q` and `turns` and gives
//
//   keyAt, valueAt     feature s of a key or value that is there
//   heldOfP, walkedOfP feature s of a sample of either side of product P, for all P < PRODUCTS
//
// A product's left side lies in workgroup memory, four rows a vec4; an invocation takes four rows
// and two columns, LANES apart.

/// Below every finite score.
const LOWEST = -3.4028234e38;
/// Between rows of a staged right side, so that neighbours lie in other banks.
const STRIDE = TILE + 1u;

/// Left side of a product: [term, row], four rows together.
var<workgroup> left: array<vec4f, TILE * ROW_GROUPS>;
/// What a tile of queries and one of keys give, as a left side.
var<workgroup> paired: array<vec4f, TILE * ROW_GROUPS>;
/// Right side of a product: [column, term], or [term, column] where the columns are features.
var<workgroup> right: array<f32, TILE * STRIDE>;

/// Whose tiles they are; `frame` is the first sample of the held one.
struct Spot { batch: u32, head: u32, group: u32, frame: i32 }

/// Four rows of both columns of an invocation.
struct Sums { of0: vec4f, of1: vec4f }

/// Where the row of a query begins, or of its output.
fn queryAt(batch: u32, sample: i32, head: u32) -> u32 {
  return ((batch * dims.length + u32(sample)) * dims.head + head) * SIZE;
}

/// Whether a sample, carried or of this call, is there.
fn isThere(sample: i32) -> bool {
#if HAS_PAST
  return sample >= -i32(dims.past) && sample < i32(dims.length);
#else
  return sample >= 0 && sample < i32(dims.length);
#end
}

#if ROTARY
/// Feature s of R(distance) applied to a row of which `pair` are the features s and s ^ 1.
fn turned(pair: vec2f, distance: i32, s: u32) -> f32 {
  let turn = turns[u32(abs(distance)) * (SIZE / 2u) + s / 2u];
  let sine = select(turn.y, -turn.y, distance < 0);
  return pair.x * turn.x + pair.y * select(-sine, sine, s % 2u == 1u);
}
#end

/// Feature s of a query, turned against the frame; 0 after the last.
fn queryOf(spot: Spot, sample: i32, s: u32) -> f32 {
  if (sample >= i32(dims.length) || s >= SIZE) {
    return 0.0;
  }
  let at = queryAt(spot.batch, sample, spot.head);
#if ROTARY
  return turned(vec2f(q[at + s], q[at + (s ^ 1u)]), sample - spot.frame, s);
#else
  return q[at + s];
#end
}

/// The same of a key.
fn keyOf(spot: Spot, sample: i32, s: u32) -> f32 {
  if (!isThere(sample) || s >= SIZE) {
    return 0.0;
  }
  let feature = keyAt(spot.batch, sample, spot.group, s);
#if ROTARY
  let pair = vec2f(feature, keyAt(spot.batch, sample, spot.group, s ^ 1u));
  return turned(pair, sample - spot.frame, s);
#else
  return feature;
#end
}

fn valueOf(spot: Spot, sample: i32, s: u32) -> f32 {
  if (!isThere(sample) || s >= SIZE) {
    return 0.0;
  }
  return valueAt(spot.batch, sample, spot.group, s);
}

/// First sample of the tile of keys, TILE·n away from the tile of queries, with which a walk over
/// the keys from `oldest` on begins.
fn firstTile(queries: i32, oldest: i32) -> i32 {
  let first = max(queries - i32(dims.past), oldest);
  let tiles = (queries - first + i32(TILE) - 1) / i32(TILE);
  return queries - tiles * i32(TILE);
}

/// Adds the product of the staged sides over their first terms.
fn addStaged(local: u32, terms: u32, start: Sums) -> Sums {
  let r = local / LANES;
  let lane = local % LANES;
  var total = start;
  for (var s = 0u; s < terms; s++) {
    let four = left[s * ROW_GROUPS + r];
    total.of0 += four * right[lane * STRIDE + s];
    total.of1 += four * right[(lane + LANES) * STRIDE + s];
  }
  return total;
}

#for p in 0..PRODUCTS
/// A right side: TILE features from `start` on, of the tile that begins with a sample.
fn stageWalked${p}(spot: Spot, local: u32, tile: i32, start: u32) {
  for (var e = local; e < TILE * TILE; e += GROUP) {
    right[e / TILE * STRIDE + e % TILE] =
      walkedOf${p}(spot, tile + i32(e / TILE), start + e % TILE);
  }
}

/// Product of the held tile with the one that begins with a sample.
fn product${p}(spot: Spot, local: u32, tile: i32) -> Sums {
  var total = Sums();
  for (var start = 0u; start < SIZE; start += TILE) {
    workgroupBarrier();
    for (var e = local; e < TILE * ROW_GROUPS; e += GROUP) {
      var four = vec4f();
      for (var c = 0u; c < 4u; c++) {
        four[c] = heldOf${p}(spot, spot.frame + i32(e / TILE * 4u + c), start + e % TILE);
      }
      left[e % TILE * ROW_GROUPS + e / TILE] = four;
    }
    stageWalked${p}(spot, local, tile, start);
    workgroupBarrier();
    total = addStaged(local, min(TILE, SIZE - start), total);
  }
  return total;
}
#end
