// One sample of the selective recurrence (Mamba) for many streams.
//
//   dt = softplus(delta + deltaBias)     next = exp(dt A) next + dt B u
//   y = (sum C next + D u) silu(z)
//
// An invocation holds one feature of one row: VECTORS vectors of four states. Neighbouring
// invocations have neighbouring features, whose vectors lie next to one another. `next` holds the
// states before and is advanced in place; those of batch row b are its row slots[b].
#import shared/activation
#import shared/bounds

struct Dims { count: u32, feature: u32, group: u32, rows: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> delta: array<f32>;
@group(0) @binding(2) var<storage, read> A: array<vec4f>;
@group(0) @binding(3) var<storage, read> B: array<vec4f>;
@group(0) @binding(4) var<storage, read> C: array<vec4f>;
@group(0) @binding(5) var<storage, read> D: array<f32>;
@group(0) @binding(6) var<storage, read> z: array<f32>;
@group(0) @binding(7) var<storage, read> deltaBias: array<f32>;
@group(0) @binding(8) var<storage, read> slots: array<f32>;
@group(0) @binding(9) var<storage, read_write> y: array<f32>;
@group(0) @binding(10) var<storage, read_write> next: array<vec4f>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn update(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let row = i / dims.feature;
  let d = i % dims.feature;
#if HAS_SLOTS
  let slot = slots[row];
  if (!(slot >= 0.0 && slot < f32(dims.rows))) {
    y[i] = 0.0;
    return;
  }
  let bank = u32(slot) * VECTORS * dims.feature + d;
#else
  let bank = row * VECTORS * dims.feature + d;
#end
  // All states are loaded before the first is stored: a load does not pass a store to its buffer.
#for n in 0..VECTORS
  let state${n} = next[bank + ${n}u * dims.feature];
#end
  var raw = delta[i];
#if HAS_BIAS
  raw += deltaBias[d];
#end
#if SOFTPLUS
  let dt = softplus(raw);
#else
  let dt = raw;
#end
  let input = dt * u[i];
#if HAS_D
  var sum = D[d] * u[i];
#else
  var sum = 0.0;
#end
  let selection = (row * dims.group + d * dims.group / dims.feature) * VECTORS;
#for n in 0..VECTORS
  let next${n} = exp(dt * A[${n}u * dims.feature + d]) * state${n} + input * B[selection + ${n}u];
  sum += dot(C[selection + ${n}u], next${n});
  next[bank + ${n}u * dims.feature] = next${n};
#end
#if HAS_Z
  sum *= silu(z[i]);
#end
  y[i] = sum;
}
