// The orthogonal step of square-root filters, in an invocation's own memory: `work` holds a matrix
// in rows of STRIDE. triangularizeS() is for matrices of ROWS_S rows and COLS_S >= ROWS_S columns.

var<private> work: array<f32, WORK>;

/// Squares below this lose their digits: 1.2e-38 is the smallest normal number.
const SQUARE_MIN = 1e-32;

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
    // A row that ends at its diagonal already needs no reflection. What lies beside counts as
    // nothing, and so does a whole row, where its square leaves f32's range.
    let square = head * head + tail;
    let isNothing = square < SQUARE_MIN;
    let isDone = isNothing || (tail < SQUARE_MIN && head >= 0.0);
    let norm = select(sqrt(square), 0.0, isNothing);
    // head - norm, without its cancellation where head > 0.
    let first = select(head - norm, -tail / (head + norm), head > 0.0);
    let scale = select(2.0 / (first * first + tail), 0.0, isDone);
#loop i in j + 1..(shape == 0) * ROWS_0 + (shape == 1) * ROWS_1 + (shape == 2) * ROWS_2
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
