// The orthogonal step of square-root filters, in an invocation's own memory: `work` holds a matrix
// row by row. triangularizeS() is for matrices of ROWS_S rows and COLS_S >= ROWS_S columns.

var<private> work: array<f32, WORK>;

#for shape in 0..3
/// Makes `work` lower triangular with a diagonal >= 0, by Householder reflections of its columns:
/// work transpose(work) stays.
fn triangularize${shape}() {
#for j in 0..(shape == 0) * ROWS_0 + (shape == 1) * ROWS_1 + (shape == 2) * ROWS_2
#for cols in (shape == 0) * COLS_0 + (shape == 1) * COLS_1 + (shape == 2) * COLS_2..1 + (shape == 0) * COLS_0 + (shape == 1) * COLS_1 + (shape == 2) * COLS_2
#for rows in (shape == 0) * ROWS_0 + (shape == 1) * ROWS_1 + (shape == 2) * ROWS_2..1 + (shape == 0) * ROWS_0 + (shape == 1) * ROWS_1 + (shape == 2) * ROWS_2
  {
    let head = work[${j * cols + j}];
    var tail = 0.0;
#for c in j + 1..cols
    tail += work[${j * cols + c}] * work[${j * cols + c}];
#end
    // A row that ends at its diagonal already needs no reflection.
    let norm = sqrt(head * head + tail);
    let isDone = tail == 0.0 && head >= 0.0;
    // head - norm, without its cancellation where head > 0.
    let first = select(head - norm, -tail / (head + norm), head > 0.0);
    let scale = select(2.0 / (first * first + tail), 0.0, isDone);
#for i in j + 1..rows
    {
      var along = first * work[${i * cols + j}];
#for c in j + 1..cols
      along += work[${j * cols + c}] * work[${i * cols + c}];
#end
      // Where nothing is to do `along` may be no number.
      along = select(along * scale, 0.0, isDone);
      work[${i * cols + j}] -= along * first;
#for c in j + 1..cols
      work[${i * cols + c}] -= along * work[${j * cols + c}];
#end
    }
#end
    work[${j * cols + j}] = norm;
#for c in j + 1..cols
    work[${j * cols + c}] = 0.0;
#end
  }
#end
#end
#end
}
#end
