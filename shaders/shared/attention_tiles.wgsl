// What attention and its way back share: whose tile a workgroup holds, how rows are read, and how
// numbers of rows go between neighbours. The shader that imports this, after shared/register_tile,
// declares `dims`, `turns` and `queries0` .. `queriesN` [batch, length, head, size], N < QUERIES.
#import shared/lowest

/// The maximum of a query that has seen no key yet: far above LOWEST, the score of a key that is
/// not seen, so that the weight of such a key is 0.
const UNSEEN = -1e30;
/// Scores are taken in bits, so that weights are powers of two.
const BITS = 1.4426950408889634;

/// Whose tile it is; angles are measured from its first sample.
struct Spot { batch: u32, head: u32, group: u32, first: i32 }

/// Where the row of a query begins, or of its output.
fn queryAt(spot: Spot, sample: i32) -> u32 {
  return ((spot.batch * dims.length + u32(sample)) * dims.head + spot.head) * dims.row;
}

/// Four features of R(distance) applied to a row.
fn turned(value: vec4f, distance: i32, four: u32) -> vec4f {
#if ROTARY
  let at = u32(abs(distance)) * (dims.size / 2u) + 2u * four;
  let first = turns[at];
  let second = turns[at + 1u];
  let sines = vec2f(first.y, second.y) * select(1.0, -1.0, distance < 0);
  return vec4f(
    value.x * first.x - value.y * sines.x,
    value.y * first.x + value.x * sines.x,
    value.z * second.x - value.w * sines.y,
    value.w * second.x + value.z * sines.y,
  );
#else
  return value;
#end
}

#for i in 0..QUERIES
/// Four features of a row; 0 past the last of either.
fn ofQuery${i}(spot: Spot, sample: i32, four: u32) -> vec4f {
  var value = vec4f();
#if WHOLE
  value = queries${i}[queryAt(spot, sample) + four];
#else
  if (sample < i32(dims.length)) {
    let at = queryAt(spot, sample);
#if ALIGNED
    if (four < dims.fours) {
      value = queries${i}[at + four];
    }
#else
#for c in 0..4
    if (4u * four + ${c}u < dims.size) {
      value[${c}] = queries${i}[at + 4u * four + ${c}u];
    }
#end
#end
  }
#end
  return value;
}
#end

/// A number for each of an invocation's rows.
struct Rows { at0: vec4f, at1: vec4f }

/// Brings the numbers of a workgroup's rows to all invocations that hold columns of them.
fn shareRows(local: u32, own: Rows) {
  workgroupBarrier();
#for g in 0..2
  left[local % 8u][rowOfTile(local, ${4 * g}u) / 4u] = own.at${g};
#end
  workgroupBarrier();
}

fn maxOfRows(local: u32, own: Rows) -> Rows {
  shareRows(local, own);
  var most = own;
#for g in 0..2
#for l in 0..8
  most.at${g} = max(most.at${g}, left[${l}][rowOfTile(local, ${4 * g}u) / 4u]);
#end
#end
  return most;
}

fn sumOfRows(local: u32, own: Rows) -> Rows {
  shareRows(local, own);
  var sum = Rows();
#for g in 0..2
#for l in 0..8
  sum.at${g} += left[${l}][rowOfTile(local, ${4 * g}u) / 4u];
#end
#end
  return sum;
}
