// The orthogonal step of square-root filters, in an invocation's own memory: `work` holds a matrix
// of at most WORK elements, row by row.

var<private> work: array<f32, WORK>;

/// Makes the leading [rows, cols] of `work` lower triangular with a diagonal >= 0, by Householder
/// reflections of the columns: work * transpose(work) stays. cols >= rows.
fn triangularize(rows: u32, cols: u32) {
  for (var j = 0u; j < rows; j++) {
    let row = j * cols;
    let head = work[row + j];
    var tail = 0.0;
    for (var c = j + 1u; c < cols; c++) {
      tail += work[row + c] * work[row + c];
    }
    if (tail == 0.0 && head >= 0.0) {
      continue;
    }
    let norm = sqrt(head * head + tail);
    // head - norm, without its cancellation where head > 0.
    let first = select(head - norm, -tail / (head + norm), head > 0.0);
    let scale = 2.0 / (first * first + tail);
    for (var i = j + 1u; i < rows; i++) {
      let other = i * cols;
      var along = first * work[other + j];
      for (var c = j + 1u; c < cols; c++) {
        along += work[row + c] * work[other + c];
      }
      along *= scale;
      work[other + j] -= along * first;
      for (var c = j + 1u; c < cols; c++) {
        work[other + c] -= along * work[row + c];
      }
    }
    work[row + j] = norm;
    for (var c = j + 1u; c < cols; c++) {
      work[row + c] = 0.0;
    }
  }
}
