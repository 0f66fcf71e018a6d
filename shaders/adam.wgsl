// One step of Adam on one tensor. One invocation a weight.
#import shared/bounds

struct Dims {
  count: u32, meanRate: f32, inverseRoot: f32, beta1: f32, beta2: f32, rest1: f32, rest2: f32,
  eps: f32, decay: f32, shrink: f32, clipNorm: f32
}

@group(0) @binding(0) var<storage, read> parameter: array<f32>;
@group(0) @binding(1) var<storage, read> gradient: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read> squaredNorm: array<f32>;
@group(0) @binding(5) var<storage, read> largest: array<f32>;
@group(0) @binding(6) var<storage, read_write> nextParameter: array<f32>;
@group(0) @binding(7) var<storage, read_write> nextMean: array<f32>;
@group(0) @binding(8) var<storage, read_write> nextVariance: array<f32>;
@group(0) @binding(9) var<storage, read_write> nextLargest: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn step(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  var g = gradient[i];
#if HAS_NORM
  g *= min(1.0, dims.clipNorm / (sqrt(squaredNorm[0]) + 1e-6));
#end
  var p = parameter[i];
#if DECAY_IN_GRADIENT
  g += dims.decay * p;
#else
  p *= dims.shrink;
#end
  let m = dims.beta1 * mean[i] + dims.rest1 * g;
  let v = dims.beta2 * variance[i] + dims.rest2 * g * g;
  var top = v;
#if HAS_LARGEST
  top = max(largest[i], v);
  nextLargest[i] = top;
#end
  nextMean[i] = m;
  nextVariance[i] = v;
  nextParameter[i] = p - dims.meanRate * m / (sqrt(top) * dims.inverseRoot + dims.eps);
}
