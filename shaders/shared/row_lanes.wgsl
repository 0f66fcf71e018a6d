// Sums and maxima over the LANES = 2 ^ LANE_BITS invocations that share a row, neighbours by index.
// Every invocation must call them. With SUBGROUPS a row lies within a subgroup and values are
// exchanged directly; without, through workgroup memory.

#if !SUBGROUPS
var<workgroup> laneParts: array<vec2f, GROUP>;
#end

/// The sums of two values.
fn laneSums(local: u32, value: vec2f) -> vec2f {
  var sum = value;
#if SUBGROUPS
#for bit in 0..LANE_BITS
  sum += subgroupShuffleXor(sum, 1u << ${bit}u);
#end
  return sum;
#else
  // The barrier before the store lets an earlier sum's readers finish.
  workgroupBarrier();
  laneParts[local] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (local % LANES < half) {
      laneParts[local] += laneParts[local + half];
    }
    workgroupBarrier();
  }
  return laneParts[local - local % LANES];
#end
}

/// The sum of one value.
fn laneSum(local: u32, value: f32) -> f32 {
  return laneSums(local, vec2f(value, 0.0)).x;
}

/// The largest value.
fn laneMax(local: u32, value: f32) -> f32 {
#if SUBGROUPS
  var largest = value;
#for bit in 0..LANE_BITS
  largest = max(largest, subgroupShuffleXor(largest, 1u << ${bit}u));
#end
  return largest;
#else
  workgroupBarrier();
  laneParts[local] = vec2f(value);
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (local % LANES < half) {
      laneParts[local].x = max(laneParts[local].x, laneParts[local + half].x);
    }
    workgroupBarrier();
  }
  return laneParts[local - local % LANES].x;
#end
}
