// One step of Adam on all parameters at once, which lie behind one another in runs of RUN elements
// that share a setting. One invocation an Element: four weights where VECTOR is 4.
#import shared/bounds
#import shared/vector

/// Added to the norm that divides, as in src/ops/adam.ts.
const CLIP_EPS = 1e-6;

struct Dims {
  count: u32, rate: f32, meanShare: f32, inverseRoot: f32, beta1: f32, beta2: f32, rest1: f32,
  rest2: f32, eps: f32, decay: f32, clipNorm: f32
}

@group(0) @binding(0) var<storage, read> parameter: array<Element>;
@group(0) @binding(1) var<storage, read> gradient: array<Element>;
@group(0) @binding(2) var<storage, read> mean: array<Element>;
@group(0) @binding(3) var<storage, read> variance: array<Element>;
@group(0) @binding(4) var<storage, read> squaredNorm: array<f32>;
@group(0) @binding(5) var<storage, read> largest: array<Element>;
// Of each run: factor of the rate, weight decay, 1 where it takes the step.
@group(0) @binding(6) var<storage, read> settings: array<f32>;
@group(0) @binding(7) var<storage, read_write> nextParameter: array<Element>;
@group(0) @binding(8) var<storage, read_write> nextMean: array<Element>;
@group(0) @binding(9) var<storage, read_write> nextVariance: array<Element>;
@group(0) @binding(10) var<storage, read_write> nextLargest: array<Element>;
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
#if HAS_SETTINGS
  let setting = 3u * (i * VECTOR / RUN);
  let rate = dims.rate * settings[setting];
  let decay = settings[setting + 1u];
  if (settings[setting + 2u] == 0.0) {
    nextParameter[i] = parameter[i];
    nextMean[i] = mean[i];
    nextVariance[i] = variance[i];
#if HAS_LARGEST
    nextLargest[i] = largest[i];
#end
    return;
  }
#else
  let rate = dims.rate;
  let decay = dims.decay;
#end
  var g = gradient[i];
#if HAS_NORM
  g *= min(1.0, dims.clipNorm / (sqrt(squaredNorm[0]) + CLIP_EPS));
#end
  var p = parameter[i];
#if DECAY_IN_GRADIENT
  g += decay * p;
#else
  p *= 1.0 - rate * decay;
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
  nextParameter[i] = p - rate * dims.meanShare * m / (sqrt(top) * dims.inverseRoot + dims.eps);
}
