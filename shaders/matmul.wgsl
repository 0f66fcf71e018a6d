// Matrix product: c = a b + bias, for each of several pairs of matrices (or one b for all rows);
// where the inner axis is split, each part of it has a c of its own, and a later pass adds them.
//
// A workgroup computes ROWS x COLUMNS outputs; it stages STEPS of the inner axis of both operands
// in workgroup memory, a by columns. An invocation keeps (4 VECTORS) x (4 VECTORS) outputs in
// named vec4f registers.

struct Dims { m: u32, n: u32, k: u32, kOfPart: u32, pairs: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

const SIDE = ${4 * VECTORS}u;
const ROW_VECTORS = ${ROWS / 4}u;
const COLUMN_VECTORS = ${COLUMNS / 4}u;

var<workgroup> tileA: array<array<vec4f, ROW_VECTORS>, STEPS>;
var<workgroup> tileB: array<array<vec4f, COLUMN_VECTORS>, STEPS>;

/// One element of a, 0 outside of it and from step `end` on.
fn aAt(first: u32, i: u32, p: u32, end: u32) -> f32 {
#if TRANSPOSE_A
  let at = first + p * dims.m + i;
#else
  let at = first + i * dims.k + p;
#end
  return select(0.0, a[at], i < dims.m && p < end);
}

/// One element of b, 0 outside of it and from step `end` on.
fn bAt(first: u32, p: u32, j: u32, end: u32) -> f32 {
#if TRANSPOSE_B
  let at = first + j * dims.k + p;
#else
  let at = first + p * dims.n + j;
#end
  return select(0.0, b[at], p < end && j < dims.n);
}

@compute @workgroup_size(INVOCATIONS)
fn multiply(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let pair = group.z % dims.pairs;
  let start = group.z / dims.pairs * dims.kOfPart;
  let end = min(start + dims.kOfPart, dims.k);
  let firstA = pair * dims.m * dims.k;
  let firstB = pair * dims.k * dims.n;
  let row0 = group.y * ROWS;
  let column0 = group.x * COLUMNS;
  // The invocation's block: vectors of rows and columns lie a whole tile part apart, so that
  // neighbours read neighbouring workgroup memory.
  let blockRow = local / (COLUMNS / SIDE);
  let blockColumn = local % (COLUMNS / SIDE);
#for r in 0..4 * VECTORS
#for v in 0..VECTORS
  var sum${r}_${v} = vec4f(0.0);
#end
#end
  for (var base = start; base < end; base += STEPS) {
    workgroupBarrier();
    for (var i = local; i < ROW_VECTORS * STEPS; i += INVOCATIONS) {
#if TRANSPOSE_A
      let p = i / ROW_VECTORS;
      let q = i % ROW_VECTORS;
#else
      let p = i % STEPS;
      let q = i / STEPS;
#end
      let row = row0 + 4u * q;
      tileA[p][q] = vec4f(
        aAt(firstA, row, base + p, end),
        aAt(firstA, row + 1u, base + p, end),
        aAt(firstA, row + 2u, base + p, end),
        aAt(firstA, row + 3u, base + p, end),
      );
    }
    for (var i = local; i < COLUMN_VECTORS * STEPS; i += INVOCATIONS) {
#if TRANSPOSE_B
      let p = i % STEPS;
      let q = i / STEPS;
#else
      let p = i / COLUMN_VECTORS;
      let q = i % COLUMN_VECTORS;
#end
      let column = column0 + 4u * q;
      tileB[p][q] = vec4f(
        bAt(firstB, base + p, column, end),
        bAt(firstB, base + p, column + 1u, end),
        bAt(firstB, base + p, column + 2u, end),
        bAt(firstB, base + p, column + 3u, end),
      );
    }
    workgroupBarrier();
#for p in 0..STEPS
    {
#for v in 0..VECTORS
      let left${v} = tileA[${p}][blockRow + ${v}u * (ROWS / SIDE)];
      let right${v} = tileB[${p}][blockColumn + ${v}u * (COLUMNS / SIDE)];
#end
#for r in 0..4 * VECTORS
#for v in 0..VECTORS
      sum${r}_${v} += left${r / 4}[${r % 4}] * right${v};
#end
#end
    }
#end
  }
#for r in 0..4 * VECTORS
  {
    let row = row0 + 4u * (blockRow + ${r / 4}u * (ROWS / SIDE)) + ${r % 4}u;
    let first = group.z * dims.m * dims.n + row * dims.n;
#for v in 0..VECTORS
#for e in 0..4
    {
      let column = column0 + 4u * (blockColumn + ${v}u * (COLUMNS / SIDE)) + ${e}u;
      if (row < dims.m && column < dims.n) {
#if HAS_BIAS
        c[first + column] = sum${r}_${v}[${e}] + select(0.0, bias[column], start == 0u);
#else
        c[first + column] = sum${r}_${v}[${e}];
#end
      }
    }
#end
#end
  }
#end
}
