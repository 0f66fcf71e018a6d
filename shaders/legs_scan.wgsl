// The LegS memory over a whole length; src/ops/legs_scan.ts and src/ssm/legs_step.ts define it.
//
// weigh_held          what a held sample adds to each coefficient, by its share of the time
// recur               the coefficients after every sample
// recur_backward      from the last sample: the gradient of every coefficient
// gradients_of_rows   from that: gradU, and the flow along the logarithm of time
// gradients_of_times  from the flow: gradients of the times and of their steps
//
// In recur a workgroup runs one feature of one row; its invocations own PER nodes of the quadrature
// each.
#import shared/bounds

struct Dims { batch: u32, length: u32, feature: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> dt: array<f32>;
@group(0) @binding(2) var<storage, read> times: array<f32>;
@group(0) @binding(3) var<storage, read> x0: array<f32>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read_write> held: array<f32>;
@group(0) @binding(6) var<storage, read_write> coefficients: array<f32>;
@group(0) @binding(7) var<storage, read_write> state: array<f32>;
@group(0) @binding(8) var<storage, read> gradCoefficients: array<f32>;
@group(0) @binding(9) var<storage, read> gradState: array<f32>;
@group(0) @binding(10) var<storage, read_write> lambda: array<f32>;
@group(0) @binding(11) var<storage, read_write> flow: array<f32>;
@group(0) @binding(12) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(13) var<storage, read_write> gradX0: array<f32>;
@group(0) @binding(14) var<storage, read_write> gradDt: array<f32>;
@group(0) @binding(15) var<storage, read_write> gradTimes: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Numbers of a node in the table: its place, its weight, the polynomials there.
const NODE = STATES + 2u;

fn root(n: u32) -> f32 {
  return sqrt(f32(2u * n + 1u));
}

/// The Legendre polynomial after `newer`, which has degree n.
fn nextDegree(n: u32, at: f32, older: f32, newer: f32) -> f32 {
  return (f32(2u * n + 1u) * at * newer - f32(n) * older) / f32(n + 1u);
}

/// Where a node of the old interval lies on the new one, as the argument of the polynomials.
fn placeOf(node: u32, share: f32) -> f32 {
  return 2.0 * (1.0 - share) * table[node * NODE] - 1.0;
}

/// held[time, n]: the integral of polynomial n over the new share of the interval.
@compute @workgroup_size(GROUP)
fn weigh_held(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let time = elementIndex(group, groups, local, GROUP);
  if (time >= dims.length * dims.batch) {
    return;
  }
  let share = dt[time] / times[time];
  let at = 1.0 - 2.0 * share;
  let scale = 2.0 * share * (1.0 - share);
  held[time * STATES] = share;
  var older = 1.0;
  var newer = at;
  var olderSlope = 0.0;
  var newerSlope = 1.0;
  for (var n = 1u; n < STATES; n++) {
    held[time * STATES + n] = root(n) * scale * newerSlope / f32(n * (n + 1u));
    let slope = olderSlope + f32(2u * n + 1u) * newer;
    olderSlope = newerSlope;
    newerSlope = slope;
    let value = nextDegree(n, at, older, newer);
    older = newer;
    newer = value;
  }
}

var<workgroup> x: array<f32, STATES>;
var<workgroup> tile: array<f32, TILE * STATES>;
var<workgroup> parts: array<f32, GROUP>;
/// Invocations that share the sum over the nodes of one coefficient.
const LANES = GROUP / TILE;

@compute @workgroup_size(GROUP)
fn recur(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.x;
  let row = group.y;
  let carried = (row * dims.feature + feature) * STATES;
  for (var n = local; n < STATES; n += GROUP) {
#if HAS_X0
    x[n] = x0[carried + n];
#else
    x[n] = 0.0;
#end
  }
  var past: array<f32, PER>;
  var older: array<f32, PER>;
  var newer: array<f32, PER>;
  for (var k = 0u; k < dims.length; k++) {
    let time = k * dims.batch + row;
    let share = dt[time] / times[time];
    let at = (row * dims.length + k) * dims.feature + feature;
    let input = u[at];
    workgroupBarrier();
    // What the coefficients stand for at the nodes, times their weights.
    for (var p = 0u; p < PER; p++) {
      let node = min(local + p * GROUP, STATES - 1u);
      var sum = 0.0;
      for (var n = 0u; n < STATES; n++) {
        sum += table[node * NODE + 2u + n] * x[n];
      }
      past[p] = (1.0 - share) * table[node * NODE + 1u] * sum;
      older[p] = 0.0;
      newer[p] = 1.0;
    }
    workgroupBarrier();
    for (var first = 0u; first < STATES; first += TILE) {
      for (var p = 0u; p < PER; p++) {
        let node = local + p * GROUP;
        if (node < STATES) {
          let place = placeOf(node, share);
          for (var r = 0u; r < TILE; r++) {
            tile[r * STATES + node] = past[p] * root(first + r) * newer[p];
            let value = nextDegree(first + r, place, older[p], newer[p]);
            older[p] = newer[p];
            newer[p] = value;
          }
        }
      }
      workgroupBarrier();
      let r = local / LANES;
      var sum = 0.0;
      for (var node = local % LANES; node < STATES; node += LANES) {
        sum += tile[r * STATES + node];
      }
      parts[local] = sum;
      workgroupBarrier();
      if (local < TILE && first + local < STATES) {
        let n = first + local;
        var total = held[time * STATES + n] * input;
        for (var lane = 0u; lane < LANES; lane++) {
          total += parts[local * LANES + lane];
        }
        x[n] = total;
        coefficients[at * STATES + n] = total;
      }
    }
  }
  workgroupBarrier();
  for (var n = local; n < STATES; n += GROUP) {
    state[carried + n] = x[n];
  }
}

var<workgroup> sums: array<f32, STATES>;

/// lambda[b, k, d, n]: the gradient of the loss with respect to coefficient n after sample k.
@compute @workgroup_size(GROUP)
fn recur_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.x;
  let row = group.y;
  let carried = (row * dims.feature + feature) * STATES;
  var carry: array<f32, PER>;
  for (var p = 0u; p < PER; p++) {
    carry[p] = gradState[carried + min(local + p * GROUP, STATES - 1u)];
  }
  for (var back = 0u; back < dims.length; back++) {
    let k = dims.length - 1u - back;
    let time = k * dims.batch + row;
    let share = dt[time] / times[time];
    let at = ((row * dims.length + k) * dims.feature + feature) * STATES;
    for (var p = 0u; p < PER; p++) {
      let n = local + p * GROUP;
      if (n < STATES) {
        x[n] = carry[p] + gradCoefficients[at + n];
        lambda[at + n] = x[n];
      }
    }
    workgroupBarrier();
    for (var node = local; node < STATES; node += GROUP) {
      let place = placeOf(node, share);
      var older = 0.0;
      var newer = 1.0;
      var sum = 0.0;
      for (var n = 0u; n < STATES; n++) {
        sum += root(n) * newer * x[n];
        let value = nextDegree(n, place, older, newer);
        older = newer;
        newer = value;
      }
      sums[node] = (1.0 - share) * table[node * NODE + 1u] * sum;
    }
    workgroupBarrier();
    for (var p = 0u; p < PER; p++) {
      let n = min(local + p * GROUP, STATES - 1u);
      var sum = 0.0;
      for (var node = 0u; node < STATES; node++) {
        sum += table[node * NODE + 2u + n] * sums[node];
      }
      carry[p] = sum;
    }
  }
#if HAS_X0
  for (var p = 0u; p < PER; p++) {
    let n = local + p * GROUP;
    if (n < STATES) {
      gradX0[carried + n] = carry[p];
    }
  }
#end
}

/// gradU, and flow: lambda times the derivative of the coefficients by the logarithm of time.
@compute @workgroup_size(GROUP)
fn gradients_of_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.batch * dims.length * dims.feature) {
    return;
  }
  let place = i / dims.feature;
  let time = place % dims.length * dims.batch + place / dims.length;
  var towardsU = 0.0;
  var along = 0.0;
  var before = 0.0;
  for (var n = 0u; n < STATES; n++) {
    let weight = lambda[i * STATES + n];
    let value = coefficients[i * STATES + n];
    towardsU += weight * held[time * STATES + n];
    along += weight * (root(n) * (u[i] - before) - f32(n + 1u) * value);
    before += root(n) * value;
  }
  gradU[i] = towardsU;
  flow[i] = along;
}

@compute @workgroup_size(GROUP)
fn gradients_of_times(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let time = elementIndex(group, groups, local, GROUP);
  if (time >= dims.length * dims.batch) {
    return;
  }
  let first = (time % dims.batch * dims.length + time / dims.batch) * dims.feature;
  var sum = 0.0;
  for (var d = 0u; d < dims.feature; d++) {
    sum += flow[first + d];
  }
  let share = dt[time] / times[time];
  var slope = 0.0;
  if (share < 1.0) {
    slope = sum / (times[time] * (1.0 - share));
  }
  gradDt[time] = slope;
  gradTimes[time] = -share * slope;
}
