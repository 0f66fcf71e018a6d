// Sum over the GROUP invocations of a workgroup, by halving. Every invocation must call it.

var<workgroup> rowParts: array<f32, GROUP>;

fn rowSum(local: u32, value: f32) -> f32 {
  // The barrier before the store lets an earlier sum's readers finish.
  workgroupBarrier();
  rowParts[local] = value;
  workgroupBarrier();
  for (var half = GROUP / 2u; half > 0u; half = half / 2u) {
    if (local < half) {
      rowParts[local] += rowParts[local + half];
    }
    workgroupBarrier();
  }
  return rowParts[0];
}
