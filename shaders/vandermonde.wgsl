// Kernel of a diagonal system: kernel[d, l] = scale * Re sum_n C[d, n] exp(l * logAbar[d, n]).
// One workgroup GROUP positions of one feature; modes are staged in workgroup memory.
#import shared/trig
#import shared/row_sum

struct Dims { length: u32, state: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> logAbar: array<vec2f>;
@group(0) @binding(1) var<storage, read> C: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> kernel: array<f32>;
@group(0) @binding(3) var<storage, read> gradKernel: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradLogAbar: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> gradC: array<vec2f>;
@group(1) @binding(0) var<uniform> dims: Dims;

var<workgroup> modeDecay: array<f32, GROUP>;
var<workgroup> modeTurn: array<u32, GROUP>;
var<workgroup> modeC: array<vec2f, GROUP>;

@compute @workgroup_size(GROUP)
fn sum_modes(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let l = group.x * GROUP + local;
  let d = group.y;
  var sum = 0.0;
  for (var base = 0u; base < dims.state; base += GROUP) {
    workgroupBarrier();
    if (base + local < dims.state) {
      let mode = logAbar[d * dims.state + base + local];
      modeDecay[local] = mode.x;
      modeTurn[local] = fixedTurn(mode.y);
      modeC[local] = C[d * dims.state + base + local];
    }
    workgroupBarrier();
    let count = min(GROUP, dims.state - base);
    for (var n = 0u; n < count; n++) {
      // The product of l and a fraction of a turn wraps as turns do.
      let unit = cosSinFixed(l * modeTurn[n]);
      sum += exp(f32(l) * modeDecay[n]) * dot(modeC[n], vec2f(unit.x, -unit.y));
    }
  }
  if (l < dims.length) {
    kernel[d * dims.length + l] = dims.scale * sum;
  }
}

/// Back: one workgroup a mode, its invocations take every GROUP-th position.
@compute @workgroup_size(GROUP)
fn sum_positions(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at = group.y * dims.state + group.x;
  let mode = logAbar[at];
  let turn = fixedTurn(mode.y);
  var plain = vec2f(0.0);
  var timed = vec2f(0.0);
  for (var l = local; l < dims.length; l += GROUP) {
    let share = gradKernel[group.y * dims.length + l] * exp(f32(l) * mode.x);
    let power = share * complexConj(cosSinFixed(l * turn));
    plain += power;
    timed += f32(l) * power;
  }
  let plainSum = vec2f(rowSum(local, plain.x), rowSum(local, plain.y));
  let timedSum = vec2f(rowSum(local, timed.x), rowSum(local, timed.y));
  if (local == 0u) {
    gradC[at] = dims.scale * plainSum;
    gradLogAbar[at] = dims.scale * complexMul(complexConj(C[at]), timedSum);
  }
}
