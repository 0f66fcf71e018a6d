// Rauch-Tung-Striebel smoother in square-root form; equations in src/ops/kalman_smoother.ts.
//
// An element (g, E, D) is the state of a sample given a later one: E later + g + D noise.
//
// regress        every sample given the next; the last forgets (E = 0)
// reduce_chunks  every chunk but the first: its first sample given what follows the chunk
// carry_chunks   the smoothed beliefs behind the chunks, from the end
// smooth_chunks  every chunk from the belief behind it
//
// and of the way back, from the start (shared/kalman_smoother_flow)
//
// regress        then leaves (predicted mean, E, Phi)
// pack_flows     gradients of the outputs of a sample, the factor's as one by the covariance
// reduce_flows   every chunk but the last: the flow behind it from what its samples add
// carry_flows    the flows before the chunks, in order
// add_flows      the flow by the smoothed belief of every sample
// regress_back   e = transpose(E) f, M and B of every sample
// belief_back    gradients by the filtered beliefs
// model_back     gradients by the slice of the model that leads to a sample
//
// An invocation runs one sample, or one chunk of one stream, in its own memory.

#import shared/bounds
#import shared/triangularize

struct Dims {
  batch: u32, length: u32, chunk: u32, chunks: u32,
  stepBatch: u32, stepTime: u32, noiseBatch: u32, noiseTime: u32, shiftBatch: u32, shiftTime: u32,
}

@group(0) @binding(0) var<storage, read> mean: array<f32>;
@group(0) @binding(1) var<storage, read> factor: array<f32>;
@group(0) @binding(2) var<storage, read> A: array<f32>;
@group(0) @binding(3) var<storage, read> processFactor: array<f32>;
@group(0) @binding(4) var<storage, read> stateIntercept: array<f32>;
@group(0) @binding(5) var<storage, read_write> elements: array<f32>;
@group(0) @binding(6) var<storage, read_write> spans: array<f32>;
@group(0) @binding(7) var<storage, read_write> beliefs: array<f32>;
#if IS_BACKWARD
@group(0) @binding(8) var<storage, read> smoothedMean: array<f32>;
@group(0) @binding(9) var<storage, read> smoothedFactor: array<f32>;
#else
@group(0) @binding(8) var<storage, read_write> smoothedMean: array<f32>;
@group(0) @binding(9) var<storage, read_write> smoothedFactor: array<f32>;
#end
@group(0) @binding(10) var<storage, read> gradSmoothedMean: array<f32>;
@group(0) @binding(11) var<storage, read> gradFactor: array<f32>;
@group(0) @binding(12) var<storage, read_write> flows: array<f32>;
@group(0) @binding(13) var<storage, read_write> ofMean: array<f32>;
@group(0) @binding(14) var<storage, read_write> ofFactor: array<f32>;
@group(0) @binding(15) var<storage, read_write> slices: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn regress(
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
  let out = sample * ELEMENT;
  let belief = sample * STATES;
  let U = sample * STATES * STATES;
  if (next == dims.length) {
#for i in 0..STATES
    elements[out + ${i}] = mean[belief + ${i}];
#for j in 0..STATES
    elements[out + ${STATES + i * STATES + j}] = 0.0;
    elements[out + ${STATES + STATES * STATES + i * STATES + j}] = factor[U + ${i * STATES + j}];
#end
#end
    return;
  }
  let step = row * dims.stepBatch + next * dims.stepTime;
  let noise = row * dims.noiseBatch + next * dims.noiseTime;
  var ahead: array<f32, STATES>;
#loop i in 0..STATES
  {
#if HAS_SHIFT
    ahead[${i}] = stateIntercept[row * dims.shiftBatch + next * dims.shiftTime + ${i}];
#else
    ahead[${i}] = 0.0;
#end
#for c in 0..COLS_0
    work[${i * STRIDE + c}] = 0.0;
    work[${(STATES + i) * STRIDE + c}] = 0.0;
#end
#for k in 0..STATES
    {
      let weight = A[step + ${i * STATES + k}];
      ahead[${i}] += weight * mean[belief + ${k}];
#for j in 0..k + 1
      work[${i * STRIDE + j}] += weight * factor[U + ${k * STATES + j}];
#end
    }
#end
#for j in 0..STATES
    work[${(STATES + i) * STRIDE + j}] = factor[U + ${i * STATES + j}];
#end
#for j in 0..NOISE
    work[${i * STRIDE + STATES + j}] = processFactor[noise + ${i * NOISE + j}];
#end
  }
#end
  triangularize0();
#loop i in 0..STATES
  {
    var g = mean[belief + ${i}];
    var E: array<f32, STATES>;
#for r in 0..STATES
#for j in STATES - 1 - r..STATES - r
    {
      var sum = work[${(STATES + i) * STRIDE + j}];
#for k in j + 1..STATES
      sum -= E[${k}] * work[${k * STRIDE + j}];
#end
      let pivot = work[${j * STRIDE + j}];
      // A state of no predicted variance, given those before it, is not regressed on.
      E[${j}] = select(sum / pivot, 0.0, pivot == 0.0);
      g -= E[${j}] * ahead[${j}];
    }
#end
#end
#for j in 0..STATES
    elements[out + ${STATES + i * STATES + j}] = E[${j}];
#end
#if IS_BACKWARD
    elements[out + ${i}] = ahead[${i}];
#for j in 0..STATES
    elements[out + ${STATES + STATES * STATES + i * STATES + j}] = work[${i * STRIDE + j}];
#end
#else
    elements[out + ${i}] = g;
#for j in 0..STATES
    elements[out + ${STATES + STATES * STATES + i * STATES + j}] =
      work[${(STATES + i) * STRIDE + STATES + j}];
#end
#end
  }
#end
}

/// A number of the samples' elements, and one of the chunks'.
fn number0(at: u32) -> f32 {
  return elements[at];
}

fn number1(at: u32) -> f32 {
  return spans[at];
}

#if IS_BACKWARD
#import shared/kalman_smoother_flow
#else
/// The element, or the belief, that a chunk has reached from its end.
var<private> g: array<f32, STATES>;
var<private> E: array<f32, STATES * STATES>;
var<private> D: array<f32, STATES * STATES>;

/// g and D before a sample, or before a chunk, from the element `at` of its storage.
#for source in 0..2
fn pass${source}(at: u32) {
  var next: array<f32, STATES>;
#loop i in 0..STATES
  {
    var sum = number${source}(at + ${i});
#for j in 0..STATES
    {
      sum += number${source}(at + ${STATES + i * STATES + j}) * g[${j}];
      var entry = 0.0;
#for k in 0..STATES
      entry += number${source}(at + ${STATES + i * STATES + k}) * D[${k * STATES + j}];
#end
      work[${i * STRIDE + j}] = entry;
      work[${i * STRIDE + STATES + j}] =
        number${source}(at + ${STATES + STATES * STATES + i * STATES + j});
    }
#end
    next[${i}] = sum;
  }
#end
  g = next;
  takeFactor();
}
#end

/// D becomes the triangular factor of `work`.
fn takeFactor() {
  triangularize1();
#for i in 0..STATES
#for j in 0..STATES
  D[${i * STATES + j}] = work[${i * STRIDE + j}];
#end
#end
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
  let chunk = index % (dims.chunks - 1u) + 1u;
  let first = chunk * dims.chunk;
  let last = min(first + dims.chunk, dims.length);
#for i in 0..STATES
  g[${i}] = 0.0;
#for j in 0..STATES
  E[${i * STATES + j}] = ${i == j}.0;
  D[${i * STATES + j}] = 0.0;
#end
#end
  for (var t = last; t > first; t--) {
    let at = (row * dims.length + t - 1u) * ELEMENT;
    let before = E;
#loop i in 0..STATES
#for j in 0..STATES
    {
      var sum = 0.0;
#for k in 0..STATES
      sum += elements[at + ${STATES + i * STATES + k}] * before[${k * STATES + j}];
#end
      E[${i * STATES + j}] = sum;
    }
#end
#end
    pass0(at);
  }
  let out = (row * dims.chunks + chunk) * ELEMENT;
#for i in 0..STATES
  spans[out + ${i}] = g[${i}];
#for j in 0..STATES
  spans[out + ${STATES + i * STATES + j}] = E[${i * STATES + j}];
  spans[out + ${STATES + STATES * STATES + i * STATES + j}] = D[${i * STATES + j}];
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
  g[${i}] = 0.0;
#for j in 0..STATES
  D[${i * STATES + j}] = 0.0;
#end
#end
  for (var chunk = dims.chunks; chunk > 0u; chunk--) {
    // What lies behind the last chunk is read by an element that forgets it.
    let out = (row * dims.chunks + chunk - 1u) * BELIEF;
#for i in 0..STATES
    beliefs[out + ${i}] = g[${i}];
#for j in 0..STATES
    beliefs[out + ${STATES + i * STATES + j}] = D[${i * STATES + j}];
#end
#end
    if (chunk > 1u) {
      pass1((row * dims.chunks + chunk - 1u) * ELEMENT);
    }
  }
}

@compute @workgroup_size(GROUP)
fn smooth_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.batch * dims.chunks) {
    return;
  }
  let row = index / dims.chunks;
  let chunk = index % dims.chunks;
  let first = chunk * dims.chunk;
  let last = min(first + dims.chunk, dims.length);
  let isLast = chunk + 1u == dims.chunks;
#for i in 0..STATES
  g[${i}] = select(beliefs[index * BELIEF + ${i}], 0.0, isLast);
#for j in 0..STATES
  D[${i * STATES + j}] = select(beliefs[index * BELIEF + ${STATES + i * STATES + j}], 0.0, isLast);
#end
#end
  for (var t = last; t > first; t--) {
    let sample = row * dims.length + t - 1u;
    pass0(sample * ELEMENT);
#for i in 0..STATES
    smoothedMean[sample * STATES + ${i}] = g[${i}];
#for j in 0..STATES
    smoothedFactor[sample * STATES * STATES + ${i * STATES + j}] = D[${i * STATES + j}];
#end
#end
  }
}
#end
