// The gradient by a covariance from that by its lower triangular factor, of one matrix of STATES;
// equation in src/ops/_helpers/triangularize.ts. Reads the storage variables `factor` and
// `gradFactor` of the shader that imports it.

var<private> ofCov: array<f32, STATES * STATES>;

/// Leaves the gradient by the covariance of the matrix at `at` in ofCov.
fn factorGradient(at: u32) {
  // Half of transpose(L) gradL, its lower triangle mirrored; then L^-T that L^-1.
#for i in 0..STATES
#for j in 0..i + 1
  {
    var sum = 0.0;
#for k in i..STATES
    sum += factor[at + ${k * STATES + i}] * gradFactor[at + ${k * STATES + j}];
#end
    ofCov[${i * STATES + j}] = 0.5 * sum;
    ofCov[${j * STATES + i}] = 0.5 * sum;
  }
#end
#end
  solveTransposed(at);
  solveTransposed(at);
#for i in 0..STATES
#for j in 0..i
  {
    let mean = 0.5 * (ofCov[${i * STATES + j}] + ofCov[${j * STATES + i}]);
    ofCov[${i * STATES + j}] = mean;
    ofCov[${j * STATES + i}] = mean;
  }
#end
#end
}

/// ofCov = transpose(L^-T ofCov); where a pivot is 0 its row is 0.
fn solveTransposed(at: u32) {
#for r in 0..STATES
#for i in STATES - 1 - r..STATES - r
  {
    let pivot = factor[at + ${i * STATES + i}];
#for j in 0..STATES
    {
      var sum = ofCov[${i * STATES + j}];
#for k in i + 1..STATES
      sum -= factor[at + ${k * STATES + i}] * ofCov[${k * STATES + j}];
#end
      ofCov[${i * STATES + j}] = select(sum / pivot, 0.0, pivot == 0.0);
    }
#end
  }
#end
#end
#for i in 0..STATES
#for j in 0..i
  {
    let kept = ofCov[${i * STATES + j}];
    ofCov[${i * STATES + j}] = ofCov[${j * STATES + i}];
    ofCov[${j * STATES + i}] = kept;
  }
#end
#end
}
