// Cross-entropy of rows of logits with their classes, and whether the class is the largest.
//
//   value[row] = log sum_j exp(logits[row, j]) - logits[row, c]      c = targets[row]
//
// row_values     the value of every row, and 1 where c is the first of its largest logits
// row_gradients  the gradients of every row's logits
//
// One invocation has a row; WIDE rows have a workgroup each, whose invocations take every GROUP-th
// class.
#import shared/bounds
#import shared/activation
#import shared/lowest
#import shared/whole_number
#if WIDE
#import shared/row_max
#import shared/row_sum
#end

struct Dims { rows: u32, classes: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
@group(0) @binding(4) var<storage, read> total: array<f32>;
@group(0) @binding(5) var<storage, read> gradLoss: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradLogits: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradTargets: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

#if WIDE
/// Classes that one invocation goes through lie this far apart.
const STRIDE = GROUP;

fn most(local: u32, value: f32) -> f32 {
  return rowMax(local, value);
}

fn sumOf(local: u32, value: f32) -> f32 {
  return rowSum(local, value);
}
#else
const STRIDE = 1u;

fn most(local: u32, value: f32) -> f32 {
  return value;
}

fn sumOf(local: u32, value: f32) -> f32 {
  return value;
}
#end

/// The invocation's row, and its first class.
fn place(group: vec3u, groups: vec3u, local: u32) -> vec2u {
#if WIDE
  return vec2u(groupIndex(group, groups), local);
#else
  return vec2u(elementIndex(group, groups, local, GROUP), 0u);
#end
}

fn weightOf(row: u32) -> f32 {
#if HAS_WEIGHTS
  return weights[row];
#else
  return 1.0;
#end
}

fn classOf(row: u32) -> u32 {
  return wholeBelow(targets[row], dims.classes);
}

struct Row {
  /// The largest logit.
  top: f32,
  /// Sum of exp(logit - top) over all classes but the row's own.
  others: f32,
}

/// Every invocation of a workgroup must call it.
fn reduceRow(row: u32, first: u32) -> Row {
  let start = row * dims.classes;
  let own = classOf(row);
  var largest = LOWEST;
  for (var i = first; i < dims.classes; i += STRIDE) {
    largest = max(largest, logits[start + i]);
  }
  let top = most(first, largest);
  var sum = 0.0;
  for (var i = first; i < dims.classes; i += STRIDE) {
    if (i != own) {
      sum += exp(logits[start + i] - top);
    }
  }
  return Row(top, sumOf(first, sum));
}

@compute @workgroup_size(GROUP)
fn row_values(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at = place(group, groups, local);
  let row = at.x;
  // Uniform over the workgroup where it shares a row, so no invocation misses a barrier.
  if (row >= dims.rows) {
    return;
  }
  var value = 0.0;
  var hit = 0.0;
  // A missing row may hold NaN, which no weight of zero would multiply away.
  if (weightOf(row) != 0.0) {
    let start = row * dims.classes;
    let own = classOf(row);
    let sums = reduceRow(row, at.y);
    let below = sums.top - logits[start + own];
    // Where its own class is the largest, the others are all that the logarithm is about.
    let far = below + log(sums.others + exp(-below));
    value = select(far, logOnePlus(sums.others), below == 0.0);
    var earlier = 0.0;
    for (var i = at.y; i < own; i += STRIDE) {
      earlier = max(earlier, select(0.0, 1.0, logits[start + i] == sums.top));
    }
    // Asked of all invocations, also where the row's own class is not the largest.
    let seen = most(at.y, earlier);
    hit = select(0.0, 1.0, below == 0.0 && seen == 0.0);
  }
  if (at.y == 0u) {
    values[2u * row] = value;
    values[2u * row + 1u] = hit;
  }
}

@compute @workgroup_size(GROUP)
fn row_gradients(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let at = place(group, groups, local);
  let row = at.x;
  if (row >= dims.rows) {
    return;
  }
  let start = row * dims.classes;
  let weight = weightOf(row);
  if (at.y == 0u) {
    gradTargets[row] = 0.0;
  }
  if (weight == 0.0) {
    for (var i = at.y; i < dims.classes; i += STRIDE) {
      gradLogits[start + i] = 0.0;
    }
    return;
  }
  let own = classOf(row);
  let sums = reduceRow(row, at.y);
  let all = sums.others + exp(logits[start + own] - sums.top);
  let factor = gradLoss[0] / total[0] * weight / all;
  for (var i = at.y; i < dims.classes; i += STRIDE) {
    // The own class has the share of the others with a minus: a share minus 1 would cancel.
    let share = select(exp(logits[start + i] - sums.top), -sums.others, i == own);
    gradLogits[start + i] = factor * share;
  }
}
