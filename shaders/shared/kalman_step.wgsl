// One sample of the square-root Kalman filter, for kalman_filter.wgsl, whose variables it uses.
#import shared/triangularize

const HALF_LOG_2PI = 0.9189385332046727;

/// The belief: N(m, U transpose(U)).
var<private> m: array<f32, STATES>;
var<private> U: array<f32, STATES * STATES>;
/// The prediction: its mean, [A U, W], and C times that.
var<private> ahead: array<f32, STATES>;
var<private> wide: array<f32, STATES * WIDE>;
var<private> wideOut: array<f32, OBSERVED * WIDE>;
var<private> expected: array<f32, OBSERVED>;
/// S^(-1/2) (y - expected), 0 where missing.
var<private> whitened: array<f32, OBSERVED>;
var<private> isSeen: array<bool, OBSERVED>;

/// Observation i of a sample: where it lies, and whether it is there.
fn observationAt(sample: u32, i: u32) -> f32 {
#if HAS_MASK
  return seen[sample * 2u * OBSERVED + i];
#else
  return y[sample * OBSERVED + i];
#end
}

fn isThere(sample: u32, i: u32) -> bool {
#if HAS_MASK
  return seen[(sample * 2u + 1u) * OBSERVED + i] != 0.0;
#else
  return true;
#end
}

fn modelAt(row: u32, time: u32) -> u32 {
  return row * dims.modelBatch + time * dims.modelTime;
}

/// Whether a step of the model leads to a sample.
fn movesTo(time: u32) -> bool {
  return time > 0u || dims.firstMoves > 0u;
}

/// From the belief before a sample: ahead, wide.
fn predict(at: u32, moves: bool) {
#loop i in 0..STATES
  {
    var sum = m[${i}];
    if (moves) {
      sum = model[at + ${AT_SHIFT + i}];
#for j in 0..STATES
      sum += model[at + ${i * STATES + j}] * m[${j}];
#end
    }
    ahead[${i}] = sum;
#for c in 0..STATES
    {
      var moved = U[${i * STATES + c}];
      if (moves) {
        moved = 0.0;
#for j in 0..STATES
        moved += model[at + ${i * STATES + j}] * U[${j * STATES + c}];
#end
      }
      wide[${i * WIDE + c}] = moved;
    }
#end
#for c in 0..NOISE
    wide[${i * WIDE + STATES + c}] = select(0.0, model[at + ${AT_W + i * NOISE + c}], moves);
#end
  }
#end
#for i in 0..OBSERVED
  {
    var sum = model[at + ${AT_OFFSET + i}];
#for j in 0..STATES
    sum += model[at + ${AT_C + i * STATES + j}] * ahead[${j}];
#end
    expected[${i}] = sum;
#for c in 0..WIDE
    {
      var out = 0.0;
#for j in 0..STATES
      out += model[at + ${AT_C + i * STATES + j}] * wide[${j * WIDE + c}];
#end
      wideOut[${i * WIDE + c}] = out;
    }
#end
  }
#end
}

/// From the prediction to the belief after a sample; returns the sample's log likelihood. `work`
/// then holds [[S^(1/2), 0], [K S^(1/2), U]]. A missing channel has a row of its own column, which
/// touches no other.
fn update(at: u32, sample: u32) -> f32 {
  work = array<f32, WORK>();
#for i in 0..OBSERVED
  isSeen[${i}] = isThere(sample, ${i});
  if (isSeen[${i}]) {
#for j in 0..OBSERVED
    work[${i * STRIDE + j}] = model[at + ${AT_V + i * OBSERVED + j}];
#end
#for c in 0..WIDE
    work[${i * STRIDE + COLS_0 - WIDE + c}] = wideOut[${i * WIDE + c}];
#end
  } else {
    // Without a mask all is there, and the column does not exist.
    work[${i * STRIDE + HAS_MASK * OBSERVED + i}] = 1.0;
  }
#end
#loop i in 0..STATES
#for c in 0..WIDE
  work[${(OBSERVED + i) * STRIDE + COLS_0 - WIDE + c}] = wide[${i * WIDE + c}];
#end
#end
  triangularize0();
  var likelihood = 0.0;
#for i in 0..OBSERVED
  whitened[${i}] = 0.0;
  if (isSeen[${i}]) {
    var sum = observationAt(sample, ${i}) - expected[${i}];
#for j in 0..i
    sum -= work[${i * STRIDE + j}] * whitened[${j}];
#end
    let pivot = work[${i * STRIDE + i}];
    whitened[${i}] = sum / pivot;
    likelihood -= HALF_LOG_2PI + log(pivot) + 0.5 * whitened[${i}] * whitened[${i}];
  }
#end
#loop i in 0..STATES
  {
    var sum = ahead[${i}];
#for j in 0..OBSERVED
    sum += work[${(OBSERVED + i) * STRIDE + j}] * whitened[${j}];
#end
    m[${i}] = sum;
#for j in 0..STATES
    U[${i * STATES + j}] = work[${(OBSERVED + i) * STRIDE + OBSERVED + j}];
#end
  }
#end
  return likelihood;
}
