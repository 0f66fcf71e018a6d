// Matrix products of which every invocation keeps a block of 8 rows and 4 VECTORS columns in named
// registers, for shaders whose workgroups of ROWS invocations compute ROWS x COLUMNS outputs.
//
// Both sides are staged in workgroup memory, STEPS terms at a time, four rows or columns a vec4:
// the left one as [term, row], the right one as [term, column]. 32 neighbours hold 32 rows and all
// COLUMNS columns, as 4 x 8 blocks; so they read a side in whole banks, and skip together the terms
// that their rows do not have.
//
// The terms that come next are fetched into registers (Staged) before the products of the present
// ones, and kept after them: fetch, (barrier, keep, barrier, fetch, addStaged) again and again. In
// its file a side lies by terms ("direct": its rows or columns are neighbours) or across ("turned":
// its terms are neighbours); a slot is the vec4 that an invocation fetches and keeps.

/// Columns of the outputs of a workgroup, and vec4s of them.
const COLUMNS = ${32 * VECTORS}u;
const COLUMN_FOURS = ${8 * VECTORS}u;
const ROW_FOURS = ${ROWS / 4}u;
/// Terms that a slot of a turned side has to choose from.
const TERM_FOURS = ${STEPS / 4}u;

var<workgroup> left: array<array<vec4f, ${ROWS / 4 + PAD}>, STEPS>;
var<workgroup> right: array<array<vec4f, ${8 * VECTORS + PAD}>, STEPS>;

/// The outputs of an invocation: row r, vec4 v of its columns.
struct Tile {
#for r in 0..8
#for v in 0..VECTORS
  at${r}_${v}: vec4f,
#end
#end
}

/// What an invocation fetches of both sides.
struct Staged {
#for i in 0..STEPS / 4
  left${i}: vec4f,
#end
#for i in 0..8 * VECTORS * STEPS / ROWS
  right${i}: vec4f,
#end
}

/// The row of an invocation's row r, and the vec4 of columns of its vec4 v.
fn rowOfTile(local: u32, r: u32) -> u32 {
  return local / 32u * 32u + r / 4u * 16u + local % 32u / 8u * 4u + r % 4u;
}

fn fourOfTile(local: u32, v: u32) -> u32 {
  return v * 8u + local % 8u;
}

/// Term and four rows of slot i of a direct left side.
fn leftSlot(local: u32, i: u32) -> vec2u {
  return vec2u(i * 4u + local / ROW_FOURS, local % ROW_FOURS);
}

/// Four terms and row of slot i of a turned left side.
fn leftSlotTurned(local: u32, i: u32) -> vec2u {
  return vec2u(local % TERM_FOURS, (local + i * ROWS) / TERM_FOURS);
}

/// Term and four columns of slot i of a direct right side.
fn rightSlot(local: u32, i: u32) -> vec2u {
  return vec2u((local + i * ROWS) / COLUMN_FOURS, local % COLUMN_FOURS);
}

/// Four terms and column of slot i of a turned right side.
fn rightSlotTurned(local: u32, i: u32) -> vec2u {
  return vec2u(local % TERM_FOURS, (local + i * ROWS) / TERM_FOURS);
}

fn keepLeft(local: u32, staged: Staged) {
#for i in 0..STEPS / 4
  {
    let slot = leftSlot(local, ${i}u);
    left[slot.x][slot.y] = staged.left${i};
  }
#end
}

fn keepLeftTurned(local: u32, staged: Staged) {
#for i in 0..STEPS / 4
  {
    let slot = leftSlotTurned(local, ${i}u);
#for q in 0..4
    left[4u * slot.x + ${q}u][slot.y / 4u][slot.y % 4u] = staged.left${i}[${q}];
#end
  }
#end
}

fn keepRight(local: u32, staged: Staged) {
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlot(local, ${i}u);
    right[slot.x][slot.y] = staged.right${i};
  }
#end
}

fn keepRightTurned(local: u32, staged: Staged) {
#for i in 0..8 * VECTORS * STEPS / ROWS
  {
    let slot = rightSlotTurned(local, ${i}u);
#for q in 0..4
    right[4u * slot.x + ${q}u][slot.y / 4u][slot.y % 4u] = staged.right${i}[${q}];
#end
  }
#end
}

/// Adds the products of the staged terms.
fn addStaged(local: u32, tile: ptr<function, Tile>) {
  let row = rowOfTile(local, 0u) / 4u;
  let column = fourOfTile(local, 0u);
#for k in 0..STEPS
  {
    let rows0 = left[${k}][row];
    let rows1 = left[${k}][row + 4u];
#for v in 0..VECTORS
    let columns${v} = right[${k}][column + ${8 * v}u];
#end
#for r in 0..8
#for v in 0..VECTORS
    (*tile).at${r}_${v} = fma(vec4f(rows${r / 4}[${r % 4}]), columns${v}, (*tile).at${r}_${v});
#end
#end
  }
#end
}

fn scaleTile(tile: ptr<function, Tile>, factor: f32) {
#for r in 0..8
#for v in 0..VECTORS
  (*tile).at${r}_${v} *= factor;
#end
#end
}
