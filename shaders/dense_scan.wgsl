// Recurrence of dense systems (LSSL): x[k] = A x[k-1] + B u[k], y[k] = C x[k] + D u[k].
//
// A workgroup runs one feature of one row; its invocations share the rows of A and of C.

struct Dims { length: u32, feature: u32, channel: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> A: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read> C: array<f32>;
@group(0) @binding(4) var<storage, read> D: array<f32>;
@group(0) @binding(5) var<storage, read> x0: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<storage, read_write> state: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

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
    let at = (group.y * dims.length + k) * dims.feature + feature;
#if PER_STEP
    let system = at * STATES;
#else
    let system = feature * STATES;
#end
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
    }
    workgroupBarrier();
    for (var m = local; m < dims.channel; m += GROUP) {
      let row = feature * dims.channel + m;
      var sum = 0.0;
      for (var n = 0u; n < STATES; n++) {
        sum += C[row * STATES + n] * x[n];
      }
#if HAS_D
      sum += D[row] * u[at];
#end
      y[at * dims.channel + m] = sum;
    }
  }
  for (var n = local; n < STATES; n += GROUP) {
    state[carried + n] = x[n];
  }
}
