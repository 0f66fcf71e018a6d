// One sample on the way back of the Kalman filter, for kalman_filter.wgsl, whose variables it uses.

/// The flow by the belief: by its mean and by its covariance.
var<private> g: array<f32, STATES>;
var<private> Gamma: array<f32, STATES * STATES>;
/// Of a sample: gain, S^-1 (y - expected), transpose(C) of that, I - K C.
var<private> K: array<f32, STATES * OBSERVED>;
var<private> w: array<f32, OBSERVED>;
var<private> z: array<f32, STATES>;
var<private> keep: array<f32, STATES * STATES>;
/// Gradients of a sample: by the expectation, by S, by the observation's covariance; and Gamma K.
var<private> ofY: array<f32, OBSERVED>;
var<private> ofExpected: array<f32, OBSERVED>;
var<private> ofS: array<f32, OBSERVED * OBSERVED>;
var<private> ofR: array<f32, OBSERVED * OBSERVED>;
var<private> GammaK: array<f32, STATES * OBSERVED>;

/// Loads the belief before a sample and filters the sample again; w, K, z and keep from that.
fn visit(row: u32, t: u32, at: u32, moves: bool) {
  let sample = row * dims.length + t;
#for i in 0..STATES
  m[${i}] = meanBefore(row, t, ${i});
#end
#for i in 0..STATES * STATES
  U[${i}] = factorBefore(row, t, ${i});
#end
  predict(at, moves);
  update(at, sample);
  // The inverse of S^(1/2), row by row over it.
  var inverse: array<f32, OBSERVED * OBSERVED>;
#for j in 0..OBSERVED
#for i in j..OBSERVED
  {
    var sum = ${i == j}.0;
#for k in j..i
    sum -= work[${i * STRIDE + k}] * inverse[${k * OBSERVED + j}];
#end
    inverse[${i * OBSERVED + j}] = sum / work[${i * STRIDE + i}];
  }
#end
#end
#for j in 0..OBSERVED
  {
    var weight = 0.0;
#for k in j..OBSERVED
    weight += inverse[${k * OBSERVED + j}] * whitened[${k}];
#end
    w[${j}] = weight;
#for i in 0..STATES
    {
      var sum = 0.0;
#for k in j..OBSERVED
      sum += work[${(OBSERVED + i) * STRIDE + k}] * inverse[${k * OBSERVED + j}];
#end
      K[${i * OBSERVED + j}] = sum;
    }
#end
#for i in 0..OBSERVED
    {
      var sum = 0.0;
#for k in (i > j) * i + (i <= j) * j..OBSERVED
      sum += inverse[${k * OBSERVED + i}] * inverse[${k * OBSERVED + j}];
#end
      // S^-1; a missing channel stands in S as a 1 of its own.
      ofS[${i * OBSERVED + j}] = select(0.0, sum, isSeen[${i}] && isSeen[${j}]);
    }
#end
  }
#end
#for i in 0..STATES
  {
    var sum = 0.0;
#for k in 0..OBSERVED
    sum += model[at + ${AT_C + k * STATES + i}] * w[${k}];
#end
    z[${i}] = sum;
#for j in 0..STATES
    {
      var entry = ${i == j}.0;
#for k in 0..OBSERVED
      entry -= K[${i * OBSERVED + k}] * model[at + ${AT_C + k * STATES + j}];
#end
      keep[${i * STATES + j}] = entry;
    }
#end
  }
#end
}

fn meanBefore(row: u32, t: u32, i: u32) -> f32 {
  if (t == 0u) {
    return beliefs[row * BELIEF + i];
  }
  return mean[(row * dims.length + t - 1u) * STATES + i];
}

fn factorBefore(row: u32, t: u32, i: u32) -> f32 {
  if (t == 0u) {
    return beliefs[row * BELIEF + STATES + i];
  }
  return factor[(row * dims.length + t - 1u) * STATES * STATES + i];
}

/// Adds the gradients of a sample's outputs to the flow, and takes it back through the observation.
fn backThroughUpdate(sample: u32) {
  let flow = sample * FLOW;
#for i in 0..STATES
  g[${i}] += flows[flow + ${i}];
#end
#for i in 0..STATES * STATES
  Gamma[${i}] += flows[flow + ${FLOW_CROSS + i}];
#end
  let likelihood = flows[flow + FLOW_LOG];
  var ofGain: array<f32, OBSERVED>;
#for j in 0..OBSERVED
  {
    var along = 0.0;
#for i in 0..STATES
    {
      along += K[${i * OBSERVED + j}] * g[${i}];
      var sum = 0.0;
#for k in 0..STATES
      sum += Gamma[${i * STATES + k}] * K[${k * OBSERVED + j}];
#end
      GammaK[${i * OBSERVED + j}] = sum;
    }
#end
    ofGain[${j}] = along;
    ofY[${j}] = along - likelihood * w[${j}];
    ofExpected[${j}] = flows[flow + ${FLOW_Y + j}] - ofY[${j}];
  }
#end
#for i in 0..OBSERVED
#for j in 0..OBSERVED
  {
    let spread = ofS[${i * OBSERVED + j}] - w[${i}] * w[${j}];
    let ofMean = 0.5 * (ofGain[${i}] * w[${j}] + w[${i}] * ofGain[${j}]);
    let total = flows[flow + ${FLOW_S + i * OBSERVED + j}] - 0.5 * likelihood * spread - ofMean;
    ofS[${i * OBSERVED + j}] = total;
    var sum = total;
#for k in 0..STATES
    sum += K[${k * OBSERVED + i}] * GammaK[${k * OBSERVED + j}];
#end
    ofR[${i * OBSERVED + j}] = sum;
  }
#end
#end
}

/// The flow by the prediction from the one by the belief, once `backThroughUpdate` has run.
fn flowOfPrediction(at: u32) {
  var SC: array<f32, OBSERVED * STATES>;
#for i in 0..OBSERVED
#for j in 0..STATES
  {
    var sum = 0.0;
#for k in 0..OBSERVED
    sum += ofS[${i * OBSERVED + k}] * model[at + ${AT_C + k * STATES + j}];
#end
    SC[${i * STATES + j}] = sum;
  }
#end
#end
  sandwich(&keep);
#for i in 0..STATES
#for j in 0..STATES
  {
    var sum = Gamma[${i * STATES + j}] + 0.5 * (g[${i}] * z[${j}] + z[${i}] * g[${j}]);
#for k in 0..OBSERVED
    sum += model[at + ${AT_C + k * STATES + i}] * SC[${k * STATES + j}];
#end
    Gamma[${i * STATES + j}] = sum;
  }
#end
#end
#for i in 0..STATES
#for k in 0..OBSERVED
  g[${i}] += model[at + ${AT_C + k * STATES + i}] * ofExpected[${k}];
#end
#end
}

/// Gamma = transpose(left) Gamma left.
fn sandwich(left: ptr<private, array<f32, STATES * STATES>>) {
  var half: array<f32, STATES * STATES>;
#for i in 0..STATES
#for j in 0..STATES
  {
    var sum = 0.0;
#for k in 0..STATES
    sum += Gamma[${i * STATES + k}] * (*left)[${k * STATES + j}];
#end
    half[${i * STATES + j}] = sum;
  }
#end
#end
#for i in 0..STATES
#for j in 0..STATES
  {
    var sum = 0.0;
#for k in 0..STATES
    sum += (*left)[${k * STATES + i}] * half[${k * STATES + j}];
#end
    Gamma[${i * STATES + j}] = sum;
  }
#end
#end
}

/// The flow by the belief before a step from the one by the prediction. `keep` becomes A.
fn backThroughStep(at: u32) {
  var before: array<f32, STATES>;
#for j in 0..STATES
  {
    var sum = 0.0;
#for i in 0..STATES
    sum += model[at + ${i * STATES + j}] * g[${i}];
    keep[${i * STATES + j}] = model[at + ${i * STATES + j}];
#end
    before[${j}] = sum;
  }
#end
  g = before;
  sandwich(&keep);
}

/// Adds to a slice's gradient, or writes it where every sample has its own.
fn give(at: u32, value: f32) {
  slices[at] = select(slices[at] + value, value, dims.slicePerSample > 0u);
}

/// Gradients by C, the observation's factor and its intercept.
fn giveObservation(slice: u32, at: u32) {
  var along: array<f32, WIDE>;
#for c in 0..WIDE
  {
    var sum = 0.0;
#for i in 0..STATES
    sum += wide[${i * WIDE + c}] * g[${i}];
#end
    along[${c}] = sum;
  }
#end
#for i in 0..OBSERVED
  {
    // 2 S C P + w transpose(P g) by P = wide transpose(wide); then 2 transpose(Gamma K) U.
    var out: array<f32, WIDE>;
#for c in 0..WIDE
    {
      var sum = w[${i}] * along[${c}];
#for k in 0..OBSERVED
      sum += 2.0 * ofS[${i * OBSERVED + k}] * wideOut[${k * WIDE + c}];
#end
      out[${c}] = sum;
    }
#end
    var ofFactor: array<f32, STATES>;
#for c in 0..STATES
    {
      var sum = 0.0;
#for k in 0..STATES
      sum += GammaK[${k * OBSERVED + i}] * U[${k * STATES + c}];
#end
      ofFactor[${c}] = 2.0 * sum;
    }
#end
#for j in 0..STATES
    {
      var sum = ofExpected[${i}] * ahead[${j}];
#for c in 0..WIDE
      sum += out[${c}] * wide[${j * WIDE + c}];
#end
#for c in 0..STATES
      sum -= ofFactor[${c}] * U[${j * STATES + c}];
#end
      give(slice + ${AT_C + i * STATES + j}, sum);
    }
#end
#for j in 0..OBSERVED
    {
      var sum = 0.0;
#for k in 0..OBSERVED
      sum += ofR[${i * OBSERVED + k}] * model[at + ${AT_V + k * OBSERVED + j}];
#end
      give(slice + ${AT_V + i * OBSERVED + j}, 2.0 * sum);
    }
#end
    give(slice + ${AT_OFFSET + i}, ofExpected[${i}]);
  }
#end
}

/// Gradients by A, the step's factor and its intercept, from the flow by the prediction.
fn giveStep(slice: u32, at: u32, row: u32, t: u32, moves: bool) {
#for i in 0..STATES
  {
    var ofMoved: array<f32, STATES>;
#for c in 0..STATES
    {
      var sum = 0.0;
#for k in 0..STATES
      sum += Gamma[${i * STATES + k}] * wide[${k * WIDE + c}];
#end
      ofMoved[${c}] = 2.0 * sum;
    }
#end
#for j in 0..STATES
    {
      var sum = g[${i}] * meanBefore(row, t, ${j});
#for c in 0..STATES
      sum += ofMoved[${c}] * factorBefore(row, t, ${j * STATES + c});
#end
      give(slice + ${i * STATES + j}, select(0.0, sum, moves));
    }
#end
#for c in 0..NOISE
    {
      var sum = 0.0;
#for k in 0..STATES
      sum += Gamma[${i * STATES + k}] * model[at + ${AT_W + k * NOISE + c}];
#end
      give(slice + ${AT_W + i * NOISE + c}, select(0.0, 2.0 * sum, moves));
    }
#end
    give(slice + ${AT_SHIFT + i}, select(0.0, g[${i}], moves));
  }
#end
}
