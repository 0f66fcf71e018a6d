// Kalman filter in square-root form; equations in src/ops/kalman_filter.ts.
//
// An invocation runs one chunk of the length of one stream, in its own memory.
//
// pack_model      the model's arrays side by side: a slice for all, for a stream or for a sample
// pack_seen       y and its mask side by side, where there is a mask
// reduce_chunks   every chunk but the last as a function (A, b, U, eta, Z) of the belief before it
// carry_chunks    the beliefs before the chunks, in order
// filter_chunks   every chunk from its belief
//
// and of the way back
//
// pack_start      mean and factor of the start side by side
// pack_flows      gradients of the outputs of a sample side by side, the factor's as one by the
//                 covariance
// flow_chunks     every chunk but the first as an affine function of the flow behind it
// carry_flows     the flows behind the chunks, from the end
// unfold_chunks   every chunk from its flow: gradients by the model and by y
// collect         sums of runs of rows of those
// unpack_y, unpack_start, clear_mask

#import shared/bounds
#import shared/triangularize

struct Dims {
  batch: u32, length: u32, chunk: u32, chunks: u32,
  modelBatch: u32, modelTime: u32, modelRows: u32, modelLength: u32,
  states: u32, channels: u32, noises: u32,
  span: u32, offset: u32, size: u32, count: u32,
}

@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<f32>;
@group(0) @binding(2) var<storage, read> A: array<f32>;
@group(0) @binding(3) var<storage, read> C: array<f32>;
@group(0) @binding(4) var<storage, read> processFactor: array<f32>;
@group(0) @binding(5) var<storage, read> observationFactor: array<f32>;
@group(0) @binding(6) var<storage, read> stateIntercept: array<f32>;
@group(0) @binding(7) var<storage, read> observationIntercept: array<f32>;
@group(0) @binding(8) var<storage, read> startMean: array<f32>;
@group(0) @binding(9) var<storage, read> startFactor: array<f32>;
#if IS_BACKWARD
@group(0) @binding(10) var<storage, read> mean: array<f32>;
@group(0) @binding(11) var<storage, read> factor: array<f32>;
#else
@group(0) @binding(10) var<storage, read_write> mean: array<f32>;
@group(0) @binding(11) var<storage, read_write> factor: array<f32>;
#end
@group(0) @binding(12) var<storage, read_write> forecast: array<f32>;
@group(0) @binding(13) var<storage, read_write> forecastCov: array<f32>;
@group(0) @binding(14) var<storage, read_write> logLik: array<f32>;
@group(0) @binding(15) var<storage, read_write> model: array<f32>;
@group(0) @binding(16) var<storage, read_write> seen: array<f32>;
@group(0) @binding(17) var<storage, read_write> elements: array<f32>;
@group(0) @binding(18) var<storage, read_write> beliefs: array<f32>;
@group(0) @binding(19) var<storage, read> gradMean: array<f32>;
@group(0) @binding(20) var<storage, read> gradFactor: array<f32>;
@group(0) @binding(21) var<storage, read> gradForecast: array<f32>;
@group(0) @binding(22) var<storage, read> gradForecastCov: array<f32>;
@group(0) @binding(23) var<storage, read> gradLogLik: array<f32>;
@group(0) @binding(24) var<storage, read_write> flows: array<f32>;
@group(0) @binding(25) var<storage, read_write> carried: array<f32>;
@group(0) @binding(26) var<storage, read_write> slices: array<f32>;
@group(0) @binding(27) var<storage, read_write> collected: array<f32>;
@group(0) @binding(28) var<storage, read_write> gradY: array<f32>;
@group(0) @binding(29) var<storage, read_write> gradMask: array<f32>;
@group(0) @binding(30) var<storage, read_write> gradStartMean: array<f32>;
@group(0) @binding(31) var<storage, read_write> gradStartFactor: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Bounds of the loops. Known before compilation they are unrolled, which hardware wants for small
/// sizes; compilers take seconds over that where the sizes or the bodies are large.
#if IS_ROLLED
fn states() -> u32 {
  return dims.states;
}
fn channels() -> u32 {
  return dims.channels;
}
fn noises() -> u32 {
  return dims.noises;
}
fn wideColumns() -> u32 {
  return dims.states + dims.noises;
}
#else
fn states() -> u32 {
  return STATES;
}
fn channels() -> u32 {
  return OBSERVED;
}
fn noises() -> u32 {
  return NOISE;
}
fn wideColumns() -> u32 {
  return WIDE;
}
#end

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

@compute @workgroup_size(GROUP)
fn pack_model(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.modelRows * WIDTH) {
    return;
  }
  let row = index / WIDTH;
  let at = index % WIDTH;
  // Slices by leading axes: all share one, one a stream, one a sample.
  var slice = array<u32, 3>(0u, row / dims.modelLength, row);
  var value = 0.0;
  if (at < AT_C) {
    value = A[slice[AXES_A] * STATES * STATES + at];
  } else if (at < AT_W) {
    value = C[slice[AXES_C] * OBSERVED * STATES + at - AT_C];
  } else if (at < AT_V) {
    value = processFactor[slice[AXES_W] * STATES * NOISE + at - AT_W];
  } else if (at < AT_SHIFT) {
    value = observationFactor[slice[AXES_V] * OBSERVED * OBSERVED + at - AT_V];
  } else if (at < AT_OFFSET) {
#if HAS_SHIFT
    value = stateIntercept[slice[AXES_SHIFT] * STATES + at - AT_SHIFT];
#end
  } else {
#if HAS_OFFSET
    value = observationIntercept[slice[AXES_OFFSET] * OBSERVED + at - AT_OFFSET];
#end
  }
  model[index] = value;
}

@compute @workgroup_size(GROUP)
fn pack_seen(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index < dims.batch * dims.length * OBSERVED) {
    let at = index / OBSERVED * 2u * OBSERVED + index % OBSERVED;
    let isThere = mask[index] != 0.0;
    seen[at] = select(0.0, y[index], isThere);
    seen[at + OBSERVED] = select(0.0, 1.0, isThere);
  }
}

@compute @workgroup_size(GROUP)
fn pack_start(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.batch * BELIEF) {
    return;
  }
  let row = index / BELIEF;
  let at = index % BELIEF;
  if (at < STATES) {
    beliefs[index] = startMean[row * STATES + at];
  } else {
    beliefs[index] = startFactor[row * STATES * STATES + at - STATES];
  }
}

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
#if FIRST_MOVES
  return true;
#else
  return time > 0u;
#end
}

/// From the belief before a sample: ahead, wide.
fn predict(at: u32, moves: bool) {
  for (var i = 0u; i < states(); i++) {
    var sum = m[i];
    if (moves) {
      sum = model[at + AT_SHIFT + i];
      for (var j = 0u; j < states(); j++) {
        sum += model[at + i * STATES + j] * m[j];
      }
    }
    ahead[i] = sum;
    for (var c = 0u; c < states(); c++) {
      var moved = U[i * STATES + c];
      if (moves) {
        moved = 0.0;
        for (var j = 0u; j < states(); j++) {
          moved += model[at + i * STATES + j] * U[j * STATES + c];
        }
      }
      wide[i * WIDE + c] = moved;
    }
    for (var c = 0u; c < noises(); c++) {
      wide[i * WIDE + STATES + c] = select(0.0, model[at + AT_W + i * NOISE + c], moves);
    }
  }
  for (var i = 0u; i < channels(); i++) {
    var sum = model[at + AT_OFFSET + i];
    for (var j = 0u; j < states(); j++) {
      sum += model[at + AT_C + i * STATES + j] * ahead[j];
    }
    expected[i] = sum;
    for (var c = 0u; c < wideColumns(); c++) {
      var out = 0.0;
      for (var j = 0u; j < states(); j++) {
        out += model[at + AT_C + i * STATES + j] * wide[j * WIDE + c];
      }
      wideOut[i * WIDE + c] = out;
    }
  }
}

/// From the prediction to the belief after a sample; returns the sample's log likelihood. `work`
/// then holds [[S^(1/2), 0], [K S^(1/2), U]] in rows of COLS. A missing channel has a row of its own
/// column, which touches no other.
fn update(at: u32, sample: u32) -> f32 {
  for (var i = 0u; i < (channels() + states()) * COLS; i++) {
    work[i] = 0.0;
  }
  for (var i = 0u; i < channels(); i++) {
    isSeen[i] = isThere(sample, i);
    if (isSeen[i]) {
      for (var j = 0u; j < channels(); j++) {
        work[i * COLS + j] = model[at + AT_V + i * OBSERVED + j];
      }
      for (var c = 0u; c < wideColumns(); c++) {
        work[i * COLS + COLS - WIDE + c] = wideOut[i * WIDE + c];
      }
    } else {
      // Without a mask all is there, and the column does not exist.
      work[i * COLS + HAS_MASK * OBSERVED + i] = 1.0;
    }
  }
  for (var i = 0u; i < states(); i++) {
    for (var c = 0u; c < wideColumns(); c++) {
      work[(OBSERVED + i) * COLS + COLS - WIDE + c] = wide[i * WIDE + c];
    }
  }
  triangularize((channels() + states()), COLS);
  var likelihood = 0.0;
  for (var i = 0u; i < channels(); i++) {
    whitened[i] = 0.0;
    if (isSeen[i]) {
      var sum = observationAt(sample, i) - expected[i];
      for (var j = 0u; j < i; j++) {
        sum -= work[i * COLS + j] * whitened[j];
      }
      let pivot = work[i * COLS + i];
      whitened[i] = sum / pivot;
      likelihood -= HALF_LOG_2PI + log(pivot) + 0.5 * whitened[i] * whitened[i];
    }
  }
  for (var i = 0u; i < states(); i++) {
    let row = (OBSERVED + i) * COLS;
    var sum = ahead[i];
    for (var j = 0u; j < channels(); j++) {
      sum += work[row + j] * whitened[j];
    }
    m[i] = sum;
    for (var j = 0u; j < states(); j++) {
      U[i * STATES + j] = work[row + OBSERVED + j];
    }
  }
  return likelihood;
}

#if IS_BACKWARD == 0
@compute @workgroup_size(GROUP)
fn filter_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.batch * dims.chunks) {
    return;
  }
  let row = index / dims.chunks;
  let first = index % dims.chunks * dims.chunk;
  let last = min(first + dims.chunk, dims.length);
  for (var i = 0u; i < states(); i++) {
    m[i] = beliefs[index * BELIEF + i];
  }
  for (var i = 0u; i < states() * states(); i++) {
    U[i] = beliefs[index * BELIEF + STATES + i];
  }
  for (var t = first; t < last; t++) {
    let at = modelAt(row, t);
    let sample = row * dims.length + t;
    predict(at, movesTo(t));
    for (var i = 0u; i < channels(); i++) {
      forecast[sample * OBSERVED + i] = expected[i];
      for (var j = 0u; j < channels(); j++) {
        var sum = 0.0;
        for (var c = 0u; c < wideColumns(); c++) {
          sum += wideOut[i * WIDE + c] * wideOut[j * WIDE + c];
        }
        for (var c = 0u; c < channels(); c++) {
          sum += model[at + AT_V + i * OBSERVED + c] * model[at + AT_V + j * OBSERVED + c];
        }
        forecastCov[(sample * OBSERVED + i) * OBSERVED + j] = sum;
      }
    }
    logLik[sample] = update(at, sample);
    for (var i = 0u; i < states(); i++) {
      mean[sample * STATES + i] = m[i];
    }
    for (var i = 0u; i < states() * states(); i++) {
      factor[sample * STATES * STATES + i] = U[i];
    }
  }
}

/// The chunk so far as a function of the belief before it: x after = E x before + m + U noise, and
/// what its observations say of x before: information vector eta and factor Z.
var<private> E: array<f32, STATES * STATES>;
var<private> eta: array<f32, STATES>;
var<private> Z: array<f32, STATES * STATES>;

@compute @workgroup_size(GROUP)
fn reduce_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.batch * (dims.chunks - 1u)) {
    return;
  }
  let row = index / (dims.chunks - 1u);
  let chunk = index % (dims.chunks - 1u);
  for (var i = 0u; i < states() * states(); i++) {
    E[i] = select(0.0, 1.0, i / STATES == i % STATES);
    U[i] = 0.0;
    Z[i] = 0.0;
  }
  for (var i = 0u; i < states(); i++) {
    m[i] = 0.0;
    eta[i] = 0.0;
  }
  for (var t = chunk * dims.chunk; t < (chunk + 1u) * dims.chunk; t++) {
    let at = modelAt(row, t);
    let moves = movesTo(t);
    predict(at, moves);
    update(at, row * dims.length + t);
    extend(at, moves);
  }
  let out = (row * dims.chunks + chunk) * ELEMENT;
  for (var i = 0u; i < states(); i++) {
    elements[out + i] = m[i];
    elements[out + STATES + i] = eta[i];
  }
  for (var i = 0u; i < states() * states(); i++) {
    elements[out + 2u * STATES + i] = E[i];
    elements[out + 2u * STATES + STATES * STATES + i] = U[i];
    elements[out + 2u * STATES + 2u * STATES * STATES + i] = Z[i];
  }
}

/// Takes the sample that `update` has just seen into E, eta and Z. With F = A E and
/// Y = S^(-1/2) C F, which is how the sample depends on the state before the chunk:
/// eta + transpose(Y) whitened, E = F - K S^(1/2) Y, Z transpose(Z) + transpose(Y) Y.
fn extend(at: u32, moves: bool) {
  var F = E;
  if (moves) {
    for (var i = 0u; i < states(); i++) {
      for (var c = 0u; c < states(); c++) {
        var sum = 0.0;
        for (var j = 0u; j < states(); j++) {
          sum += model[at + i * STATES + j] * E[j * STATES + c];
        }
        F[i * STATES + c] = sum;
      }
    }
  }
  var Y: array<f32, OBSERVED * STATES>;
  for (var i = 0u; i < channels(); i++) {
    for (var c = 0u; c < states(); c++) {
      var sum = 0.0;
      if (isSeen[i]) {
        for (var j = 0u; j < states(); j++) {
          sum += model[at + AT_C + i * STATES + j] * F[j * STATES + c];
        }
        for (var j = 0u; j < i; j++) {
          sum -= work[i * COLS + j] * Y[j * STATES + c];
        }
        sum /= work[i * COLS + i];
      }
      Y[i * STATES + c] = sum;
    }
  }
  for (var c = 0u; c < states(); c++) {
    for (var i = 0u; i < channels(); i++) {
      eta[c] += Y[i * STATES + c] * whitened[i];
    }
    for (var i = 0u; i < states(); i++) {
      var sum = F[i * STATES + c];
      for (var j = 0u; j < channels(); j++) {
        sum -= work[(OBSERVED + i) * COLS + j] * Y[j * STATES + c];
      }
      E[i * STATES + c] = sum;
    }
  }
  let cols = STATES + OBSERVED;
  for (var i = 0u; i < states(); i++) {
    for (var c = 0u; c < states(); c++) {
      work[i * cols + c] = Z[i * STATES + c];
    }
    for (var c = 0u; c < channels(); c++) {
      work[i * cols + STATES + c] = Y[c * STATES + i];
    }
  }
  triangularize(STATES, cols);
  for (var i = 0u; i < states(); i++) {
    for (var c = 0u; c < states(); c++) {
      Z[i * STATES + c] = work[i * cols + c];
    }
  }
}

@compute @workgroup_size(GROUP)
fn carry_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.batch) {
    return;
  }
  for (var i = 0u; i < states(); i++) {
    m[i] = startMean[row * STATES + i];
  }
  for (var i = 0u; i < states() * states(); i++) {
    U[i] = startFactor[row * STATES * STATES + i];
  }
  for (var chunk = 0u; chunk < dims.chunks; chunk++) {
    let out = (row * dims.chunks + chunk) * BELIEF;
    for (var i = 0u; i < states(); i++) {
      beliefs[out + i] = m[i];
    }
    for (var i = 0u; i < states() * states(); i++) {
      beliefs[out + STATES + i] = U[i];
    }
    if (chunk + 1u < dims.chunks) {
      cross((row * dims.chunks + chunk) * ELEMENT);
    }
  }
}

/// The belief behind a chunk from the one before it. With X transpose(X) =
/// I + transpose(U) Z transpose(Z) U:
/// m + U (X transpose(X))^-1 transpose(U) (eta - Z transpose(Z) m), factor U transpose(X)^-1, and
/// those moved by the chunk.
fn cross(at: u32) {
  let AT_ETA = at + STATES;
  let AT_E = at + 2u * STATES;
  let AT_U = AT_E + STATES * STATES;
  let AT_Z = AT_U + STATES * STATES;
  let cols = 2u * STATES;
  var inner: array<f32, STATES>;
  var shift: array<f32, STATES>;
  for (var i = 0u; i < states(); i++) {
    var sum = 0.0;
    for (var j = 0u; j < states(); j++) {
      sum += elements[AT_Z + j * STATES + i] * m[j];
      var entry = 0.0;
      for (var k = 0u; k < states(); k++) {
        entry += U[k * STATES + i] * elements[AT_Z + k * STATES + j];
      }
      work[i * cols + j] = entry;
      work[i * cols + STATES + j] = select(0.0, 1.0, i == j);
    }
    inner[i] = sum;
  }
  for (var i = 0u; i < states(); i++) {
    var sum = 0.0;
    for (var j = 0u; j < states(); j++) {
      var surprise = elements[AT_ETA + j];
      for (var k = 0u; k < states(); k++) {
        surprise -= elements[AT_Z + j * STATES + k] * inner[k];
      }
      sum += U[j * STATES + i] * surprise;
    }
    shift[i] = sum;
  }
  triangularize(STATES, cols);
  for (var i = 0u; i < states(); i++) {
    for (var j = 0u; j < i; j++) {
      shift[i] -= work[i * cols + j] * shift[j];
    }
    shift[i] /= work[i * cols + i];
  }
  for (var r = 0u; r < states(); r++) {
    let i = STATES - 1u - r;
    for (var j = i + 1u; j < states(); j++) {
      shift[i] -= work[j * cols + i] * shift[j];
    }
    shift[i] /= work[i * cols + i];
  }
  var moved: array<f32, STATES>;
  for (var i = 0u; i < states(); i++) {
    moved[i] = m[i];
    for (var j = 0u; j < states(); j++) {
      moved[i] += U[i * STATES + j] * shift[j];
    }
  }
  for (var i = 0u; i < states(); i++) {
    for (var j = 0u; j < states(); j++) {
      var sum = U[i * STATES + j];
      for (var k = 0u; k < j; k++) {
        sum -= U[i * STATES + k] * work[j * cols + k];
      }
      U[i * STATES + j] = sum / work[j * cols + j];
    }
  }
  for (var i = 0u; i < states(); i++) {
    var sum = elements[at + i];
    for (var j = 0u; j < states(); j++) {
      sum += elements[AT_E + i * STATES + j] * moved[j];
      var entry = 0.0;
      for (var k = 0u; k < states(); k++) {
        entry += elements[AT_E + i * STATES + k] * U[k * STATES + j];
      }
      work[i * cols + j] = entry;
      work[i * cols + STATES + j] = elements[AT_U + i * STATES + j];
    }
    m[i] = sum;
  }
  triangularize(STATES, cols);
  for (var i = 0u; i < states(); i++) {
    for (var j = 0u; j < states(); j++) {
      U[i * STATES + j] = work[i * cols + j];
    }
  }
}
#end

#if IS_BACKWARD
/// The flow by the belief: by its mean and by its covariance.
var<private> g: array<f32, STATES>;
var<private> Gamma: array<f32, STATES * STATES>;
/// Of a chunk: Gamma before it = transpose(Phi) Gamma Phi + sym(transpose(Phi) g transpose(zeta)) +
/// constant.
var<private> Phi: array<f32, STATES * STATES>;
var<private> zeta: array<f32, STATES>;
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
/// Where a flow's parts begin.
const FLOW_CROSS = STATES;
const FLOW_Y = STATES + STATES * STATES;
const FLOW_S = FLOW_Y + OBSERVED;
const FLOW_LOG = FLOW_S + OBSERVED * OBSERVED;

@compute @workgroup_size(GROUP)
fn pack_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let sample = elementIndex(group, groups, local, GROUP);
  if (sample >= dims.batch * dims.length) {
    return;
  }
  let out = sample * FLOW;
  let at = sample * STATES * STATES;
  // Half of transpose(L) gradL, its lower triangle mirrored; then L^-T that L^-1.
  for (var i = 0u; i < states(); i++) {
    flows[out + i] = gradMean[sample * STATES + i];
    for (var j = 0u; j <= i; j++) {
      var sum = 0.0;
      for (var k = i; k < states(); k++) {
        sum += factor[at + k * STATES + i] * gradFactor[at + k * STATES + j];
      }
      work[i * STATES + j] = 0.5 * sum;
      work[j * STATES + i] = 0.5 * sum;
    }
  }
  for (var side = 0u; side < 2u; side++) {
    for (var r = 0u; r < states(); r++) {
      let i = STATES - 1u - r;
      let pivot = factor[at + i * STATES + i];
      for (var j = 0u; j < states(); j++) {
        var sum = work[i * STATES + j];
        for (var k = i + 1u; k < states(); k++) {
          sum -= factor[at + k * STATES + i] * work[k * STATES + j];
        }
        if (pivot == 0.0) {
          work[i * STATES + j] = 0.0;
        } else {
          work[i * STATES + j] = sum / pivot;
        }
      }
    }
    for (var i = 0u; i < states(); i++) {
      for (var j = 0u; j < i; j++) {
        let kept = work[i * STATES + j];
        work[i * STATES + j] = work[j * STATES + i];
        work[j * STATES + i] = kept;
      }
    }
  }
  for (var i = 0u; i < states(); i++) {
    for (var j = 0u; j < states(); j++) {
      flows[out + FLOW_CROSS + i * STATES + j] =
        0.5 * (work[i * STATES + j] + work[j * STATES + i]);
    }
  }
  for (var i = 0u; i < channels(); i++) {
    flows[out + FLOW_Y + i] = gradForecast[sample * OBSERVED + i];
    for (var j = 0u; j < channels(); j++) {
      let upper = gradForecastCov[(sample * OBSERVED + i) * OBSERVED + j];
      let lower = gradForecastCov[(sample * OBSERVED + j) * OBSERVED + i];
      flows[out + FLOW_S + i * OBSERVED + j] = 0.5 * (upper + lower);
    }
  }
  flows[out + FLOW_LOG] = gradLogLik[sample];
}

/// Loads the belief before a sample and filters the sample again; w, K, z and keep from that.
fn visit(row: u32, t: u32, at: u32, moves: bool) {
  let sample = row * dims.length + t;
  for (var i = 0u; i < states(); i++) {
    m[i] = meanBefore(row, t, i);
  }
  for (var i = 0u; i < states() * states(); i++) {
    U[i] = factorBefore(row, t, i);
  }
  predict(at, moves);
  update(at, sample);
  // The inverse of S^(1/2), row by row over it.
  var inverse: array<f32, OBSERVED * OBSERVED>;
  for (var j = 0u; j < channels(); j++) {
    for (var i = j; i < channels(); i++) {
      var sum = select(0.0, 1.0, i == j);
      for (var k = j; k < i; k++) {
        sum -= work[i * COLS + k] * inverse[k * OBSERVED + j];
      }
      inverse[i * OBSERVED + j] = sum / work[i * COLS + i];
    }
  }
  for (var j = 0u; j < channels(); j++) {
    var weight = 0.0;
    for (var k = j; k < channels(); k++) {
      weight += inverse[k * OBSERVED + j] * whitened[k];
    }
    w[j] = weight;
    for (var i = 0u; i < states(); i++) {
      var sum = 0.0;
      for (var k = j; k < channels(); k++) {
        sum += work[(OBSERVED + i) * COLS + k] * inverse[k * OBSERVED + j];
      }
      K[i * OBSERVED + j] = sum;
    }
    for (var i = 0u; i < channels(); i++) {
      var sum = 0.0;
      for (var k = max(i, j); k < channels(); k++) {
        sum += inverse[k * OBSERVED + i] * inverse[k * OBSERVED + j];
      }
      // S^-1; a missing channel stands in S as a 1 of its own.
      ofS[i * OBSERVED + j] = select(0.0, sum, isSeen[i] && isSeen[j]);
    }
  }
  for (var i = 0u; i < states(); i++) {
    var sum = 0.0;
    for (var k = 0u; k < channels(); k++) {
      sum += model[at + AT_C + k * STATES + i] * w[k];
    }
    z[i] = sum;
    for (var j = 0u; j < states(); j++) {
      var entry = select(0.0, 1.0, i == j);
      for (var k = 0u; k < channels(); k++) {
        entry -= K[i * OBSERVED + k] * model[at + AT_C + k * STATES + j];
      }
      keep[i * STATES + j] = entry;
    }
  }
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
fn backThroughUpdate(at: u32, sample: u32) {
  let flow = sample * FLOW;
  for (var i = 0u; i < states(); i++) {
    g[i] += flows[flow + i];
  }
  for (var i = 0u; i < states() * states(); i++) {
    Gamma[i] += flows[flow + FLOW_CROSS + i];
  }
  let likelihood = flows[flow + FLOW_LOG];
  var ofGain: array<f32, OBSERVED>;
  for (var j = 0u; j < channels(); j++) {
    var along = 0.0;
    for (var i = 0u; i < states(); i++) {
      along += K[i * OBSERVED + j] * g[i];
      var sum = 0.0;
      for (var k = 0u; k < states(); k++) {
        sum += Gamma[i * STATES + k] * K[k * OBSERVED + j];
      }
      GammaK[i * OBSERVED + j] = sum;
    }
    ofGain[j] = along;
    ofY[j] = along - likelihood * w[j];
    ofExpected[j] = flows[flow + FLOW_Y + j] - ofY[j];
  }
  for (var i = 0u; i < channels(); i++) {
    for (var j = 0u; j < channels(); j++) {
      let spread = ofS[i * OBSERVED + j] - w[i] * w[j];
      let ofMean = 0.5 * (ofGain[i] * w[j] + w[i] * ofGain[j]);
      let total = flows[flow + FLOW_S + i * OBSERVED + j] - 0.5 * likelihood * spread - ofMean;
      ofS[i * OBSERVED + j] = total;
      var sum = total;
      for (var k = 0u; k < states(); k++) {
        sum += K[k * OBSERVED + i] * GammaK[k * OBSERVED + j];
      }
      ofR[i * OBSERVED + j] = sum;
    }
  }
}

/// The flow by the prediction from the one by the belief, once `backThroughUpdate` has run.
fn flowOfPrediction(at: u32) {
  var SC: array<f32, OBSERVED * STATES>;
  for (var i = 0u; i < channels(); i++) {
    for (var j = 0u; j < states(); j++) {
      var sum = 0.0;
      for (var k = 0u; k < channels(); k++) {
        sum += ofS[i * OBSERVED + k] * model[at + AT_C + k * STATES + j];
      }
      SC[i * STATES + j] = sum;
    }
  }
  sandwich(&keep);
  for (var i = 0u; i < states(); i++) {
    for (var j = 0u; j < states(); j++) {
      var sum = Gamma[i * STATES + j] + 0.5 * (g[i] * z[j] + z[i] * g[j]);
      for (var k = 0u; k < channels(); k++) {
        sum += model[at + AT_C + k * STATES + i] * SC[k * STATES + j];
      }
      Gamma[i * STATES + j] = sum;
    }
  }
  for (var i = 0u; i < states(); i++) {
    for (var k = 0u; k < channels(); k++) {
      g[i] += model[at + AT_C + k * STATES + i] * ofExpected[k];
    }
  }
}

/// Gamma = transpose(left) Gamma left.
fn sandwich(left: ptr<private, array<f32, STATES * STATES>>) {
  var half: array<f32, STATES * STATES>;
  for (var i = 0u; i < states(); i++) {
    for (var j = 0u; j < states(); j++) {
      var sum = 0.0;
      for (var k = 0u; k < states(); k++) {
        sum += Gamma[i * STATES + k] * (*left)[k * STATES + j];
      }
      half[i * STATES + j] = sum;
    }
  }
  for (var i = 0u; i < states(); i++) {
    for (var j = 0u; j < states(); j++) {
      var sum = 0.0;
      for (var k = 0u; k < states(); k++) {
        sum += (*left)[k * STATES + i] * half[k * STATES + j];
      }
      Gamma[i * STATES + j] = sum;
    }
  }
}

/// The flow by the belief before a step from the one by the prediction. `keep` becomes A.
fn backThroughStep(at: u32) {
  var before: array<f32, STATES>;
  for (var j = 0u; j < states(); j++) {
    var sum = 0.0;
    for (var i = 0u; i < states(); i++) {
      sum += model[at + i * STATES + j] * g[i];
      keep[i * STATES + j] = model[at + i * STATES + j];
    }
    before[j] = sum;
  }
  g = before;
  sandwich(&keep);
}

/// Phi = Phi keep A, zeta = transpose(keep A) zeta + transpose(A) z, A = I where nothing moves.
fn extendFlow(at: u32, moves: bool) {
  var one = keep;
  var shift = z;
  if (moves) {
    for (var j = 0u; j < states(); j++) {
      var sum = 0.0;
      for (var k = 0u; k < states(); k++) {
        sum += model[at + k * STATES + j] * z[k];
      }
      shift[j] = sum;
      for (var i = 0u; i < states(); i++) {
        var entry = 0.0;
        for (var k = 0u; k < states(); k++) {
          entry += keep[i * STATES + k] * model[at + k * STATES + j];
        }
        one[i * STATES + j] = entry;
      }
    }
  }
  let before = Phi;
  for (var j = 0u; j < states(); j++) {
    var along = shift[j];
    for (var i = 0u; i < states(); i++) {
      along += one[i * STATES + j] * zeta[i];
      var entry = 0.0;
      for (var k = 0u; k < states(); k++) {
        entry += before[i * STATES + k] * one[k * STATES + j];
      }
      Phi[i * STATES + j] = entry;
    }
    shift[j] = along;
  }
  zeta = shift;
}

@compute @workgroup_size(GROUP)
fn flow_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.batch * (dims.chunks - 1u)) {
    return;
  }
  let row = index / (dims.chunks - 1u);
  let chunk = index % (dims.chunks - 1u) + 1u;
  let first = chunk * dims.chunk;
  let last = min(first + dims.chunk, dims.length);
  for (var i = 0u; i < states() * states(); i++) {
    Phi[i] = select(0.0, 1.0, i / STATES == i % STATES);
    Gamma[i] = 0.0;
  }
  for (var i = 0u; i < states(); i++) {
    g[i] = 0.0;
    zeta[i] = 0.0;
  }
  for (var t = last; t > first; t--) {
    let at = modelAt(row, t - 1u);
    // A chunk that is not the first has no sample that nothing leads to.
    visit(row, t - 1u, at, true);
    extendFlow(at, true);
    backThroughUpdate(at, row * dims.length + t - 1u);
    flowOfPrediction(at);
    backThroughStep(at);
  }
  let out = (row * dims.chunks + chunk) * FLOW_ELEMENT;
  for (var i = 0u; i < states(); i++) {
    elements[out + i] = g[i];
    elements[out + STATES + i] = zeta[i];
  }
  for (var i = 0u; i < states() * states(); i++) {
    elements[out + 2u * STATES + i] = Gamma[i];
    elements[out + 2u * STATES + STATES * STATES + i] = Phi[i];
  }
}

@compute @workgroup_size(GROUP)
fn carry_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.batch) {
    return;
  }
  for (var i = 0u; i < states(); i++) {
    g[i] = 0.0;
  }
  for (var i = 0u; i < states() * states(); i++) {
    Gamma[i] = 0.0;
  }
  for (var chunk = dims.chunks; chunk > 0u; chunk--) {
    let out = (row * dims.chunks + chunk - 1u) * BELIEF;
    for (var i = 0u; i < states(); i++) {
      carried[out + i] = g[i];
    }
    for (var i = 0u; i < states() * states(); i++) {
      carried[out + STATES + i] = Gamma[i];
    }
    if (chunk > 1u) {
      crossBack((row * dims.chunks + chunk - 1u) * FLOW_ELEMENT);
    }
  }
}

/// The flow before a chunk from the one behind it.
fn crossBack(at: u32) {
  let AT_GAMMA = at + 2u * STATES;
  for (var i = 0u; i < states() * states(); i++) {
    Phi[i] = elements[AT_GAMMA + STATES * STATES + i];
  }
  var through: array<f32, STATES>;
  for (var j = 0u; j < states(); j++) {
    zeta[j] = elements[at + STATES + j];
    var sum = 0.0;
    for (var i = 0u; i < states(); i++) {
      sum += Phi[i * STATES + j] * g[i];
    }
    through[j] = sum;
  }
  sandwich(&Phi);
  for (var i = 0u; i < states(); i++) {
    g[i] = through[i] + elements[at + i];
    for (var j = 0u; j < states(); j++) {
      Gamma[i * STATES + j] += elements[AT_GAMMA + i * STATES + j] +
        0.5 * (through[i] * zeta[j] + zeta[i] * through[j]);
    }
  }
}

/// Adds to a slice's gradient, or writes it where every sample has its own.
fn give(at: u32, value: f32) {
#if SLICE_PER_SAMPLE
  slices[at] = value;
#else
  slices[at] += value;
#end
}

@compute @workgroup_size(GROUP)
fn unfold_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.batch * dims.chunks) {
    return;
  }
  let row = index / dims.chunks;
  let first = index % dims.chunks * dims.chunk;
  let last = min(first + dims.chunk, dims.length);
  for (var i = 0u; i < states(); i++) {
    g[i] = carried[index * BELIEF + i];
  }
  for (var i = 0u; i < states() * states(); i++) {
    Gamma[i] = carried[index * BELIEF + STATES + i];
  }
#if SLICE_PER_SAMPLE == 0
  for (var i = 0u; i < WIDTH; i++) {
    slices[index * WIDTH + i] = 0.0;
  }
#end
  for (var t = last; t > first; t--) {
    let at = modelAt(row, t - 1u);
    let sample = row * dims.length + t - 1u;
    let moves = movesTo(t - 1u);
#if SLICE_PER_SAMPLE
    let slice = sample * WIDTH;
#else
    let slice = index * WIDTH;
#end
    visit(row, t - 1u, at, moves);
    backThroughUpdate(at, sample);
    giveObservation(slice, at);
    flowOfPrediction(at);
    // The sample's place in the flows takes its gradient by y, whose own has been read.
    for (var i = 0u; i < channels(); i++) {
      flows[sample * FLOW + FLOW_Y + i] = ofY[i];
    }
    giveStep(slice, at, row, t - 1u, moves);
    if (moves) {
      backThroughStep(at);
    }
  }
  for (var i = 0u; i < states(); i++) {
    carried[index * BELIEF + i] = g[i];
  }
  for (var i = 0u; i < states() * states(); i++) {
    carried[index * BELIEF + STATES + i] = Gamma[i];
  }
}

/// Gradients by C, the observation's factor and its intercept.
fn giveObservation(slice: u32, at: u32) {
  var along: array<f32, WIDE>;
  for (var c = 0u; c < wideColumns(); c++) {
    var sum = 0.0;
    for (var i = 0u; i < states(); i++) {
      sum += wide[i * WIDE + c] * g[i];
    }
    along[c] = sum;
  }
  for (var i = 0u; i < channels(); i++) {
    // 2 S C P + w transpose(P g) by P = wide transpose(wide); then 2 transpose(Gamma K) U.
    var out: array<f32, WIDE>;
    for (var c = 0u; c < wideColumns(); c++) {
      var sum = w[i] * along[c];
      for (var k = 0u; k < channels(); k++) {
        sum += 2.0 * ofS[i * OBSERVED + k] * wideOut[k * WIDE + c];
      }
      out[c] = sum;
    }
    var ofFactor: array<f32, STATES>;
    for (var c = 0u; c < states(); c++) {
      var sum = 0.0;
      for (var k = 0u; k < states(); k++) {
        sum += GammaK[k * OBSERVED + i] * U[k * STATES + c];
      }
      ofFactor[c] = 2.0 * sum;
    }
    for (var j = 0u; j < states(); j++) {
      var sum = ofExpected[i] * ahead[j];
      for (var c = 0u; c < wideColumns(); c++) {
        sum += out[c] * wide[j * WIDE + c];
      }
      for (var c = 0u; c < states(); c++) {
        sum -= ofFactor[c] * U[j * STATES + c];
      }
      give(slice + AT_C + i * STATES + j, sum);
    }
    for (var j = 0u; j < channels(); j++) {
      var sum = 0.0;
      for (var k = 0u; k < channels(); k++) {
        sum += ofR[i * OBSERVED + k] * model[at + AT_V + k * OBSERVED + j];
      }
      give(slice + AT_V + i * OBSERVED + j, 2.0 * sum);
    }
    give(slice + AT_OFFSET + i, ofExpected[i]);
  }
}

/// Gradients by A, the step's factor and its intercept, from the flow by the prediction.
fn giveStep(slice: u32, at: u32, row: u32, t: u32, moves: bool) {
  for (var i = 0u; i < states(); i++) {
    var ofMoved: array<f32, STATES>;
    for (var c = 0u; c < states(); c++) {
      var sum = 0.0;
      for (var k = 0u; k < states(); k++) {
        sum += Gamma[i * STATES + k] * wide[k * WIDE + c];
      }
      ofMoved[c] = 2.0 * sum;
    }
    for (var j = 0u; j < states(); j++) {
      var sum = g[i] * meanBefore(row, t, j);
      for (var c = 0u; c < states(); c++) {
        sum += ofMoved[c] * factorBefore(row, t, j * STATES + c);
      }
      give(slice + i * STATES + j, select(0.0, sum, moves));
    }
    for (var c = 0u; c < noises(); c++) {
      var sum = 0.0;
      for (var k = 0u; k < states(); k++) {
        sum += Gamma[i * STATES + k] * model[at + AT_W + k * NOISE + c];
      }
      give(slice + AT_W + i * NOISE + c, select(0.0, 2.0 * sum, moves));
    }
    give(slice + AT_SHIFT + i, select(0.0, g[i], moves));
  }
}

/// Sums of `span` rows of slices each, from column `offset` on.
@compute @workgroup_size(GROUP)
fn collect(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index < dims.count) {
    let first = index / dims.size * dims.span;
    var sum = 0.0;
    for (var r = first; r < first + dims.span; r++) {
      sum += slices[r * WIDTH + dims.offset + index % dims.size];
    }
    collected[index] = sum;
  }
}

@compute @workgroup_size(GROUP)
fn unpack_y(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index < dims.batch * dims.length * OBSERVED) {
    gradY[index] = flows[index / OBSERVED * FLOW + FLOW_Y + index % OBSERVED];
  }
}

@compute @workgroup_size(GROUP)
fn clear_mask(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index < dims.batch * dims.length * OBSERVED) {
    gradMask[index] = 0.0;
  }
}

/// The flow before the first chunk is the gradient by the start.
@compute @workgroup_size(GROUP)
fn unpack_start(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.batch * STATES) {
    return;
  }
  let row = index / STATES;
  let i = index % STATES;
  let at = row * dims.chunks * BELIEF;
  gradStartMean[index] = carried[at + i];
  for (var j = 0u; j < states(); j++) {
    var sum = 0.0;
    for (var k = 0u; k < states(); k++) {
      let other = startFactor[(row * STATES + k) * STATES + j];
      sum += carried[at + STATES + i * STATES + k] * other;
    }
    gradStartFactor[index * STATES + j] = 2.0 * sum;
  }
}
#end
