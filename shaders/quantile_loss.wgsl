// Pinball loss of several quantiles a row.
#import shared/row_loss

@group(0) @binding(8) var<storage, read> quantiles: array<f32>;

fn rowValue(row: u32) -> f32 {
  var sum = 0.0;
  for (var j = 0u; j < dims.stride; j++) {
    let error = targets[row] - predictions[row * dims.stride + j];
    sum += select((quantiles[j] - 1.0) * error, quantiles[j] * error, error >= 0.0);
  }
  return dims.scale * sum / f32(dims.stride);
}

fn rowGradients(row: u32, factor: f32) -> f32 {
  let scale = dims.scale * factor / f32(dims.stride);
  var sum = 0.0;
  for (var j = 0u; j < dims.stride; j++) {
    let at = row * dims.stride + j;
    let slope = select(quantiles[j] - 1.0, quantiles[j], targets[row] >= predictions[at]);
    gradPredictions[at] = -scale * slope;
    sum += slope;
  }
  return scale * sum;
}
