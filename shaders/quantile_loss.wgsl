// Pinball loss of several quantiles a row.
#import shared/row_loss

@group(0) @binding(8) var<storage, read> quantiles: array<f32>;

fn rowValue(row: u32, first: u32) -> f32 {
  let label = targets[row];
  var sum = 0.0;
  for (var j = 0u; j < dims.stride; j++) {
    let error = label - predictionAt(first + j);
    sum += select((quantiles[j] - 1.0) * error, quantiles[j] * error, error >= 0.0);
  }
  return dims.scale * sum / f32(dims.stride);
}

#if BACK
fn rowGradients(row: u32, first: u32, factor: f32) -> f32 {
  let scale = dims.scale * factor / f32(dims.stride);
  let label = targets[row];
  var sum = 0.0;
  for (var j = 0u; j < dims.stride; j++) {
    let slope = select(quantiles[j] - 1.0, quantiles[j], label >= predictionAt(first + j));
    setGradient(first + j, -scale * slope);
    sum += slope;
  }
  return scale * sum;
}
#end
