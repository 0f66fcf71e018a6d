// The three phases of the Kalman filter over chunks of the length, for kalman_filter.wgsl.

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
#for i in 0..STATES
  m[${i}] = beliefs[index * BELIEF + ${i}];
#end
#for i in 0..STATES * STATES
  U[${i}] = beliefs[index * BELIEF + ${STATES + i}];
#end
  for (var t = first; t < last; t++) {
    let at = modelAt(row, t);
    let sample = row * dims.length + t;
    predict(at, movesTo(t));
#for i in 0..OBSERVED
    forecast[sample * OBSERVED + ${i}] = expected[${i}];
#for j in 0..OBSERVED
    {
      var sum = 0.0;
#for c in 0..WIDE
      sum += wideOut[${i * WIDE + c}] * wideOut[${j * WIDE + c}];
#end
#for c in 0..OBSERVED
      sum += model[at + ${AT_V + i * OBSERVED + c}] * model[at + ${AT_V + j * OBSERVED + c}];
#end
      forecastCov[sample * OBSERVED * OBSERVED + ${i * OBSERVED + j}] = sum;
    }
#end
#end
    logLik[sample] = update(at, sample);
#for i in 0..STATES
    mean[sample * STATES + ${i}] = m[${i}];
#end
#for i in 0..STATES * STATES
    factor[sample * STATES * STATES + ${i}] = U[${i}];
#end
  }
}

/// The chunk so far as a function of the belief before it: x after = E x before + m + U noise, and
/// what its observations say of x before: information vector eta and factor Z.
var<private> E: array<f32, STATES * STATES>;
var<private> eta: array<f32, STATES>;
var<private> Z: array<f32, STATES * STATES>;

/// A pivot below this share of what it is summed from, squares of both, is what rounding left of 0.
const SINGULAR_SHARE = 1e-10;

/// Whether the sample that `update` has just seen follows from what precedes it, for someone who
/// knows the belief before the chunk: its covariance is singular then, though that of the stream,
/// which does not know, is regular. Such a sample has no finite information.
fn isSingular(at: u32) -> bool {
  var found = false;
#for i in 0..OBSERVED
  {
    var whole = 0.0;
#for c in 0..WIDE
#for j in 0..STATES
    {
      let part = model[at + ${AT_C + i * STATES + j}] * wide[${j * WIDE + c}];
      whole += part * part;
    }
#end
#end
#for c in 0..OBSERVED
    {
      let part = model[at + ${AT_V + i * OBSERVED + c}];
      whole += part * part;
    }
#end
    let pivot = work[${i * STRIDE + i}];
    found = found || (isSeen[${i}] && pivot * pivot <= SINGULAR_SHARE * whole);
  }
#end
  return found;
}

/// A chunk's map beyond which it costs more digits than f32 can spare: 6e-8 times this remains.
const MAP_MAX = 1e3;

/// Whether the map of the chunk so far has grown large. Without noise it may grow like the inverse
/// of the system, whatever the filter of the stream does.
fn isLarge() -> bool {
  var largest = 0.0;
#for i in 0..STATES * STATES
  largest = max(largest, abs(E[${i}]));
#end
  return largest > MAP_MAX;
}

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
  // What precedes the first chunk is known, so it forgets (E = 0, Z = 0) and starts from that.
  let isFirst = chunk == 0u;
#for i in 0..STATES
  m[${i}] = select(0.0, startMean[row * STATES + ${i}], isFirst);
  eta[${i}] = 0.0;
#for j in 0..STATES
  E[${i * STATES + j}] = select(${i == j}.0, 0.0, isFirst);
  U[${i * STATES + j}] =
    select(0.0, startFactor[row * STATES * STATES + ${i * STATES + j}], isFirst);
  Z[${i * STATES + j}] = 0.0;
#end
#end
  var isBroken = false;
  for (var t = chunk * dims.chunk; t < (chunk + 1u) * dims.chunk; t++) {
    let at = modelAt(row, t);
    let moves = movesTo(t);
    predict(at, moves);
    update(at, row * dims.length + t);
    isBroken = isBroken || (!isFirst && isSingular(at));
    extend(at, moves);
    isBroken = isBroken || isLarge();
  }
  let out = (row * dims.chunks + chunk) * ELEMENT;
  elements[out + ELEMENT - 1u] = select(0.0, 1.0, isBroken);
#for i in 0..STATES
  elements[out + ${i}] = m[${i}];
  elements[out + ${STATES + i}] = eta[${i}];
#end
#for i in 0..STATES * STATES
  elements[out + ${2 * STATES + i}] = E[${i}];
  elements[out + ${2 * STATES + STATES * STATES + i}] = U[${i}];
  elements[out + ${2 * STATES + 2 * STATES * STATES + i}] = Z[${i}];
#end
}

/// Takes the sample that `update` has just seen into E, eta and Z. With F = A E and
/// Y = S^(-1/2) C F, which is how the sample depends on the state before the chunk:
/// eta + transpose(Y) whitened, E = F - K S^(1/2) Y, Z transpose(Z) + transpose(Y) Y.
fn extend(at: u32, moves: bool) {
  var F = E;
  if (moves) {
#loop i in 0..STATES
#for c in 0..STATES
    {
      var sum = 0.0;
#for j in 0..STATES
      sum += model[at + ${i * STATES + j}] * E[${j * STATES + c}];
#end
      F[${i * STATES + c}] = sum;
    }
#end
#end
  }
  var Y: array<f32, OBSERVED * STATES>;
#for i in 0..OBSERVED
#for c in 0..STATES
  {
    var sum = 0.0;
    if (isSeen[${i}]) {
#for j in 0..STATES
      sum += model[at + ${AT_C + i * STATES + j}] * F[${j * STATES + c}];
#end
#for j in 0..i
      sum -= work[${i * STRIDE + j}] * Y[${j * STATES + c}];
#end
      sum /= work[${i * STRIDE + i}];
    }
    Y[${i * STATES + c}] = sum;
  }
#end
#end
#loop c in 0..STATES
#for i in 0..OBSERVED
  eta[${c}] += Y[${i * STATES + c}] * whitened[${i}];
#end
#for i in 0..STATES
  {
    var sum = F[${i * STATES + c}];
#for j in 0..OBSERVED
    sum -= work[${(OBSERVED + i) * STRIDE + j}] * Y[${j * STATES + c}];
#end
    E[${i * STATES + c}] = sum;
  }
#end
#end
#loop i in 0..STATES
#for c in 0..STATES
  work[${i * STRIDE + c}] = Z[${i * STATES + c}];
#end
#for c in 0..OBSERVED
  work[${i * STRIDE + STATES + c}] = Y[${c * STATES + i}];
#end
#end
  triangularize1();
#loop i in 0..STATES
#for c in 0..STATES
  Z[${i * STATES + c}] = work[${i * STRIDE + c}];
#end
#end
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
#for i in 0..STATES
  m[${i}] = startMean[row * STATES + ${i}];
#end
#for i in 0..STATES * STATES
  U[${i}] = startFactor[row * STATES * STATES + ${i}];
#end
  for (var chunk = 0u; chunk < dims.chunks; chunk++) {
    let out = (row * dims.chunks + chunk) * BELIEF;
#for i in 0..STATES
    beliefs[out + ${i}] = m[${i}];
#end
#for i in 0..STATES * STATES
    beliefs[out + ${STATES + i}] = U[${i}];
#end
#if IS_CHUNKED
    if (chunk + 1u < dims.chunks) {
      let element = (row * dims.chunks + chunk) * ELEMENT;
      if (elements[element + ELEMENT - 1u] == 0.0) {
        cross(element);
      } else {
        // A chunk that is no function of this form is filtered sample by sample.
        for (var t = chunk * dims.chunk; t < (chunk + 1u) * dims.chunk; t++) {
          let at = modelAt(row, t);
          predict(at, movesTo(t));
          update(at, row * dims.length + t);
        }
      }
    }
#end
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
  var inner: array<f32, STATES>;
  var shift: array<f32, STATES>;
#loop i in 0..STATES
  {
    var sum = 0.0;
#for j in 0..STATES
    {
      sum += elements[AT_Z + ${j * STATES + i}] * m[${j}];
      var entry = 0.0;
#for k in 0..STATES
      entry += U[${k * STATES + i}] * elements[AT_Z + ${k * STATES + j}];
#end
      work[${i * STRIDE + j}] = entry;
      work[${i * STRIDE + STATES + j}] = f32(${i == j});
    }
#end
    inner[${i}] = sum;
  }
#end
#loop i in 0..STATES
  {
    var sum = 0.0;
#for j in 0..STATES
    {
      var surprise = elements[AT_ETA + ${j}];
#for k in 0..STATES
      surprise -= elements[AT_Z + ${j * STATES + k}] * inner[${k}];
#end
      sum += U[${j * STATES + i}] * surprise;
    }
#end
    shift[${i}] = sum;
  }
#end
  triangularize2();
#for i in 0..STATES
#for j in 0..i
  shift[${i}] -= work[${i * STRIDE + j}] * shift[${j}];
#end
  shift[${i}] /= work[${i * STRIDE + i}];
#end
#for r in 0..STATES
#for i in STATES - 1 - r..STATES - r
#for j in i + 1..STATES
  shift[${i}] -= work[${j * STRIDE + i}] * shift[${j}];
#end
  shift[${i}] /= work[${i * STRIDE + i}];
#end
#end
  var moved: array<f32, STATES>;
#for i in 0..STATES
  moved[${i}] = m[${i}];
#for j in 0..STATES
  moved[${i}] += U[${i * STATES + j}] * shift[${j}];
#end
#end
#loop i in 0..STATES
#for j in 0..STATES
  {
    var sum = U[${i * STATES + j}];
#for k in 0..j
    sum -= U[${i * STATES + k}] * work[${j * STRIDE + k}];
#end
    U[${i * STATES + j}] = sum / work[${j * STRIDE + j}];
  }
#end
#end
#loop i in 0..STATES
  {
    var sum = elements[at + ${i}];
#for j in 0..STATES
    {
      sum += elements[AT_E + ${i * STATES + j}] * moved[${j}];
      var entry = 0.0;
#for k in 0..STATES
      entry += elements[AT_E + ${i * STATES + k}] * U[${k * STATES + j}];
#end
      work[${i * STRIDE + j}] = entry;
      work[${i * STRIDE + STATES + j}] = elements[AT_U + ${i * STATES + j}];
    }
#end
    m[${i}] = sum;
  }
#end
  triangularize2();
#loop i in 0..STATES
#for j in 0..STATES
  U[${i * STATES + j}] = work[${i * STRIDE + j}];
#end
#end
}
