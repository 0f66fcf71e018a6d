// Quantiles around a mixture of anchors; equations in src/ops/anchor_mixture.ts.
//
// mix              the quantiles
// back_to_z        the gradients of logits, spread and raw offsets
// back_to_anchors  those of anchors and scale; `valid` has none
//
// An invocation has a row: ANCHORS logits, a spread and LEVELS raw offsets, whose middle one is
// MIDDLE.
#import shared/bounds
#import shared/lowest

struct Dims { rows: u32 }

@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> anchors: array<f32>;
@group(0) @binding(2) var<storage, read> valid: array<f32>;
@group(0) @binding(3) var<storage, read> scale: array<f32>;
@group(0) @binding(4) var<storage, read_write> q: array<f32>;
@group(0) @binding(5) var<storage, read> gradQ: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradZ: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradAnchors: array<f32>;
@group(0) @binding(8) var<storage, read_write> gradValid: array<f32>;
@group(0) @binding(9) var<storage, read_write> gradScale: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

const COLUMNS = ANCHORS + 1u + LEVELS;
/// As in src/ops/anchor_mixture.ts.
const SPREAD_MAX = 5.0;
const RAW_SHIFT = 0.5;

fn isValid(row: u32, i: u32) -> bool {
  return valid[row * ANCHORS + i] > 0.5;
}

/// The largest logit of a valid anchor in x, and the sum of their exponentials less it in y.
fn normaliserOf(row: u32) -> vec2f {
  var most = LOWEST;
  for (var i = 0u; i < ANCHORS; i++) {
    if (isValid(row, i)) {
      most = max(most, z[row * COLUMNS + i]);
    }
  }
  var total = 0.0;
  for (var i = 0u; i < ANCHORS; i++) {
    if (isValid(row, i)) {
      total += exp(z[row * COLUMNS + i] - most);
    }
  }
  return vec2f(most, total);
}

/// Weight of an anchor that is valid.
fn weightOf(row: u32, i: u32, normaliser: vec2f) -> f32 {
  return exp(z[row * COLUMNS + i] - normaliser.x) / normaliser.y;
}

fn baseOf(row: u32, normaliser: vec2f) -> f32 {
  var base = 0.0;
  for (var i = 0u; i < ANCHORS; i++) {
    if (isValid(row, i)) {
      base += weightOf(row, i, normaliser) * anchors[row * ANCHORS + i];
    }
  }
  return base;
}

fn gainOf(row: u32) -> f32 {
  return exp(clamp(z[row * COLUMNS + ANCHORS], -SPREAD_MAX, SPREAD_MAX));
}

fn rawOf(row: u32, k: u32) -> f32 {
  return z[row * COLUMNS + ANCHORS + 1u + k];
}

/// What a level beyond the middle one adds to the offset of its neighbour.
fn stepOf(row: u32, k: u32) -> f32 {
  let x = rawOf(row, k) - RAW_SHIFT;
  return max(x, 0.0) + log(1.0 + exp(-abs(x)));
}

@compute @workgroup_size(GROUP)
fn mix(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.rows) {
    return;
  }
  let base = baseOf(row, normaliserOf(row));
  let spread = gainOf(row) * scale[row];
  let middle = rawOf(row, MIDDLE);
  q[row * LEVELS + MIDDLE] = base + spread * middle;
  var offset = middle;
  for (var k = MIDDLE + 1u; k < LEVELS; k++) {
    offset += stepOf(row, k);
    q[row * LEVELS + k] = base + spread * offset;
  }
  offset = middle;
  for (var k = MIDDLE; k > 0u; k--) {
    offset -= stepOf(row, k - 1u);
    q[row * LEVELS + k - 1u] = base + spread * offset;
  }
}

#if BACK
/// The gradients of a row's quantiles: their sum in x, and their sum along the offsets in y.
fn sumsOf(row: u32) -> vec2f {
  let middle = rawOf(row, MIDDLE);
  let ofMiddle = gradQ[row * LEVELS + MIDDLE];
  var sums = vec2f(ofMiddle, ofMiddle * middle);
  var offset = middle;
  for (var k = MIDDLE + 1u; k < LEVELS; k++) {
    offset += stepOf(row, k);
    sums += gradQ[row * LEVELS + k] * vec2f(1.0, offset);
  }
  offset = middle;
  for (var k = MIDDLE; k > 0u; k--) {
    offset -= stepOf(row, k - 1u);
    sums += gradQ[row * LEVELS + k - 1u] * vec2f(1.0, offset);
  }
  return sums;
}

fn slopeOf(row: u32, k: u32) -> f32 {
  return 1.0 / (1.0 + exp(RAW_SHIFT - rawOf(row, k)));
}

@compute @workgroup_size(GROUP)
fn back_to_z(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.rows) {
    return;
  }
  let normaliser = normaliserOf(row);
  let base = baseOf(row, normaliser);
  let sums = sumsOf(row);
  let spread = gainOf(row) * scale[row];
  let first = row * COLUMNS;
  for (var i = 0u; i < ANCHORS; i++) {
    var gradient = 0.0;
    if (isValid(row, i)) {
      gradient = weightOf(row, i, normaliser) * (anchors[row * ANCHORS + i] - base) * sums.x;
    }
    gradZ[first + i] = gradient;
  }
  let isFree = abs(z[first + ANCHORS]) < SPREAD_MAX;
  gradZ[first + ANCHORS] = select(0.0, spread * sums.y, isFree);
  let raw = first + ANCHORS + 1u;
  gradZ[raw + MIDDLE] = spread * sums.x;
  var beyond = 0.0;
  for (var k = LEVELS - 1u; k > MIDDLE; k--) {
    beyond += gradQ[row * LEVELS + k];
    gradZ[raw + k] = spread * slopeOf(row, k) * beyond;
  }
  beyond = 0.0;
  for (var k = 0u; k < MIDDLE; k++) {
    beyond += gradQ[row * LEVELS + k];
    gradZ[raw + k] = -spread * slopeOf(row, k) * beyond;
  }
}

@compute @workgroup_size(GROUP)
fn back_to_anchors(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.rows) {
    return;
  }
  let normaliser = normaliserOf(row);
  let sums = sumsOf(row);
  for (var i = 0u; i < ANCHORS; i++) {
    var gradient = 0.0;
    if (isValid(row, i)) {
      gradient = weightOf(row, i, normaliser) * sums.x;
    }
    gradAnchors[row * ANCHORS + i] = gradient;
    gradValid[row * ANCHORS + i] = 0.0;
  }
  gradScale[row] = gainOf(row) * sums.y;
}
#end
