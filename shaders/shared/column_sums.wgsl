// Sums over rows: sums[part, c] = sum of left[r, c] (times right[r, c]) over the part's rows.
//
// A workgroup takes ACROSS columns and GROUP / ACROSS rows at once; an invocation has LOADS rows
// under way, since the time of one load is that of hundreds of sums. Columns are taken, and
// counted, VECTOR at a time.
#import shared/vector

struct Dims { rows: u32, columns: u32, rowsPerPart: u32, stride: u32, offset: u32 }

@group(0) @binding(0) var<storage, read> left: array<Element>;
@group(0) @binding(1) var<storage, read> right: array<Element>;
@group(0) @binding(2) var<storage, read_write> sums: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

const SLOTS = ${GROUP / ACROSS}u;

var<workgroup> slotSums: array<Element, GROUP>;

/// The summand of a row, 0 from row `end` on.
fn summand(row: u32, column: u32, end: u32) -> Element {
  let at = min(row, end - 1u) * dims.stride + dims.offset + column;
#if HAS_RIGHT
  let value = left[at] * right[at];
#else
  let value = left[at];
#end
  return select(Element(0.0), value, row < end);
}

@compute @workgroup_size(GROUP)
fn sum_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let column = (group.z * groups.x + group.x) * ACROSS + local % ACROSS;
  let source = min(column, dims.columns - 1u);
  let first = group.y * dims.rowsPerPart;
  let end = min(first + dims.rowsPerPart, dims.rows);
#for i in 0..LOADS
  var sum${i} = Element(0.0);
#end
  for (var row = first + local / ACROSS; row < end; row += ${LOADS}u * SLOTS) {
#for i in 0..LOADS
    sum${i} += summand(row + ${i}u * SLOTS, source, end);
#end
  }
#for i in 1..LOADS
  sum0 += sum${i};
#end
  slotSums[local] = sum0;
  workgroupBarrier();
  for (var half = SLOTS / 2u; half > 0u; half /= 2u) {
    if (local < half * ACROSS) {
      slotSums[local] += slotSums[local + half * ACROSS];
    }
    workgroupBarrier();
  }
  if (local < ACROSS && column < dims.columns) {
    sums[group.y * dims.columns + column] = slotSums[local];
  }
}
