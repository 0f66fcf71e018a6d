// Whole numbers that are stored as floats: numbers of rows, classes and samples.

/// The whole number nearest to `value` that is below `count`; out of range the first or the last.
fn wholeBelow(value: f32, count: u32) -> u32 {
  let last = count - 1u;
  // A count beyond 2^24 may round up as a float, so that the clamp alone would not hold.
  return min(u32(clamp(floor(value + 0.5), 0.0, f32(last))), last);
}
