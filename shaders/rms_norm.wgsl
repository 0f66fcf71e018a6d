// RMS normalisation of groups of features, optionally gated.
//
//   normalize       one workgroup a group of features, of any size, swept twice
//   normalize_rows  LANES invocations a group, which hold it in VECTORS registers each (VECTOR is
//                   4, sizes are in fours); back, a workgroup takes `turns` times as many groups as
//                   it holds at once and leaves one row of weightShares, its sum for the weight
#import shared/bounds
#import shared/vector
#import shared/activation
#if VECTOR == 4
#import shared/row_lanes
#else
#import shared/row_sum
#end

struct Dims { groups: u32, size: u32, feature: u32, turns: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read> weight: array<Element>;
@group(0) @binding(2) var<storage, read> z: array<Element>;
@group(0) @binding(3) var<storage, read_write> out: array<Element>;
@group(0) @binding(4) var<storage, read> gradOut: array<Element>;
@group(0) @binding(5) var<storage, read_write> gradX: array<Element>;
@group(0) @binding(6) var<storage, read_write> gradZ: array<Element>;
@group(0) @binding(7) var<storage, read_write> scaled: array<Element>;
@group(0) @binding(8) var<storage, read_write> weightShares: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

#if VECTOR == 4
fn siluOf(v: vec4f) -> vec4f {
  return vec4f(silu(v.x), silu(v.y), silu(v.z), silu(v.w));
}

fn siluSlopeOf(v: vec4f) -> vec4f {
  return vec4f(siluSlope(v.x), siluSlope(v.y), siluSlope(v.z), siluSlope(v.w));
}
#else
fn siluOf(v: f32) -> f32 {
  return silu(v);
}

fn siluSlopeOf(v: f32) -> f32 {
  return siluSlope(v);
}
#end

/// x, gated already where the gate comes first.
fn gated(i: u32) -> Element {
#if GATE_FIRST
  return x[i] * siluOf(z[i]);
#else
  return x[i];
#end
}

fn weightAt(i: u32) -> Element {
#if HAS_WEIGHT
  return weight[i % dims.feature];
#else
  return Element(1.0);
#end
}

/// gradOut, past the gate where the gate comes last.
fn ungated(i: u32) -> Element {
#if GATE_LAST
  return gradOut[i] * siluOf(z[i]);
#else
  return gradOut[i];
#end
}

#if VECTOR == 4
@compute @workgroup_size(GROUP)
fn normalize_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups) * (GROUP / LANES) + local / LANES;
  let start = min(row, dims.groups - 1u) * dims.size;
  let lane = local % LANES;
  var squares = 0.0;
#for i in 0..VECTORS
  var v${i} = Element(0.0);
  if (lane + ${i}u * LANES < dims.size) {
    v${i} = gated(start + lane + ${i}u * LANES);
    squares += dot(v${i}, v${i});
  }
#end
  let inverse = 1.0 / sqrt(laneSum(local, squares) / f32(4u * dims.size) + dims.eps);
#for i in 0..VECTORS
  if (row < dims.groups && lane + ${i}u * LANES < dims.size) {
    let at = start + lane + ${i}u * LANES;
    v${i} *= inverse * weightAt(at);
#if GATE_LAST
    v${i} *= siluOf(z[at]);
#end
    out[at] = v${i};
  }
#end
}

var<workgroup> slotSums: array<vec4f, GROUP>;

@compute @workgroup_size(GROUP)
fn normalize_rows_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let slots = GROUP / LANES;
  let lane = local % LANES;
#for i in 0..VECTORS
  var weightSum${i} = vec4f(0.0);
#end
  for (var turn = 0u; turn < dims.turns; turn++) {
    let row = (groupIndex(group, groups) * dims.turns + turn) * slots + local / LANES;
    let start = min(row, dims.groups - 1u) * dims.size;
    var sums = vec2f(0.0);
#for i in 0..VECTORS
    var v${i} = vec4f(0.0);
    var h${i} = vec4f(0.0);
    if (lane + ${i}u * LANES < dims.size) {
      let at = start + lane + ${i}u * LANES;
      v${i} = gated(at);
      h${i} = ungated(at);
      sums += vec2f(dot(v${i}, v${i}), dot(h${i} * weightAt(at), v${i}));
    }
#end
    let means = laneSums(local, sums) / f32(4u * dims.size);
    let inverse = 1.0 / sqrt(means.x + dims.eps);
    let pull = inverse * inverse * means.y;
#for i in 0..VECTORS
    if (row < dims.groups && lane + ${i}u * LANES < dims.size) {
      let at = start + lane + ${i}u * LANES;
      let gradV = inverse * (h${i} * weightAt(at) - v${i} * pull);
#if GATE_FIRST
      let gateValue = z[at];
      let inputValue = x[at];
      gradX[at] = gradV * siluOf(gateValue);
      gradZ[at] = gradV * inputValue * siluSlopeOf(gateValue);
#else
#if GATE_LAST
      gradZ[at] = gradOut[at] * v${i} * inverse * weightAt(at) * siluSlopeOf(z[at]);
#end
      gradX[at] = gradV;
#end
      weightSum${i} += h${i} * v${i} * inverse;
    }
#end
  }
#if HAS_WEIGHT
#for i in 0..VECTORS
  workgroupBarrier();
  slotSums[local] = weightSum${i};
  workgroupBarrier();
  for (var half = slots / 2u; half > 0u; half /= 2u) {
    if (local < half * LANES) {
      slotSums[local] += slotSums[local + half * LANES];
    }
    workgroupBarrier();
  }
  if (local < LANES && lane + ${i}u * LANES < dims.size) {
    let share = groupIndex(group, groups) * dims.size;
    weightShares[share + lane + ${i}u * LANES] = slotSums[local];
  }
#end
#end
}
#else

@compute @workgroup_size(GROUP)
fn normalize(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups);
  // Uniform over the workgroup, so no invocation misses a barrier.
  if (row >= dims.groups) {
    return;
  }
  let start = row * dims.size;
  var squares = 0.0;
  for (var i = local; i < dims.size; i += GROUP) {
    let v = gated(start + i);
    squares += v * v;
  }
  let mean = rowSum(local, squares) / f32(dims.size);
  let inverse = 1.0 / sqrt(mean + dims.eps);
  for (var i = local; i < dims.size; i += GROUP) {
    let at = start + i;
    var v = gated(at) * inverse;
#if HAS_WEIGHT
    v *= weight[at % dims.feature];
#end
#if GATE_LAST
    v *= silu(z[at]);
#end
    out[at] = v;
  }
}

@compute @workgroup_size(GROUP)
fn normalize_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = groupIndex(group, groups);
  if (row >= dims.groups) {
    return;
  }
  let start = row * dims.size;
  var squares = 0.0;
  var along = 0.0;
  for (var i = start + local; i < start + dims.size; i += GROUP) {
    let v = gated(i);
    squares += v * v;
    along += ungated(i) * weightAt(i) * v;
  }
  let inverse = 1.0 / sqrt(rowSum(local, squares) / f32(dims.size) + dims.eps);
  let pull = inverse * inverse * rowSum(local, along) / f32(dims.size);
  for (var i = start + local; i < start + dims.size; i += GROUP) {
    let v = gated(i);
    let gradV = inverse * (ungated(i) * weightAt(i) - v * pull);
#if GATE_FIRST
    gradX[i] = gradV * silu(z[i]);
    gradZ[i] = gradV * x[i] * siluSlope(z[i]);
#else
    gradX[i] = gradV;
#end
#if GATE_LAST
    gradZ[i] = gradOut[i] * v * inverse * weightAt(i) * siluSlope(z[i]);
#end
#if HAS_WEIGHT
    scaled[i] = ungated(i) * v * inverse;
#end
  }
}
#end
