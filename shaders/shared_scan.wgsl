// Recurrence of one dense system that all features share: x[k] = A x[k-1] + B u[k].
//
// recur                 all states
// recur_backward        from the last sample: lambda, the gradient of every state
// gradients_of_inputs   gradU[k] = B.lambda[k]; one invocation a sample of a feature
// gradients_of_systems  sums of lambda[k] x[k-1]^T and lambda[k] u[k] over a part of the samples;
//                       one invocation an element
//
// In both walks a workgroup runs one feature of one row; its invocations share the rows of A.
#import shared/bounds

struct Dims { batch: u32, length: u32, feature: u32, rowsPerPart: u32, parts: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> A: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read> x0: array<f32>;
@group(0) @binding(4) var<storage, read_write> states: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;
@group(0) @binding(6) var<storage, read> gradStates: array<f32>;
@group(0) @binding(7) var<storage, read> gradState: array<f32>;
@group(0) @binding(8) var<storage, read_write> lambda: array<f32>;
@group(0) @binding(9) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(10) var<storage, read_write> gradX0: array<f32>;
@group(0) @binding(11) var<storage, read_write> gradA: array<f32>;
@group(0) @binding(12) var<storage, read_write> gradB: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// First row of the system of a sample.
fn systemOf(row: u32) -> u32 {
#if PER_STEP
  return row * STATES;
#else
  return 0u;
#end
}

var<workgroup> x: array<f32, STATES>;
var<workgroup> next: array<f32, STATES>;

@compute @workgroup_size(GROUP)
fn recur(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.x;
  let carried = (group.y * dims.feature + feature) * STATES;
  for (var n = local; n < STATES; n += GROUP) {
#if HAS_X0
    x[n] = x0[carried + n];
#else
    x[n] = 0.0;
#end
  }
  for (var k = 0u; k < dims.length; k++) {
    let row = group.y * dims.length + k;
    let at = row * dims.feature + feature;
    let system = systemOf(row);
    workgroupBarrier();
    for (var i = local; i < STATES; i += GROUP) {
      var sum = B[system + i] * u[at];
      for (var j = 0u; j < STATES; j++) {
        sum += A[(system + i) * STATES + j] * x[j];
      }
      next[i] = sum;
    }
    workgroupBarrier();
    for (var n = local; n < STATES; n += GROUP) {
      x[n] = next[n];
      states[at * STATES + n] = next[n];
    }
  }
  // Every invocation reads what it wrote itself.
  for (var n = local; n < STATES; n += GROUP) {
    state[carried + n] = x[n];
  }
}

/// lambda[b, k, d, n]: the gradient of the loss with respect to state n after sample k.
@compute @workgroup_size(GROUP)
fn recur_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.x;
  let carried = (group.y * dims.feature + feature) * STATES;
  for (var n = local; n < STATES; n += GROUP) {
    next[n] = gradState[carried + n];
  }
  for (var back = 0u; back < dims.length; back++) {
    let row = group.y * dims.length + dims.length - 1u - back;
    let at = (row * dims.feature + feature) * STATES;
    let system = systemOf(row);
    for (var n = local; n < STATES; n += GROUP) {
      x[n] = next[n] + gradStates[at + n];
      lambda[at + n] = x[n];
    }
    workgroupBarrier();
    for (var j = local; j < STATES; j += GROUP) {
      var sum = 0.0;
      for (var i = 0u; i < STATES; i++) {
        sum += A[(system + i) * STATES + j] * x[i];
      }
      next[j] = sum;
    }
    workgroupBarrier();
  }
#if HAS_X0
  for (var n = local; n < STATES; n += GROUP) {
    gradX0[carried + n] = next[n];
  }
#end
}

@compute @workgroup_size(GROUP)
fn gradients_of_inputs(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.batch * dims.length * dims.feature) {
    return;
  }
  let system = systemOf(i / dims.feature);
  var sum = 0.0;
  for (var n = 0u; n < STATES; n++) {
    sum += B[system + n] * lambda[i * STATES + n];
  }
  gradU[i] = sum;
}

/// State j before a sample, of one feature.
fn stateBefore(row: u32, feature: u32, j: u32) -> f32 {
  if (row % dims.length > 0u) {
    return states[((row - 1u) * dims.feature + feature) * STATES + j];
  }
#if HAS_X0
  return x0[(row / dims.length * dims.feature + feature) * STATES + j];
#else
  return 0.0;
#end
}

/// Sums over the samples of a part: rows of gradA with, as one more column, gradB.
@compute @workgroup_size(GROUP)
fn gradients_of_systems(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.parts * STATES * (STATES + 1u)) {
    return;
  }
  let j = index % (STATES + 1u);
  let i = index / (STATES + 1u) % STATES;
  let part = index / (STATES + 1u) / STATES;
  let first = part * dims.rowsPerPart;
  let end = min(first + dims.rowsPerPart, dims.batch * dims.length);
  var sum = 0.0;
  for (var row = first; row < end; row++) {
    for (var d = 0u; d < dims.feature; d++) {
      let at = row * dims.feature + d;
      let weight = lambda[at * STATES + i];
      if (j == STATES) {
        sum += weight * u[at];
      } else {
        sum += weight * stateBefore(row, d, j);
      }
    }
  }
  if (j == STATES) {
    gradB[part * STATES + i] = sum;
  } else {
    gradA[(part * STATES + i) * STATES + j] = sum;
  }
}
