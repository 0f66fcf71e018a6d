// Squared error of rows: (prediction - target)^2. Layout of the work: shared/row_loss.
#import shared/row_loss

fn rowValue(row: u32, first: u32) -> f32 {
  let error = predictionAt(first) - targets[row];
  return error * error;
}

#if BACK
fn rowGradients(row: u32, first: u32, factor: f32) -> f32 {
  let slope = 2.0 * factor * (predictionAt(first) - targets[row]);
  setGradient(first, slope);
  return -slope;
}
#end
