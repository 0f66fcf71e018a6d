// Maximum over the GROUP invocations of a workgroup, by halving. Every invocation must call it.

var<workgroup> rowLargest: array<f32, GROUP>;

fn rowMax(local: u32, value: f32) -> f32 {
  // The barrier before the store lets an earlier maximum's readers finish.
  workgroupBarrier();
  rowLargest[local] = value;
  workgroupBarrier();
  for (var half = u32(GROUP) / 2u; half > 0u; half /= 2u) {
    if (local < half) {
      rowLargest[local] = max(rowLargest[local], rowLargest[local + half]);
    }
    workgroupBarrier();
  }
  return rowLargest[0];
}
