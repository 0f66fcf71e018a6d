// The orthogonal step of square-root filters, in an invocation's own memory: `work` holds a matrix
// in rows of STRIDE. triangularizeS() is for matrices of ROWS_S rows and COLS_S >= ROWS_S columns.

var<private> work: array<f32, WORK>;

#for shape in 0..3
/// Makes `work` lower triangular with a diagonal >= 0, by Householder reflections of its columns:
/// work transpose(work) stays.
fn triangularize${shape}() {
#for j in 0..(shape == 0) * ROWS_0 + (shape == 1) * ROWS_1 + (shape == 2) * ROWS_2
  {
    let head = work[${j * STRIDE + j}];
    var tail = 0.0;
#for c in j + 1..(shape == 0) * COLS_0 + (shape == 1) * COLS_1 + (shape == 2) * COLS_2
    tail += work[${j * STRIDE + c}] * work[${j * STRIDE + c}];
#end
    // A row that ends at its diagonal already needs no reflection.
    let norm = sqrt(head * head + tail);
    let isDone = tail == 0.0 && head >= 0.0;
    // head - norm, without its cancellation where head > 0.
    let first = select(head - norm, -tail / (head + norm), head > 0.0);
    let scale = select(2.0 / (first * first + tail), 0.0, isDone);
#for i in j + 1..(shape == 0) * ROWS_0 + (shape == 1) * ROWS_1 + (shape == 2) * ROWS_2
    {
      var along = first * work[${i * STRIDE + j}];
#for c in j + 1..(shape == 0) * COLS_0 + (shape == 1) * COLS_1 + (shape == 2) * COLS_2
      along += work[${j * STRIDE + c}] * work[${i * STRIDE + c}];
#end
      // Where nothing is to do `along` may be no number.
      along = select(along * scale, 0.0, isDone);
      work[${i * STRIDE + j}] -= along * first;
#for c in j + 1..(shape == 0) * COLS_0 + (shape == 1) * COLS_1 + (shape == 2) * COLS_2
      work[${i * STRIDE + c}] -= along * work[${j * STRIDE + c}];
#end
    }
#end
    work[${j * STRIDE + j}] = norm;
#for c in j + 1..(shape == 0) * COLS_0 + (shape == 1) * COLS_1 + (shape == 2) * COLS_2
    work[${j * STRIDE + c}] = 0.0;
#end
  }
#end
}
#end
