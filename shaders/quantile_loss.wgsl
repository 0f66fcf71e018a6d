// Pinball loss of several quantiles a row, with the logarithm of what lies above a cap.
//
//   value = scale / quantiles sum_j share[j] max(level[j] e[j], (level[j] - 1) e[j])
//
// with e[j] the target less quantile j. Layout of the work: shared/row_loss.
#import shared/row_loss

/// Quantile k at 2k with its share at 2k + 1; last the value of a row above which its log counts.
@group(0) @binding(8) var<storage, read> quantiles: array<f32>;

/// The loss of a row before its cap.
fn uncapped(row: u32, first: u32) -> f32 {
  let label = targets[row];
  var sum = 0.0;
  for (var j = 0u; j < dims.stride; j++) {
    let error = label - predictionAt(first + j);
    let level = quantiles[2u * j];
    sum += quantiles[2u * j + 1u] * select((level - 1.0) * error, level * error, error >= 0.0);
  }
  return dims.scale * sum / f32(dims.stride);
}

fn rowValue(row: u32, first: u32) -> f32 {
  let value = uncapped(row, first);
  let cap = quantiles[2u * dims.stride];
  return select(value, cap + log(1.0 + value - cap), value > cap);
}

#if BACK
fn rowGradients(row: u32, first: u32, factor: f32) -> f32 {
  let beyond = max(uncapped(row, first) - quantiles[2u * dims.stride], 0.0);
  let scale = dims.scale * factor / f32(dims.stride) / (1.0 + beyond);
  let label = targets[row];
  var sum = 0.0;
  for (var j = 0u; j < dims.stride; j++) {
    let isAbove = label >= predictionAt(first + j);
    let slope = quantiles[2u * j + 1u] * (quantiles[2u * j] - select(1.0, 0.0, isAbove));
    setGradient(first + j, -scale * slope);
    sum += slope;
  }
  return scale * sum;
}
#end
