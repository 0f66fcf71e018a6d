// Recurrence of a diagonal-plus-low-rank system (S4): LANES invocations for a feature of a row,
// each with PER of its modes in registers.
//
//   x[k] = W (2 x[k-1] + dt B u[k]) - x[k-1]     W = (I - dt/2 A)^-1,  A = diag(lambda) - P P*
//
// recur        the whole length
// keep_starts  the same, keeping the state at the start of every chunk
// flow_back    from the last sample to the first: each chunk's states again, and all gradients
//
// W is Woodbury's, so that modes meet in RANK sums a step only; src/ssm/dplr.ts has it step by
// step, src/ops/dplr_scan.ts the way back. What is wanted of a sample (y, gradU, gradDt) is summed
// over the lanes when they meet for the next one. Of each conjugate pair of modes one is stored.
#import shared/bounds
#import shared/complex

struct Dims { length: u32, feature: u32, rows: u32, chunks: u32, stride: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> lambda: array<vec2f>;
@group(0) @binding(2) var<storage, read> P: array<vec2f>;
@group(0) @binding(3) var<storage, read> B: array<vec2f>;
@group(0) @binding(4) var<storage, read> C: array<vec2f>;
@group(0) @binding(5) var<storage, read> dt: array<f32>;
@group(0) @binding(6) var<storage, read> D: array<f32>;
@group(0) @binding(7) var<storage, read> x0: array<vec2f>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;
@group(0) @binding(9) var<storage, read_write> state: array<vec2f>;
@group(0) @binding(10) var<storage, read> gradY: array<f32>;
@group(0) @binding(11) var<storage, read> gradState: array<vec2f>;
// Of every row: the states at the chunks' starts, and before each step of one chunk.
@group(0) @binding(12) var<storage, read_write> starts: array<vec2f>;
@group(0) @binding(13) var<storage, read_write> states: array<vec2f>;
// For each row of the batch the gradients of lambda, B, C, P, D and dt, one after another.
@group(0) @binding(14) var<storage, read_write> sums: array<f32>;
@group(0) @binding(15) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(16) var<storage, read_write> gradDt: array<f32>;
@group(0) @binding(17) var<storage, read_write> gradX0: array<vec2f>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Where an invocation stands. Rows past the end repeat the first one and store nothing.
struct Place { slot: u32, lane: u32, row: u32, known: bool, feature: u32, batch: u32 }

fn placeOf(group: vec3u, groups: vec3u, local: u32) -> Place {
  let slot = local / LANES;
  let row = groupIndex(group, groups) * SLOTS + slot;
  let known = row < dims.rows;
  let safe = select(0u, row, known);
  return Place(slot, local % LANES, safe, known, safe % dims.feature, safe / dims.feature);
}

/// An invocation's modes, and 1 / (1 - dt/2 lambda) of each.
struct Modes {
  lambda: array<vec2f, PER>,
  inverse: array<vec2f, PER>,
  p: array<vec2f, ${PER * RANK}>,
  b: array<vec2f, PER>,
}

/// Whether mode `m` of a lane is one; modes past the last are zero and stay so.
fn isMode(lane: u32, m: u32) -> bool {
  return lane * PER + m < HALF;
}

fn modesOf(place: Place) -> Modes {
  var modes: Modes;
#for m in 0..PER
  if (isMode(place.lane, ${m}u)) {
    let at = place.feature * HALF + place.lane * PER + ${m}u;
    modes.lambda[${m}] = lambda[at];
    modes.b[${m}] = B[at];
#for r in 0..RANK
    modes.p[${r * PER + m}] = P[(place.feature * RANK + ${r}u) * HALF + place.lane * PER + ${m}u];
#end
  }
#end
  return modes;
}

fn setStep(modes: ptr<function, Modes>, half: f32) {
#for m in 0..PER
  (*modes).inverse[${m}] = complexReciprocal(vec2f(1.0, 0.0) - half * (*modes).lambda[${m}]);
#end
}

var<workgroup> shares: array<array<array<vec4f, THREADS>, SHARES>, 2>;

/// Sums of what the lanes of a row bring, over all of them; `parity` alternates.
fn meet(
  parity: u32,
  local: u32,
  slot: u32,
  share: array<vec4f, SHARES>,
) -> array<vec4f, SHARES> {
#for s in 0..SHARES
  shares[parity][${s}][local] = share[${s}];
#end
  workgroupBarrier();
  var total: array<vec4f, SHARES>;
  let first = slot * LANES;
#for s in 0..SHARES
#for l in 0..LANES
  total[${s}] += shares[parity][${s}][first + ${l}u];
#end
#end
  return total;
}

/// A lane's share of P* diag(inverse) P, row by row.
fn squareShare(modes: ptr<function, Modes>) -> vec4f {
  var share = vec4f(0.0);
#for m in 0..PER
#for c in 0..RANK
  {
    let column = complexMul((*modes).inverse[${m}], (*modes).p[${c * PER + m}]);
#for r in 0..RANK
    share[${2 * r + c}] += dot((*modes).p[${r * PER + m}], column);
#end
  }
#end
#end
  return share;
}

/// (I + dt P* diag(inverse) P)^-1, whose rows are the columns of the matrix type.
fn smallOf(square: vec4f, step: f32) -> mat2x2f {
#if RANK == 2
  let m = vec4f(1.0, 0.0, 0.0, 1.0) + step * square;
  let over = reciprocal(m.x * m.w - m.y * m.z);
  return mat2x2f(m.w * over, -m.y * over, -m.z * over, m.x * over);
#else
  return mat2x2f(reciprocal(1.0 + step * square.x), 0.0, 0.0, 0.0);
#end
}

/// The first half of a step, x <- inverse (2 x + dt B u) with the old x in `old`; gives P* of it.
fn begin(
  x: ptr<function, array<vec2f, PER>>,
  old: ptr<function, array<vec2f, PER>>,
  modes: ptr<function, Modes>,
  scaled: f32,
) -> vec2f {
  var products = vec2f(0.0);
#for m in 0..PER
  {
    let before = (*x)[${m}];
    let turned = complexMul((*modes).inverse[${m}], 2.0 * before + scaled * (*modes).b[${m}]);
    (*old)[${m}] = before;
    (*x)[${m}] = turned;
#for r in 0..RANK
    products[${r}] += dot((*modes).p[${r * PER + m}], turned);
#end
  }
#end
  return products;
}

/// The second half: the low-rank part of the solve, and the old state off.
fn finish(
  x: ptr<function, array<vec2f, PER>>,
  old: ptr<function, array<vec2f, PER>>,
  modes: ptr<function, Modes>,
  weight: vec2f,
) {
#for m in 0..PER
  {
    var rows = vec2f(0.0);
#for r in 0..RANK
    rows += weight[${r}] * (*modes).p[${r * PER + m}];
#end
    (*x)[${m}] -= complexMul((*modes).inverse[${m}], rows) + (*old)[${m}];
  }
#end
}

/// What a step needs besides the modes: dt and the small inverse, where they hold for all samples.
struct Fixed { step: f32, small: mat2x2f }

fn fixedStep(modes: ptr<function, Modes>, place: Place, local: u32) -> Fixed {
  var fixed: Fixed;
#if !PER_STEP
  fixed.step = dt[place.feature];
  setStep(modes, 0.5 * fixed.step);
  var share = array<vec4f, SHARES>();
  share[0] = squareShare(modes);
  // The loops begin with the other parity.
  fixed.small = smallOf(meet(1u, local, place.slot, share)[0], fixed.step);
#end
  return fixed;
}

/// One step in place; `output` is summed over the lanes on the way.
fn advance(
  x: ptr<function, array<vec2f, PER>>,
  modes: ptr<function, Modes>,
  fixed: Fixed,
  at: u32,
  place: Place,
  local: u32,
  parity: u32,
  output: f32,
) -> f32 {
  var step = fixed.step;
  var small = fixed.small;
  var share = array<vec4f, SHARES>();
#if PER_STEP
  step = dt[at];
  setStep(modes, 0.5 * step);
  share[SHARES - 1u] = squareShare(modes);
#end
  var old: array<vec2f, PER>;
  let products = begin(x, &old, modes, step * u[at]);
  share[0] = vec4f(products, output, 0.0);
  let total = meet(parity, local, place.slot, share);
#if PER_STEP
  small = smallOf(total[SHARES - 1u], step);
#end
  let after = step * total[0].xy;
  finish(x, &old, modes, vec2f(dot(small[0], after), dot(small[1], after)));
  return total[0].z;
}

/// The state of a row before its first sample.
fn startOf(place: Place) -> array<vec2f, PER> {
  var x: array<vec2f, PER>;
#if HAS_X0
#for m in 0..PER
  if (isMode(place.lane, ${m}u)) {
    x[${m}] = x0[place.row * HALF + place.lane * PER + ${m}u];
  }
#end
#end
  return x;
}

#if !BACKWARD
fn storeOutput(place: Place, at: u32, sum: f32) {
  if (place.known && place.lane == 0u) {
#if HAS_D
    y[at] = 2.0 * sum + D[place.feature] * u[at];
#else
    y[at] = 2.0 * sum;
#end
  }
}

@compute @workgroup_size(THREADS)
fn recur(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, groups, local);
  var modes = modesOf(place);
  var c: array<vec2f, PER>;
#for m in 0..PER
  if (isMode(place.lane, ${m}u)) {
    c[${m}] = complexConj(C[place.feature * HALF + place.lane * PER + ${m}u]);
  }
#end
  let fixed = fixedStep(&modes, place, local);
  var x = startOf(place);
  let first = place.batch * dims.length * dims.feature + place.feature;
  var output = 0.0;
  for (var k = 0u; k < dims.length; k++) {
    let at = first + k * dims.feature;
    let sum = advance(&x, &modes, fixed, at, place, local, k & 1u, output);
    if (k > 0u) {
      storeOutput(place, at - dims.feature, sum);
    }
    output = 0.0;
#for m in 0..PER
    output += dot(c[${m}], x[${m}]);
#end
  }
  var share = array<vec4f, SHARES>();
  share[0].z = output;
  let last = meet(dims.length & 1u, local, place.slot, share)[0].z;
  if (dims.length > 0u) {
    storeOutput(place, first + (dims.length - 1u) * dims.feature, last);
  }
#for m in 0..PER
  if (place.known && isMode(place.lane, ${m}u)) {
    state[place.row * HALF + place.lane * PER + ${m}u] = x[${m}];
  }
#end
}
#end

#if BACKWARD
@compute @workgroup_size(THREADS)
fn keep_starts(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, groups, local);
  var modes = modesOf(place);
  let fixed = fixedStep(&modes, place, local);
  var x = startOf(place);
  for (var chunk = 0u; chunk < dims.chunks; chunk++) {
#for m in 0..PER
    if (place.known && isMode(place.lane, ${m}u)) {
      let kept = (place.row * dims.chunks + chunk) * HALF;
      starts[kept + place.lane * PER + ${m}u] = x[${m}];
    }
#end
    // Nobody reads the state after the last chunk.
    let end = select((chunk + 1u) * CHUNK, 0u, chunk + 1u == dims.chunks);
    for (var k = chunk * CHUNK; k < end; k++) {
      let at = (place.batch * dims.length + k) * dims.feature + place.feature;
      advance(&x, &modes, fixed, at, place, local, k & 1u, 0.0);
    }
  }
}

/// What is still to be stored of the sample after, once its sums over the lanes are known.
struct Pending { at: u32, step: f32, gradient: f32 }

fn storeSample(place: Place, pending: Pending, ofInput: f32, ofStep: f32) {
  if (place.known && place.lane == 0u) {
#if PER_STEP
    gradDt[pending.at] = ofStep;
#end
#if HAS_D
    gradU[pending.at] = pending.step * ofInput + D[place.feature] * pending.gradient;
#else
    gradU[pending.at] = pending.step * ofInput;
#end
  }
}

fn store(at: u32, value: vec2f) {
  sums[at] = value.x;
  sums[at + 1u] = value.y;
}

@compute @workgroup_size(THREADS)
fn flow_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let place = placeOf(group, groups, local);
  var modes = modesOf(place);
  let fixed = fixedStep(&modes, place, local);
  var x: array<vec2f, PER>;
  var c: array<vec2f, PER>;
  var flow: array<vec2f, PER>;
  var ofLambda: array<vec2f, PER>;
  var ofB: array<vec2f, PER>;
  var ofC: array<vec2f, PER>;
  var ofP: array<vec2f, ${PER * RANK}>;
  var ofD = 0.0;
  var ofDt = 0.0;
  let mine = place.lane * PER;
#for m in 0..PER
  if (isMode(place.lane, ${m}u)) {
    c[${m}] = complexConj(C[place.feature * HALF + mine + ${m}u]);
    flow[${m}] = gradState[place.row * HALF + mine + ${m}u];
  }
#end
  let kept = place.row * min(CHUNK, dims.length) * HALF + mine;
  var pending: Pending;
  var ofInput = 0.0;
  var ofStep = 0.0;
  var parity = 0u;
  for (var chunk = dims.chunks; chunk > 0u; chunk--) {
    let first = (chunk - 1u) * CHUNK;
    let end = min(first + CHUNK, dims.length);
#for m in 0..PER
    if (isMode(place.lane, ${m}u)) {
      x[${m}] = starts[(place.row * dims.chunks + chunk - 1u) * HALF + mine + ${m}u];
    }
#end
    for (var k = first; k < end; k++) {
#for m in 0..PER
      if (place.known && isMode(place.lane, ${m}u)) {
        states[kept + (k - first) * HALF + ${m}u] = x[${m}];
      }
#end
      let at = (place.batch * dims.length + k) * dims.feature + place.feature;
      advance(&x, &modes, fixed, at, place, local, parity, 0.0);
      parity = 1u - parity;
    }
    // Now x is the state after the chunk.
    for (var k = end; k > first; k--) {
      let at = (place.batch * dims.length + k - 1u) * dims.feature + place.feature;
      let sample = u[at];
      let gradient = gradY[at];
      var step = fixed.step;
      var small = fixed.small;
      var share = array<vec4f, SHARES>();
#if PER_STEP
      step = dt[at];
      setStep(&modes, 0.5 * step);
      share[SHARES - 1u] = squareShare(&modes);
#end
      // The adjoint of the diagonal part of the solve, and the sum of the two states.
      var q: array<vec2f, PER>;
      var both: array<vec2f, PER>;
      var earlier = array<vec2f, PER>();
#for m in 0..PER
      {
        flow[${m}] += 2.0 * gradient * c[${m}];
        ofC[${m}] += 2.0 * gradient * complexConj(x[${m}]);
        if (isMode(place.lane, ${m}u)) {
          earlier[${m}] = states[kept + (k - 1u - first) * HALF + ${m}u];
        }
        both[${m}] = x[${m}] + earlier[${m}];
        q[${m}] = complexMul(complexConj(modes.inverse[${m}]), flow[${m}]);
#for r in 0..RANK
        share[0][${r}] += dot(modes.p[${r * PER + m}], q[${m}]);
        share[0][${2 + r}] += dot(modes.p[${r * PER + m}], both[${m}]);
#end
      }
#end
      share[1] = vec4f(ofInput, ofStep, 0.0, 0.0);
      let total = meet(parity, local, place.slot, share);
      parity = 1u - parity;
      if (k < dims.length) {
        storeSample(place, pending, total[1].x, total[1].y);
      }
#if PER_STEP
      small = smallOf(total[SHARES - 1u], step);
#end
      // P* of q, by the rows of the transposed inverse.
      let ofQ = total[0].x * small[0] + total[0].y * small[1];
      let ofS = total[0].zw;
      ofInput = 0.0;
      ofStep = 0.0;
#for m in 0..PER
      {
        var rows = vec2f(0.0);
#for r in 0..RANK
        rows += step * ofQ[${r}] * modes.p[${r * PER + m}];
#end
        let solved = q[${m}] - complexMul(complexConj(modes.inverse[${m}]), rows);
        let ofPole = complexMul(solved, complexConj(both[${m}]));
        ofLambda[${m}] += 0.5 * step * ofPole;
        // The state's own velocity, A (x + earlier) / 2 + B u, mode by mode: its parts are large
        // and all but cancel.
        var velocity = 0.5 * complexMul(modes.lambda[${m}], both[${m}]) + sample * modes.b[${m}];
#for r in 0..RANK
        velocity -= ofS[${r}] * modes.p[${r * PER + m}];
#end
        ofStep += dot(velocity, solved);
        ofB[${m}] += step * sample * solved;
        ofInput += dot(modes.b[${m}], solved);
#for r in 0..RANK
        ofP[${r * PER + m}] -= step * (ofS[${r}] * solved + ofQ[${r}] * both[${m}]);
#end
        flow[${m}] = 2.0 * solved - flow[${m}];
        x[${m}] = earlier[${m}];
      }
#end
      pending = Pending(at, step, gradient);
      ofDt += ofStep;
      ofD += gradient * sample;
    }
    // The next chunk's states take the place of this one's, each lane's own.
  }
  var share = array<vec4f, SHARES>();
  share[1] = vec4f(ofInput, ofStep, ofDt, 0.0);
  let total = meet(parity, local, place.slot, share);
  if (dims.length > 0u) {
    storeSample(place, pending, total[1].x, total[1].y);
  }
  if (!place.known) {
    return;
  }
  let width = 2u * dims.feature * HALF;
  let base = place.batch * dims.stride;
#for m in 0..PER
  if (isMode(place.lane, ${m}u)) {
    let at = base + 2u * (place.feature * HALF + mine + ${m}u);
    store(at, ofLambda[${m}]);
    store(at + width, ofB[${m}]);
    store(at + 2u * width, ofC[${m}]);
#for r in 0..RANK
    store(
      base + 3u * width + 2u * ((place.feature * RANK + ${r}u) * HALF + mine + ${m}u),
      ofP[${r * PER + m}],
    );
#end
#if HAS_X0
    gradX0[place.row * HALF + mine + ${m}u] = flow[${m}];
#end
  }
#end
  if (place.lane == 0u) {
    let last = base + (3u + RANK) * width + place.feature;
    sums[last] = ofD;
    sums[last + dims.feature] = total[1].z;
  }
}
#end
