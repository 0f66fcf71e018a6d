// Kalman filter in square-root form; equations in src/ops/kalman_filter.ts.
//
// An invocation runs one chunk of the length of one stream, in its own memory.
//
// pack_model      the model's arrays side by side: a slice for all, for a stream or for a sample
// pack_seen       y and its mask side by side, where there is a mask
// reduce_chunks   every chunk but the last as a function (A, b, U, eta, Z) of the belief before it
// carry_chunks    the beliefs before the chunks, in order; across a chunk that is no such function,
//                 sample by sample
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
// unpack_y, unpack_start, clear_mask

#import shared/bounds

struct Dims {
  batch: u32, length: u32, chunk: u32, chunks: u32,
  modelBatch: u32, modelTime: u32, modelRows: u32, modelLength: u32,
  axesA: u32, axesC: u32, axesW: u32, axesV: u32, axesShift: u32, axesOffset: u32,
  firstMoves: u32, slicePerSample: u32,
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
#if PHASE == 1
@group(0) @binding(10) var<storage, read_write> mean: array<f32>;
@group(0) @binding(11) var<storage, read_write> factor: array<f32>;
#else
@group(0) @binding(10) var<storage, read> mean: array<f32>;
@group(0) @binding(11) var<storage, read> factor: array<f32>;
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
@group(0) @binding(28) var<storage, read_write> gradY: array<f32>;
@group(0) @binding(29) var<storage, read_write> gradMask: array<f32>;
@group(0) @binding(30) var<storage, read_write> gradStartMean: array<f32>;
@group(0) @binding(31) var<storage, read_write> gradStartFactor: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

#if PHASE > 0
#import shared/kalman_step
#end
#if PHASE == 1
#import shared/kalman_filter_chunks
#end
#if PHASE == 2
#import shared/kalman_flow_chunks
#end
#if PHASE == 0
#import shared/factor_gradient
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
    value = A[slice[dims.axesA] * STATES * STATES + at];
  } else if (at < AT_W) {
    value = C[slice[dims.axesC] * OBSERVED * STATES + at - AT_C];
  } else if (at < AT_V) {
    value = processFactor[slice[dims.axesW] * STATES * NOISE + at - AT_W];
  } else if (at < AT_SHIFT) {
    value = observationFactor[slice[dims.axesV] * OBSERVED * OBSERVED + at - AT_V];
  } else if (at < AT_OFFSET) {
#if HAS_SHIFT
    value = stateIntercept[slice[dims.axesShift] * STATES + at - AT_SHIFT];
#end
  } else {
#if HAS_OFFSET
    value = observationIntercept[slice[dims.axesOffset] * OBSERVED + at - AT_OFFSET];
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
  factorGradient(sample * STATES * STATES);
#for i in 0..STATES
  flows[out + ${i}] = gradMean[sample * STATES + ${i}];
#for j in 0..STATES
  flows[out + ${FLOW_CROSS + i * STATES + j}] = ofCov[${i * STATES + j}];
#end
#end
#for i in 0..OBSERVED
  flows[out + ${FLOW_Y + i}] = gradForecast[sample * OBSERVED + ${i}];
#for j in 0..OBSERVED
  {
    let upper = gradForecastCov[sample * OBSERVED * OBSERVED + ${i * OBSERVED + j}];
    let lower = gradForecastCov[sample * OBSERVED * OBSERVED + ${j * OBSERVED + i}];
    flows[out + ${FLOW_S + i * OBSERVED + j}] = 0.5 * (upper + lower);
  }
#end
#end
  flows[out + FLOW_LOG] = gradLogLik[sample];
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
#for j in 0..STATES
  {
    var sum = 0.0;
#for k in 0..STATES
    {
      let other = startFactor[row * STATES * STATES + ${k * STATES + j}];
      sum += carried[at + i * STATES + ${STATES + k}] * other;
    }
#end
    gradStartFactor[index * STATES + ${j}] = 2.0 * sum;
  }
#end
}
#end
