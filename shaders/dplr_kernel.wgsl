// Convolution kernel of a diagonal-plus-low-rank system (S4, algorithm 1).
//
// evaluate       the generating function of the taps at one node: Cauchy sums, Woodbury
// invert         one tap: the inverse transform of a Hermitian spectrum
//
// adjoint_nodes  back: the gradient of one value of the spectrum, and P*R and LP at its node
// adjoint_modes  the gradients of one mode: sums over the nodes
//
// src/ops/dplr_kernel.ts has the equations. Angles come in a table made in double precision.
#import shared/complex
#import shared/exp
#import shared/row_sum

struct Dims {
  length: u32,
  half: u32,
  feature: u32,
  // Of the nodes' circle: damping / length, its radius, and 1 less its radius.
  rate: f32,
  radius: f32,
  inside: f32,
}

@group(0) @binding(0) var<storage, read> lambda: array<vec2f>;
@group(0) @binding(1) var<storage, read> P: array<vec2f>;
@group(0) @binding(2) var<storage, read> B: array<vec2f>;
@group(0) @binding(3) var<storage, read> C: array<vec2f>;
@group(0) @binding(4) var<storage, read> dt: array<f32>;
@group(0) @binding(5) var<storage, read> angles: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> spectrum: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> kernel: array<f32>;
@group(0) @binding(8) var<storage, read> gradKernel: array<f32>;
// At each node of a feature: the spectrum's gradient, then P*R and LP of each rank.
@group(0) @binding(9) var<storage, read_write> nodes: array<vec2f>;
@group(0) @binding(10) var<storage, read_write> gradLambda: array<vec2f>;
@group(0) @binding(11) var<storage, read_write> gradP: array<vec2f>;
@group(0) @binding(12) var<storage, read_write> gradB: array<vec2f>;
@group(0) @binding(13) var<storage, read_write> gradC: array<vec2f>;
// What each mode adds to the gradient of dt, [half, feature].
@group(0) @binding(14) var<storage, read_write> steps: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// A node omega: 1 + omega and 1 - omega from the half angle, so that neither cancels.
struct Node { plus: vec2f, minus: vec2f }

fn nodeAt(k: u32) -> Node {
  let angle = angles[k];
  let inside = vec2f(dims.inside, 0.0);
  return Node(
    inside + dims.radius * 2.0 * angle.x * vec2f(angle.x, -angle.y),
    inside + dims.radius * 2.0 * angle.y * vec2f(angle.y, angle.x),
  );
}

/// dt over the pole's distance to a node; `sign` conjugates the pole where its y is -1.
fn resolvent(at: u32, sign: vec2f, node: Node, step: f32) -> vec2f {
  let pole = complexMul(step * sign * lambda[at], node.plus);
  return complexDiv(vec2f(step, 0.0), 2.0 * node.minus - pole);
}

/// What a node needs of all modes: C M B, and with the low-rank part solved for, P*R and LP.
struct Solved {
  qCB: vec2f,
  qCP: array<vec2f, RANK>,
  rho: array<vec2f, RANK>,
  sigma: array<vec2f, RANK>,
}

fn solveNode(feature: u32, node: Node) -> Solved {
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
    let inverse = resolvent(at, sign, node, step);
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
  let m0 = one + complexMul(node.plus, qPP0_0);
  var solved: Solved;
  solved.qCB = qCB;
#if RANK == 2
  let m1 = one + complexMul(node.plus, qPP1_1);
  let upper = complexMul(node.plus, qPP0_1);
  let lower = complexMul(node.plus, qPP1_0);
  let determinant = complexMul(m0, m1) - complexMul(upper, lower);
  solved.qCP = array<vec2f, RANK>(qCP0, qCP1);
  solved.rho = array<vec2f, RANK>(
    complexDiv(complexMul(m1, qPB0) - complexMul(upper, qPB1), determinant),
    complexDiv(complexMul(m0, qPB1) - complexMul(lower, qPB0), determinant),
  );
  solved.sigma = array<vec2f, RANK>(
    complexDiv(complexMul(qCP0, m1) - complexMul(qCP1, lower), determinant),
    complexDiv(complexMul(qCP1, m0) - complexMul(qCP0, upper), determinant),
  );
#else
  solved.qCP = array<vec2f, RANK>(qCP0);
  solved.rho = array<vec2f, RANK>(complexDiv(qPB0, m0));
  solved.sigma = array<vec2f, RANK>(complexDiv(qCP0, m0));
#end
  return solved;
}

@compute @workgroup_size(GROUP)
fn evaluate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let k = group.x * GROUP + local;
  let count = dims.length / 2u + 1u;
  if (k >= count) {
    return;
  }
  let node = nodeAt(k);
  let solved = solveNode(group.y, node);
  var low = vec2f(0.0);
#for r in 0..RANK
  low += complexMul(solved.qCP[${r}], solved.rho[${r}]);
#end
  spectrum[group.y * count + k] = 2.0 * (solved.qCB - complexMul(node.plus, low));
}

/// exp(2 pi i k l / length).
fn turnAt(k: u32, l: u32) -> vec2f {
#if MASKED
  // The wrapped product of unsigned numbers keeps its low bits, all that the mask reads.
  return angles[2u * (k * l & (dims.length - 1u))];
#else
  return angles[2u * (k * l % dims.length)];
#end
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
  let first = group.y * (dims.length / 2u + 1u);
  // The real nodes, then twice the real part of the others.
  var sum = spectrum[first].x;
  for (var k = 1u; 2u * k < dims.length; k++) {
    let turn = turnAt(k, l);
    let value = spectrum[first + k];
    sum += 2.0 * (value.x * turn.x - value.y * turn.y);
  }
  if (dims.length % 2u == 0u) {
    sum += select(1.0, -1.0, l % 2u == 1u) * spectrum[first + dims.length / 2u].x;
  }
  kernel[group.y * dims.length + l] = sum / f32(dims.length) * expAccurate(dims.rate * f32(l));
}

@compute @workgroup_size(GROUP)
fn adjoint_nodes(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let k = group.x * GROUP + local;
  let middle = dims.length / 2u;
  if (k > middle) {
    return;
  }
  var sum = vec2f(0.0);
  for (var l = 0u; l < dims.length; l++) {
    let weight = expAccurate(dims.rate * f32(l));
    sum += weight * gradKernel[group.y * dims.length + l] * complexConj(turnAt(k, l));
  }
  // The taps see the real parts of the real nodes, and all others twice.
  let isReal = k == 0u || 2u * k == dims.length;
  let gradient = select(2.0 * sum, vec2f(sum.x, 0.0), isReal) / f32(dims.length);
  let solved = solveNode(group.y, nodeAt(k));
  let at = (group.y * (middle + 1u) + k) * (1u + 2u * RANK);
  nodes[at] = gradient;
#for r in 0..RANK
  nodes[at + ${1 + r}u] = solved.rho[${r}];
  nodes[at + ${1 + r}u + RANK] = solved.sigma[${r}];
#end
}

/// The sum over the workgroup of a complex number.
fn pairSum(local: u32, value: vec2f) -> vec2f {
  return vec2f(rowSum(local, value.x), rowSum(local, value.y));
}

/// The gradient of a number x that the spectrum holds as a x + b conj(x).
fn gradientOf(gradient: vec2f, a: vec2f, b: vec2f) -> vec2f {
  return complexMul(gradient, complexConj(a)) + complexMul(complexConj(gradient), b);
}

/// One workgroup a mode, its invocations take every GROUP-th node.
@compute @workgroup_size(GROUP)
fn adjoint_modes(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.y;
  let at = feature * dims.half + group.x;
  let step = dt[feature];
  let b = B[at];
  let c = C[at];
#for r in 0..RANK
  let p${r} = P[(feature * RANK + ${r}u) * dims.half + group.x];
  var ofP${r} = vec2f(0.0);
#end
  var ofLambda = vec2f(0.0);
  var ofB = vec2f(0.0);
  var ofC = vec2f(0.0);
  var ofStep = 0.0;
  let count = dims.length / 2u + 1u;
  for (var k = local; k < count; k += GROUP) {
    let node = nodeAt(k);
    let first = (feature * count + k) * (1u + 2u * RANK);
    let gradient = nodes[first];
    // The right and the left solution at this mode and, in the other pair, at its conjugate.
    var right = b;
    var left = c;
    var otherRight = complexConj(b);
    var otherLeft = complexConj(c);
#for r in 0..RANK
    let rho${r} = nodes[first + ${1 + r}u];
    let sigma${r} = nodes[first + ${1 + r}u + RANK];
    let lowRho${r} = complexMul(node.plus, rho${r});
    let lowSigma${r} = complexMul(node.plus, sigma${r});
    right -= complexMul(p${r}, lowRho${r});
    left -= complexMul(complexConj(p${r}), lowSigma${r});
    otherRight -= complexMul(complexConj(p${r}), lowRho${r});
    otherLeft -= complexMul(p${r}, lowSigma${r});
#end
    let here = resolvent(at, vec2f(1.0), node, step);
    let there = resolvent(at, vec2f(1.0, -1.0), node, step);
    right = complexMul(here, right);
    left = complexMul(here, left);
    otherRight = complexMul(there, otherRight);
    otherLeft = complexMul(there, otherLeft);
    let product = complexMul(left, right);
    let otherProduct = complexMul(otherLeft, otherRight);
    ofB += 2.0 * gradientOf(gradient, left, otherLeft);
    ofC += 2.0 * gradientOf(gradient, right, otherRight);
    ofLambda += 2.0 * gradientOf(
      gradient,
      complexMul(node.plus, product),
      complexMul(node.plus, otherProduct),
    );
#for r in 0..RANK
    ofP${r} -= 2.0 * gradientOf(
      gradient,
      complexMul(left, lowRho${r}) + complexMul(lowSigma${r}, otherRight),
      complexMul(otherLeft, lowRho${r}) + complexMul(lowSigma${r}, right),
    );
#end
    ofStep += 4.0 * dot(gradient, complexMul(node.minus, product + otherProduct));
  }
  let lambdaSum = pairSum(local, ofLambda);
  let bSum = pairSum(local, ofB);
  let cSum = pairSum(local, ofC);
#for r in 0..RANK
  let pSum${r} = pairSum(local, ofP${r});
#end
  let stepSum = rowSum(local, ofStep);
  if (local == 0u) {
    gradLambda[at] = lambdaSum;
    gradB[at] = bSum;
    gradC[at] = cSum;
#for r in 0..RANK
    gradP[(feature * RANK + ${r}u) * dims.half + group.x] = pSum${r};
#end
    // Divided twice, since the square of a small step may underflow.
    steps[group.x * dims.feature + feature] = stepSum / step / step;
  }
}
