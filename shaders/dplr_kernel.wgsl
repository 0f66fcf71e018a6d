// Convolution kernel of a diagonal-plus-low-rank system (S4, algorithm 1).
//
// evaluate  the generating function of the taps at one root of unity: Cauchy sums, Woodbury
// invert    one tap: the inverse transform of a Hermitian spectrum
//
// src/ops/dplr_kernel.ts has the equations. Angles come in a table made in double precision.
#import shared/complex

struct Dims { length: u32, half: u32 }

@group(0) @binding(0) var<storage, read> lambda: array<vec2f>;
@group(0) @binding(1) var<storage, read> P: array<vec2f>;
@group(0) @binding(2) var<storage, read> B: array<vec2f>;
@group(0) @binding(3) var<storage, read> C: array<vec2f>;
@group(0) @binding(4) var<storage, read> dt: array<f32>;
@group(0) @binding(5) var<storage, read> angles: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> spectrum: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> kernel: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

@compute @workgroup_size(GROUP)
fn evaluate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let k = group.x * GROUP + local;
  let nodes = dims.length / 2u + 1u;
  if (k >= nodes) {
    return;
  }
  let feature = group.y;
  let angle = angles[k];
  // 1 + omega and 1 - omega from the half angle: neither cancels.
  let plus = 2.0 * angle.x * vec2f(angle.x, -angle.y);
  let minus = 2.0 * angle.y * vec2f(angle.y, angle.x);
  let step = dt[feature];
  var qCB = vec2f(0.0);
#for r in 0..RANK
  var qCP${r} = vec2f(0.0);
  var qPB${r} = vec2f(0.0);
#for c in 0..RANK
  var qPP${r}_${c} = vec2f(0.0);
#end
#end
  for (var i = 0u; i < 2u * dims.half; i++) {
    // A mode, then its conjugate.
    let n = i / 2u;
    let sign = vec2f(1.0, select(1.0, -1.0, i % 2u == 1u));
    let at = feature * dims.half + n;
    let pole = complexMul(step * sign * lambda[at], plus);
    let inverse = complexDiv(vec2f(step, 0.0), 2.0 * minus - pole);
    let b = complexMul(sign * B[at], inverse);
    let c = sign * C[at];
    qCB += complexMul(c, b);
#for r in 0..RANK
    let p${r} = sign * P[(feature * RANK + ${r}u) * dims.half + n];
    let over${r} = complexMul(p${r}, inverse);
    qCP${r} += complexMul(c, over${r});
    qPB${r} += complexMul(complexConj(p${r}), b);
#end
#for r in 0..RANK
#for c in 0..RANK
    qPP${r}_${c} += complexMul(complexConj(p${r}), over${c});
#end
#end
  }
  let one = vec2f(1.0, 0.0);
  let m0 = one + complexMul(plus, qPP0_0);
#if RANK == 2
  let m1 = one + complexMul(plus, qPP1_1);
  let upper = complexMul(plus, qPP0_1);
  let lower = complexMul(plus, qPP1_0);
  let determinant = complexMul(m0, m1) - complexMul(upper, lower);
  let w0 = complexDiv(complexMul(m1, qPB0) - complexMul(upper, qPB1), determinant);
  let w1 = complexDiv(complexMul(m0, qPB1) - complexMul(lower, qPB0), determinant);
  let low = complexMul(qCP0, w0) + complexMul(qCP1, w1);
#else
  let low = complexMul(qCP0, complexDiv(qPB0, m0));
#end
  spectrum[feature * nodes + k] = 2.0 * (qCB - complexMul(plus, low));
}

@compute @workgroup_size(GROUP)
fn invert(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let l = group.x * GROUP + local;
  if (l >= dims.length) {
    return;
  }
  let middle = dims.length / 2u;
  let first = group.y * (middle + 1u);
  // The two real nodes, then twice the real part of the others.
  var sum = spectrum[first].x + select(1.0, -1.0, l % 2u == 1u) * spectrum[first + middle].x;
  for (var k = 1u; k < middle; k++) {
    // The wrapped product of unsigned numbers keeps its low bits, all that the mask reads.
    let turn = angles[2u * (k * l & (dims.length - 1u))];
    let value = spectrum[first + k];
    sum += 2.0 * (value.x * turn.x - value.y * turn.y);
  }
  kernel[group.y * dims.length + l] = sum / f32(dims.length);
}
