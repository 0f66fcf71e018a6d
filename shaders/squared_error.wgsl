// Squared error of rows.
#import shared/row_loss

fn rowValue(row: u32) -> f32 {
  let error = predictions[row] - targets[row];
  return error * error;
}

fn rowGradients(row: u32, factor: f32) -> f32 {
  let slope = 2.0 * factor * (predictions[row] - targets[row]);
  gradPredictions[row] = slope;
  return -slope;
}
