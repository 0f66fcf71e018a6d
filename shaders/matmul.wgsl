// Matrix product: c = act(a b + bias), for each of several pairs of matrices (or one b for all
// rows); where the inner axis is split, each part has a c of its own, and a later pass adds them.
// With SLOPE it is c = gradC act'(a b + bias): how the way back of act begins.
//
// A workgroup computes ROWS x COLUMNS outputs; it stages STEPS of the inner axis of both operands
// in workgroup memory, four rows or four columns to a vector. An invocation keeps BLOCK_ROWS x
// BLOCK_COLUMNS outputs in named vec4f registers: its vectors of rows and columns lie DOWN and
// ACROSS vectors apart, and invocations form patches of PATCH_ROWS x PATCH_COLUMNS, so that a warp
// reads few and neighbouring vectors. While a tile is multiplied, the next one is under way from
// global memory to registers. Of an operand that is stored along the inner axis an invocation loads
// one step of four rows, neighbours taking neighbouring steps: so it is turned without being taken
// apart.
#import shared/activation_kind

struct Dims { m: u32, n: u32, k: u32, kOfPart: u32, pairs: u32 }

// Rows or columns that lie side by side are read, and those of c written, in fours where their
// number is a multiple of four.
#if WIDE_A
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
#else
@group(0) @binding(0) var<storage, read> a: array<f32>;
#end
#if WIDE_B
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
#else
@group(0) @binding(1) var<storage, read> b: array<f32>;
#end
#if WIDE_C
alias Output = vec4f;
#else
alias Output = f32;
#end
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> gradC: array<Output>;
@group(0) @binding(4) var<storage, read_write> c: array<Output>;
@group(1) @binding(0) var<uniform> dims: Dims;

const DOWN = ${ROWS / BLOCK_ROWS}u;
const ACROSS = ${COLUMNS / BLOCK_COLUMNS}u;
const PATCH = ${PATCH_ROWS * PATCH_COLUMNS}u;
const PATCHES_ACROSS = ${COLUMNS / BLOCK_COLUMNS / PATCH_COLUMNS}u;

// Of an operand that is turned, neighbours store to neighbouring steps: a vector of padding leads
// them to different banks.
var<workgroup> tileA: array<array<vec4f, ${ROWS / 4 + PAD_A}>, STEPS>;
var<workgroup> tileB: array<array<vec4f, ${COLUMNS / 4 + PAD_B}>, STEPS>;

/// One step of four rows of a, the first at `at`, which counts in fours with WIDE_A.
fn fourOfA(at: u32) -> vec4f {
#if WIDE_A
  return a[at];
#else
  let apart = select(dims.k, 1u, TRANSPOSE_A == 1u);
  return vec4f(a[at], a[at + apart], a[at + 2u * apart], a[at + 3u * apart]);
#end
}

/// One step of four columns of b.
fn fourOfB(at: u32) -> vec4f {
#if WIDE_B
  return b[at];
#else
  let apart = select(1u, dims.k, TRANSPOSE_B == 1u);
  return vec4f(b[at], b[at + apart], b[at + 2u * apart], b[at + 3u * apart]);
#end
}

/// What belongs to step p: 0 from step `end` on. Rows and columns outside of a matrix may hold
/// anything, for they reach no output that is written.
fn inside(value: vec4f, p: u32, end: u32) -> vec4f {
#if EVEN
  return value;
#else
  return select(vec4f(0.0), value, p < end);
#end
}

@compute @workgroup_size(INVOCATIONS)
fn multiply(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let pair = group.z % dims.pairs;
  let start = group.z / dims.pairs * dims.kOfPart;
  let end = min(start + dims.kOfPart, dims.k);
  let row0 = group.y * ROWS;
  let column0 = group.x * COLUMNS;
  let blockRow = local / PATCH / PATCHES_ACROSS * PATCH_ROWS + local % PATCH / PATCH_COLUMNS;
  let blockColumn = local / PATCH % PATCHES_ACROSS * PATCH_COLUMNS + local % PATCH_COLUMNS;

  // What the invocation stages of each tile: its place there, and where it is read.
#if WIDE_A
  let unitA = 4u;
#else
  let unitA = 1u;
#end
#if WIDE_B
  let unitB = 4u;
#else
  let unitB = 1u;
#end
#for i in 0..LOADS_A
  let itemA${i} = local + ${i * INVOCATIONS}u;
#if TRANSPOSE_A
  let stepA${i} = itemA${i} / ${ROWS / 4}u;
  let vectorA${i} = itemA${i} % ${ROWS / 4}u;
  let firstA${i} = (pair * dims.k + start + stepA${i}) * dims.m + row0 + 4u * vectorA${i};
#else
  let stepA${i} = itemA${i} % STEPS;
  let vectorA${i} = itemA${i} / STEPS;
  let firstA${i} = (pair * dims.m + row0 + 4u * vectorA${i}) * dims.k + start + stepA${i};
#end
  var atA${i} = firstA${i} / unitA;
  var nextA${i} = fourOfA(atA${i});
#end
#for i in 0..LOADS_B
  let itemB${i} = local + ${i * INVOCATIONS}u;
#if TRANSPOSE_B
  let stepB${i} = itemB${i} % STEPS;
  let vectorB${i} = itemB${i} / STEPS;
  let firstB${i} = (pair * dims.n + column0 + 4u * vectorB${i}) * dims.k + start + stepB${i};
#else
  let stepB${i} = itemB${i} / ${COLUMNS / 4}u;
  let vectorB${i} = itemB${i} % ${COLUMNS / 4}u;
  let firstB${i} = (pair * dims.k + start + stepB${i}) * dims.n + column0 + 4u * vectorB${i};
#end
  var atB${i} = firstB${i} / unitB;
  var nextB${i} = fourOfB(atB${i});
#end
  let strideA = select(STEPS, STEPS * dims.m, TRANSPOSE_A == 1u) / unitA;
  let strideB = select(STEPS * dims.n, STEPS, TRANSPOSE_B == 1u) / unitB;

#for r in 0..BLOCK_ROWS
#for v in 0..BLOCK_COLUMNS / 4
  var sum${r}_${v} = vec4f(0.0);
#end
#end
  for (var base = start; base < end; base += STEPS) {
    workgroupBarrier();
#for i in 0..LOADS_A
    if (itemA${i} < ${ROWS * STEPS / 4}u) {
      tileA[stepA${i}][vectorA${i}] = inside(nextA${i}, base + stepA${i}, end);
    }
#end
#for i in 0..LOADS_B
    if (itemB${i} < ${COLUMNS * STEPS / 4}u) {
      tileB[stepB${i}][vectorB${i}] = inside(nextB${i}, base + stepB${i}, end);
    }
#end
    workgroupBarrier();
    if (base + STEPS < end) {
      // Nothing here may use what is loaded, or it would be waited for before the products.
#for i in 0..LOADS_A
      atA${i} += strideA;
      nextA${i} = fourOfA(atA${i});
#end
#for i in 0..LOADS_B
      atB${i} += strideB;
      nextB${i} = fourOfB(atB${i});
#end
    }
#for p in 0..STEPS
    {
#for q in 0..BLOCK_ROWS / 4
      let left${q} = tileA[${p}][blockRow + ${q}u * DOWN];
#end
#for v in 0..BLOCK_COLUMNS / 4
      let right${v} = tileB[${p}][blockColumn + ${v}u * ACROSS];
#end
#for r in 0..BLOCK_ROWS
#for v in 0..BLOCK_COLUMNS / 4
      sum${r}_${v} = fma(vec4f(left${r / 4}[${r % 4}]), right${v}, sum${r}_${v});
#end
#end
    }
#end
  }

#for r in 0..BLOCK_ROWS
  {
    let row = row0 + 4u * (blockRow + ${r / 4}u * DOWN) + ${r % 4}u;
    if (row < dims.m) {
#for v in 0..BLOCK_COLUMNS / 4
      let column${r}_${v} = column0 + 4u * (blockColumn + ${v}u * ACROSS);
      finish(group.z * dims.m + row, column${r}_${v}, start, sum${r}_${v});
#end
    }
  }
#end
}

/// The bias of a column; it goes to the first part of a split inner axis.
fn biasAt(column: u32, start: u32) -> f32 {
#if HAS_BIAS
  return select(0.0, bias[min(column, dims.n - 1u)], start == 0u);
#else
  return 0.0;
#end
}

/// Writes four neighbouring sums of a row.
fn finish(row: u32, column: u32, start: u32, sums: vec4f) {
#for e in 0..4
  let sum${e} = sums[${e}] + biasAt(column + ${e}u, start);
#end
  let at = row * dims.n + column;
#if WIDE_C
  if (column < dims.n) {
#if SLOPE
    let gradients = gradC[at / 4u];
    c[at / 4u] = vec4f(
      gradients.x * actSlope(sum0, 1.0),
      gradients.y * actSlope(sum1, 1.0),
      gradients.z * actSlope(sum2, 1.0),
      gradients.w * actSlope(sum3, 1.0),
    );
#else
    c[at / 4u] = vec4f(act(sum0, 1.0), act(sum1, 1.0), act(sum2, 1.0), act(sum3, 1.0));
#end
  }
#else
#for e in 0..4
  if (column + ${e}u < dims.n) {
#if SLOPE
    c[at + ${e}u] = gradC[at + ${e}u] * actSlope(sum${e}, 1.0);
#else
    c[at + ${e}u] = act(sum${e}, 1.0);
#end
  }
#end
#end
}
