// The way back of the Kalman smoother over samples and chunks, for kalman_smoother.wgsl, whose
// variables it uses.
#import shared/factor_gradient

/// The flow by a smoothed belief: by its mean and by its covariance; and the chain of E so far.
var<private> f: array<f32, STATES>;
var<private> Gamma: array<f32, STATES * STATES>;
var<private> chain: array<f32, STATES * STATES>;

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
  factorGradient(sample * STATES * STATES);
  let out = sample * BELIEF;
#for i in 0..STATES
  flows[out + ${i}] = gradSmoothedMean[sample * STATES + ${i}];
#for j in 0..STATES
  flows[out + ${STATES + i * STATES + j}] = ofCov[${i * STATES + j}];
#end
#end
}

/// Adds what the outputs of a sample give to its flow.
fn addOutputs(sample: u32) {
#for i in 0..STATES
  f[${i}] += flows[sample * BELIEF + ${i}];
#for j in 0..STATES
  Gamma[${i * STATES + j}] += flows[sample * BELIEF + ${STATES + i * STATES + j}];
#end
#end
}

/// The flow past a map of the later state, that of a sample or of a chunk, by its place.
#for source in 0..2
fn pass${source}(at: u32) {
  var half: array<f32, STATES * STATES>;
  var past: array<f32, STATES>;
#for j in 0..STATES
  {
    var along = 0.0;
#for i in 0..STATES
    {
      along += number${source}(at + ${i * STATES + j}) * f[${i}];
      var sum = 0.0;
#for k in 0..STATES
      sum += Gamma[${i * STATES + k}] * number${source}(at + ${k * STATES + j});
#end
      half[${i * STATES + j}] = sum;
    }
#end
    past[${j}] = along;
  }
#end
  f = past;
#for i in 0..STATES
#for j in 0..STATES
  {
    var sum = 0.0;
#for k in 0..STATES
    sum += number${source}(at + ${k * STATES + i}) * half[${k * STATES + j}];
#end
    Gamma[${i * STATES + j}] = sum;
  }
#end
#end
}
#end

@compute @workgroup_size(GROUP)
fn reduce_flows(
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
#for i in 0..STATES
  f[${i}] = 0.0;
#for j in 0..STATES
  Gamma[${i * STATES + j}] = 0.0;
  chain[${i * STATES + j}] = ${i == j}.0;
#end
#end
  for (var t = chunk * dims.chunk; t < (chunk + 1u) * dims.chunk; t++) {
    let sample = row * dims.length + t;
    let at = sample * ELEMENT + STATES;
    addOutputs(sample);
    pass0(at);
    let before = chain;
#for i in 0..STATES
#for j in 0..STATES
    {
      var sum = 0.0;
#for k in 0..STATES
      sum += before[${i * STATES + k}] * elements[at + ${k * STATES + j}];
#end
      chain[${i * STATES + j}] = sum;
    }
#end
#end
  }
  let out = (row * dims.chunks + chunk) * ELEMENT;
#for i in 0..STATES
  spans[out + ${i}] = f[${i}];
#for j in 0..STATES
  spans[out + ${STATES + i * STATES + j}] = chain[${i * STATES + j}];
  spans[out + ${STATES + STATES * STATES + i * STATES + j}] = Gamma[${i * STATES + j}];
#end
#end
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
#for i in 0..STATES
  f[${i}] = 0.0;
#for j in 0..STATES
  Gamma[${i * STATES + j}] = 0.0;
#end
#end
  for (var chunk = 0u; chunk < dims.chunks; chunk++) {
    let out = (row * dims.chunks + chunk) * BELIEF;
#for i in 0..STATES
    beliefs[out + ${i}] = f[${i}];
#for j in 0..STATES
    beliefs[out + ${STATES + i * STATES + j}] = Gamma[${i * STATES + j}];
#end
#end
#if IS_CHUNKED
    if (chunk + 1u < dims.chunks) {
      let at = (row * dims.chunks + chunk) * ELEMENT;
      pass1(at + STATES);
#for i in 0..STATES
      f[${i}] += spans[at + ${i}];
#for j in 0..STATES
      Gamma[${i * STATES + j}] += spans[at + ${STATES + STATES * STATES + i * STATES + j}];
#end
#end
    }
#end
  }
}

@compute @workgroup_size(GROUP)
fn add_flows(
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
  f[${i}] = beliefs[index * BELIEF + ${i}];
#for j in 0..STATES
  Gamma[${i * STATES + j}] = beliefs[index * BELIEF + ${STATES + i * STATES + j}];
#end
#end
  for (var t = first; t < last; t++) {
    let sample = row * dims.length + t;
    addOutputs(sample);
#for i in 0..STATES
    flows[sample * BELIEF + ${i}] = f[${i}];
#for j in 0..STATES
    flows[sample * BELIEF + ${STATES + i * STATES + j}] = Gamma[${i * STATES + j}];
#end
#end
    pass0(sample * ELEMENT + STATES);
  }
}

@compute @workgroup_size(GROUP)
fn regress_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let sample = elementIndex(group, groups, local, GROUP);
  if (sample >= dims.batch * dims.length || (sample + 1u) % dims.length == 0u) {
    return;
  }
  let out = sample * ELEMENT;
  let E = out + STATES;
  let Phi = E + STATES * STATES;
  let next = (sample + 1u) * STATES * STATES;
  var gained: array<f32, STATES * STATES>;
  // P' of the next sample less the predicted covariance, both as squares of triangles.
#for i in 0..STATES
  f[${i}] = flows[sample * BELIEF + ${i}];
#for j in 0..STATES
  {
    Gamma[${i * STATES + j}] = flows[sample * BELIEF + ${STATES + i * STATES + j}];
    var sum = 0.0;
#for k in 0..(i < j) * i + (i >= j) * j + 1
    sum += smoothedFactor[next + ${i * STATES + k}] * smoothedFactor[next + ${j * STATES + k}];
    sum -= elements[Phi + ${i * STATES + k}] * elements[Phi + ${j * STATES + k}];
#end
    gained[${i * STATES + j}] = sum;
  }
#end
#end
  // chain = 2 Gamma E, then M.
#for i in 0..STATES
#for j in 0..STATES
  {
    var sum = 0.0;
#for k in 0..STATES
    sum += Gamma[${i * STATES + k}] * elements[E + ${k * STATES + j}];
#end
    chain[${i * STATES + j}] = 2.0 * sum;
  }
#end
#end
  var M: array<f32, STATES * STATES>;
#for i in 0..STATES
#for j in 0..STATES
  {
    var sum = f[${i}] * (smoothedMean[(sample + 1u) * STATES + ${j}] - elements[out + ${j}]);
#for k in 0..STATES
    sum += chain[${i * STATES + k}] * gained[${k * STATES + j}];
#end
    M[${i * STATES + j}] = sum;
  }
#end
#for j in 0..STATES
  {
    let pivot = elements[Phi + ${j * STATES + j}];
    var sum = M[${i * STATES + j}];
#for k in 0..j
    sum -= M[${i * STATES + k}] * elements[Phi + ${j * STATES + k}];
#end
    M[${i * STATES + j}] = select(sum / pivot, 0.0, pivot == 0.0);
  }
#end
#for r in 0..STATES
#for j in STATES - 1 - r..STATES - r
  {
    let pivot = elements[Phi + ${j * STATES + j}];
    var sum = M[${i * STATES + j}];
#for k in j + 1..STATES
    sum -= M[${i * STATES + k}] * elements[Phi + ${k * STATES + j}];
#end
    M[${i * STATES + j}] = select(sum / pivot, 0.0, pivot == 0.0);
  }
#end
#end
#end
  // transpose(E) M, then f and Gamma past E.
#for i in 0..STATES
#for j in 0..STATES
  {
    var sum = 0.0;
#for k in 0..STATES
    sum += elements[E + ${k * STATES + i}] * M[${k * STATES + j}];
#end
    chain[${i * STATES + j}] = sum;
  }
#end
#end
  pass0(E);
#for i in 0..STATES
  elements[out + ${i}] = f[${i}];
#for j in 0..STATES
  elements[E + ${i * STATES + j}] = M[${i * STATES + j}];
  elements[Phi + ${i * STATES + j}] = -Gamma[${i * STATES + j}] -
    0.5 * (chain[${i * STATES + j}] + chain[${j * STATES + i}]);
#end
#end
}

@compute @workgroup_size(GROUP)
fn belief_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let sample = elementIndex(group, groups, local, GROUP);
  if (sample >= dims.batch * dims.length) {
    return;
  }
  let row = sample / dims.length;
  let next = sample % dims.length + 1u;
  let M = sample * ELEMENT + STATES;
  let B = M + STATES * STATES;
  let step = row * dims.stepBatch + next * dims.stepTime;
#for i in 0..STATES
  f[${i}] = flows[sample * BELIEF + ${i}];
#for j in 0..STATES
  Gamma[${i * STATES + j}] = flows[sample * BELIEF + ${STATES + i * STATES + j}];
#end
#end
  // The last sample is its own smoothed one.
  if (next < dims.length) {
    // chain = B A.
#for i in 0..STATES
#for j in 0..STATES
    {
      var sum = 0.0;
#for k in 0..STATES
      sum += elements[B + ${i * STATES + k}] * A[step + ${k * STATES + j}];
#end
      chain[${i * STATES + j}] = sum;
    }
#end
#end
#for i in 0..STATES
    {
#for k in 0..STATES
      f[${i}] -= A[step + ${k * STATES + i}] * elements[sample * ELEMENT + ${k}];
#end
#for j in 0..STATES
      {
        var sum = 0.0;
        var mirrored = 0.0;
        var through = 0.0;
#for k in 0..STATES
        sum += elements[M + ${i * STATES + k}] * A[step + ${k * STATES + j}];
        mirrored += elements[M + ${j * STATES + k}] * A[step + ${k * STATES + i}];
        through += A[step + ${k * STATES + i}] * chain[${k * STATES + j}];
#end
        Gamma[${i * STATES + j}] += 0.5 * (sum + mirrored) + through;
      }
#end
    }
#end
  }
#for i in 0..STATES
  ofMean[sample * STATES + ${i}] = f[${i}];
#for j in 0..STATES
  {
    var sum = 0.0;
#for k in 0..STATES
    sum += Gamma[${i * STATES + k}] * factor[sample * STATES * STATES + ${k * STATES + j}];
#end
    ofFactor[sample * STATES * STATES + ${i * STATES + j}] = 2.0 * sum;
  }
#end
#end
}

@compute @workgroup_size(GROUP)
fn model_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let sample = elementIndex(group, groups, local, GROUP);
  if (sample >= dims.batch * dims.length) {
    return;
  }
  let row = sample / dims.length;
  let t = sample % dims.length;
  let out = sample * WIDTH;
  if (t == 0u) {
    // Nothing that is smoothed here leads to the first sample.
#for i in 0..WIDTH
    slices[out + ${i}] = 0.0;
#end
    return;
  }
  let before = (sample - 1u) * ELEMENT;
  let M = before + STATES;
  let B = M + STATES * STATES;
  let U = (sample - 1u) * STATES * STATES;
  let step = row * dims.stepBatch + t * dims.stepTime;
  let noise = row * dims.noiseBatch + t * dims.noiseTime;
  // chain = A U, then dA = (transpose(M) U + 2 B chain) transpose(U) - e transpose(mean).
#for i in 0..STATES
#for j in 0..STATES
  {
    var sum = 0.0;
#for k in 0..STATES
    sum += A[step + ${i * STATES + k}] * factor[U + ${k * STATES + j}];
#end
    chain[${i * STATES + j}] = sum;
  }
#end
#end
#for i in 0..STATES
  {
    let e = elements[before + ${i}];
    var left: array<f32, STATES>;
#for c in 0..STATES
    {
      var sum = 0.0;
#for k in 0..STATES
      sum += elements[M + ${k * STATES + i}] * factor[U + ${k * STATES + c}] +
        2.0 * elements[B + ${i * STATES + k}] * chain[${k * STATES + c}];
#end
      left[${c}] = sum;
    }
#end
#for j in 0..STATES
    {
      var sum = -e * mean[(sample - 1u) * STATES + ${j}];
#for c in 0..STATES
      sum += left[${c}] * factor[U + ${j * STATES + c}];
#end
      slices[out + ${i * STATES + j}] = sum;
    }
#end
#for j in 0..NOISE
    {
      var sum = 0.0;
#for k in 0..STATES
      sum += elements[B + ${i * STATES + k}] * processFactor[noise + ${k * NOISE + j}];
#end
      slices[out + ${AT_W + i * NOISE + j}] = 2.0 * sum;
    }
#end
    slices[out + ${AT_SHIFT + i}] = -e;
  }
#end
}
