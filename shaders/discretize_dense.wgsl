// Discrete systems of a dense continuous one, and the gradients back. One workgroup a system.
//
// make_systems  Abar and Bbar
// pass_back     the gradient of dt [A, B], as shares of gradA and gradB, and gradDt
//
// HOLD chooses the exponential (a series, and squarings), else the bilinear family is
// solved for by Gauss and Jordan's elimination; src/ops/discretize_dense.ts has the equations.
#import shared/bounds
#import shared/row_sum

struct Dims { systems: u32, alpha: f32 }

const WIDTH = 2u * STATES + 1u;
const DEGREE = 8u;
const SQUARINGS_MAX = 40u;

@group(0) @binding(0) var<storage, read> A: array<f32>;
@group(0) @binding(1) var<storage, read> B: array<f32>;
@group(0) @binding(2) var<storage, read> dt: array<f32>;
@group(0) @binding(3) var<storage, read_write> work: array<f32>;
#if BACKWARD
@group(0) @binding(4) var<storage, read> Abar: array<f32>;
@group(0) @binding(5) var<storage, read> Bbar: array<f32>;
#else
@group(0) @binding(4) var<storage, read_write> Abar: array<f32>;
@group(0) @binding(5) var<storage, read_write> Bbar: array<f32>;
#end
@group(0) @binding(6) var<storage, read> gradAbar: array<f32>;
@group(0) @binding(7) var<storage, read> gradBbar: array<f32>;
@group(0) @binding(8) var<storage, read_write> sharesOfA: array<f32>;
@group(0) @binding(9) var<storage, read_write> sharesOfB: array<f32>;
@group(0) @binding(10) var<storage, read_write> gradDt: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// Element (i, j) of [A, B].
fn continuous(i: u32, j: u32) -> f32 {
  if (j < STATES) {
    return A[i * STATES + j];
  }
  return B[i];
}

/// Element (i, j) of the gradient of [Abar, Bbar].
fn gradientAt(system: u32, i: u32, j: u32) -> f32 {
#if BACKWARD
  if (j < STATES) {
    return gradAbar[(system * STATES + i) * STATES + j];
  }
  return gradBbar[system * STATES + i];
#else
  return 0.0;
#end
}

#if !HOLD
var<workgroup> bestValue: array<f32, GROUP>;
var<workgroup> bestRow: array<u32, GROUP>;

/// Row of the largest of column k from row k on; the first of equals.
fn pivotRow(base: u32, k: u32, local: u32) -> u32 {
  var value = -1.0;
  var row = k;
  for (var i = k + local; i < STATES; i += GROUP) {
    let size = abs(work[base + i * WIDTH + k]);
    if (size > value) {
      value = size;
      row = i;
    }
  }
  bestValue[local] = value;
  bestRow[local] = row;
  workgroupBarrier();
  for (var g = 0u; g < GROUP; g++) {
    if (bestValue[g] > value || (bestValue[g] == value && bestRow[g] < row)) {
      value = bestValue[g];
      row = bestRow[g];
    }
  }
  return row;
}

/// Solves work [matrix, right sides]: element (i, j) of the solution is then `solved(base, i, j)`.
fn eliminate(base: u32, local: u32) {
  for (var k = 0u; k < STATES; k++) {
    storageBarrier();
    let other = pivotRow(base, k, local);
    if (other != k) {
      for (var j = k + local; j < WIDTH; j += GROUP) {
        let kept = work[base + k * WIDTH + j];
        work[base + k * WIDTH + j] = work[base + other * WIDTH + j];
        work[base + other * WIDTH + j] = kept;
      }
    }
    storageBarrier();
    // Column k itself is left as it is: nobody looks at it again.
    let pivot = work[base + k * WIDTH + k];
    let columns = WIDTH - k - 1u;
    for (var e = local; e < STATES * columns; e += GROUP) {
      let i = e / columns;
      let j = k + 1u + e % columns;
      if (i != k) {
        let factor = work[base + i * WIDTH + k] / pivot;
        work[base + i * WIDTH + j] -= factor * work[base + k * WIDTH + j];
      }
    }
  }
  storageBarrier();
}

fn solved(base: u32, i: u32, j: u32) -> f32 {
  return work[base + i * WIDTH + STATES + j] / work[base + i * WIDTH + i];
}

/// Element (i, j) of I - alpha dt A.
fn implicitAt(i: u32, j: u32, step: f32) -> f32 {
  return select(0.0, 1.0, i == j) - dims.alpha * step * A[i * STATES + j];
}
#end

#if HOLD
var<workgroup> rowSizes: array<f32, GROUP>;

/// Squarings that bring the largest row sum of dt [A, B] below a half.
fn squaringsFor(step: f32, local: u32) -> u32 {
  var size = 0.0;
  for (var i = local; i < STATES; i += GROUP) {
    var sum = 0.0;
    for (var j = 0u; j < SIDE; j++) {
      sum += abs(continuous(i, j));
    }
    size = max(size, sum);
  }
  rowSizes[local] = size;
  workgroupBarrier();
  for (var g = 0u; g < GROUP; g++) {
    size = max(size, rowSizes[g]);
  }
  size *= step;
  var count = 0u;
  while (size > 0.5 && count < SQUARINGS_MAX) {
    size *= 0.5;
    count++;
  }
  return count;
}

/// A row of one matrix times a column of another, RUN products at a time: naga counts the turns of
/// every loop, and software Vulkan ends one after 65,535 in all.
fn product(row: u32, column: u32) -> f32 {
  var sum = 0.0;
#if SIDE / RUN > 0
  for (var m = 0u; m < SIDE / RUN * RUN; m += RUN) {
#for r in 0..RUN
    sum += work[row + m + ${r}u] * work[column + (m + ${r}u) * SIDE];
#end
  }
#end
#for r in SIDE / RUN * RUN..SIDE
  sum += work[row + ${r}u] * work[column + ${r}u * SIDE];
#end
  return sum;
}

/// to = scale (left right + shift left); with BACKWARD the same of pairs, value and derivative.
fn multiply(to: u32, left: u32, right: u32, shift: f32, scale: f32, local: u32) {
  for (var e = local; e < SIDE * SIDE; e += GROUP) {
    let row = left + e / SIDE * SIDE;
    let column = right + e % SIDE;
    work[to + e] = scale * (shift * work[left + e] + product(row, column));
#if BACKWARD
    let apart = 3u * SIDE * SIDE;
    let change = product(row, column + apart) + product(row + apart, column);
    work[to + apart + e] = scale * (shift * work[left + apart + e] + change);
#end
  }
}

/// The exponential of the matrix at `base`, less I where nothing is squared; gives where it lies.
fn exponential(base: u32, squarings: u32, local: u32) -> u32 {
  var here = base + SIDE * SIDE;
  var other = here + SIDE * SIDE;
  for (var e = local; e < SIDE * SIDE; e += GROUP) {
    work[here + e] = work[base + e] / f32(DEGREE);
#if BACKWARD
    work[here + 3u * SIDE * SIDE + e] = work[base + 3u * SIDE * SIDE + e] / f32(DEGREE);
#end
  }
  for (var m = DEGREE - 1u; m > 0u; m--) {
    storageBarrier();
    multiply(other, base, here, 1.0, 1.0 / f32(m), local);
    let swapped = here;
    here = other;
    other = swapped;
  }
  storageBarrier();
  if (squarings > 0u) {
    for (var i = local; i < SIDE; i += GROUP) {
      work[here + i * (SIDE + 1u)] += 1.0;
    }
  }
  for (var s = 0u; s < SQUARINGS_MAX; s++) {
    // The barrier stays outside of what only some systems do.
    storageBarrier();
    if (s < squarings) {
      multiply(other, here, here, 0.0, 1.0, local);
      let swapped = here;
      here = other;
      other = swapped;
    }
  }
  storageBarrier();
  return here;
}
#end

#if !BACKWARD
@compute @workgroup_size(GROUP)
fn make_systems(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let system = groupIndex(group, groups);
  if (system >= dims.systems) {
    return;
  }
  let step = dt[system];
#if HOLD
  let base = system * 3u * SIDE * SIDE;
  let squarings = squaringsFor(step, local);
  let scaled = step * exp2(-f32(squarings));
  for (var e = local; e < SIDE * SIDE; e += GROUP) {
    work[base + e] = 0.0;
    if (e / SIDE < STATES) {
      work[base + e] = scaled * continuous(e / SIDE, e % SIDE);
    }
  }
  storageBarrier();
  let made = exponential(base, squarings, local);
  for (var e = local; e < STATES * STATES; e += GROUP) {
    let i = e / STATES;
    let j = e % STATES;
    let one = select(0.0, 1.0, i == j && squarings == 0u);
    Abar[system * STATES * STATES + e] = work[made + i * SIDE + j] + one;
  }
  for (var i = local; i < STATES; i += GROUP) {
    Bbar[system * STATES + i] = work[made + i * SIDE + STATES];
  }
#else
  let base = system * STATES * WIDTH;
  for (var e = local; e < STATES * WIDTH; e += GROUP) {
    let i = e / WIDTH;
    let j = e % WIDTH;
    if (j < STATES) {
      work[base + e] = implicitAt(i, j, step);
    } else {
      work[base + e] = step * continuous(i, j - STATES);
    }
  }
  eliminate(base, local);
  for (var e = local; e < STATES * STATES; e += GROUP) {
    let i = e / STATES;
    let j = e % STATES;
    Abar[system * STATES * STATES + e] = solved(base, i, j) + select(0.0, 1.0, i == j);
  }
  for (var i = local; i < STATES; i += GROUP) {
    Bbar[system * STATES + i] = solved(base, i, STATES);
  }
#end
}
#end

#if BACKWARD
@compute @workgroup_size(GROUP)
fn pass_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let system = groupIndex(group, groups);
  if (system >= dims.systems) {
    return;
  }
  let step = dt[system];
#if HOLD
  let base = system * 6u * SIDE * SIDE;
  let apart = 3u * SIDE * SIDE;
  let squarings = squaringsFor(step, local);
  let scale = exp2(-f32(squarings));
  // The transposed matrix, and the gradient as the direction of its derivative.
  for (var e = local; e < SIDE * SIDE; e += GROUP) {
    let i = e / SIDE;
    let j = e % SIDE;
    work[base + e] = 0.0;
    work[base + apart + e] = 0.0;
    if (j < STATES) {
      work[base + e] = scale * step * continuous(j, i);
    }
    if (i < STATES) {
      work[base + apart + e] = scale * gradientAt(system, i, j);
    }
  }
  storageBarrier();
  let made = exponential(base, squarings, local) + apart;
#else
  let base = system * STATES * WIDTH;
  for (var e = local; e < STATES * WIDTH; e += GROUP) {
    let i = e / WIDTH;
    let j = e % WIDTH;
    if (j < STATES) {
      work[base + e] = implicitAt(j, i, step);
    } else {
      work[base + e] = gradientAt(system, i, j - STATES);
    }
  }
  eliminate(base, local);
#end
  var ofStep = 0.0;
  for (var e = local; e < STATES * SIDE; e += GROUP) {
    let i = e / SIDE;
    let j = e % SIDE;
#if HOLD
    let g = work[made + e];
#else
    var g = solved(base, i, j);
    if (j < STATES) {
      // Row i of Y against row j of [Abar - I, Bbar].
      var sum = solved(base, i, STATES) * Bbar[system * STATES + j];
      for (var c = 0u; c < STATES; c++) {
        let z = Abar[(system * STATES + j) * STATES + c] - select(0.0, 1.0, c == j);
        sum += solved(base, i, c) * z;
      }
      g += dims.alpha * sum;
    }
#end
#if HOLD
    // A Abar and, in the last column, Abar B.
    var slope = 0.0;
    for (var c = 0u; c < STATES; c++) {
      if (j < STATES) {
        slope += A[i * STATES + c] * Abar[(system * STATES + c) * STATES + j];
      } else {
        slope += Abar[(system * STATES + i) * STATES + c] * B[c];
      }
    }
    ofStep += gradientAt(system, i, j) * slope;
#else
    ofStep += g * continuous(i, j);
#end
    if (j < STATES) {
      sharesOfA[(system * STATES + i) * STATES + j] = step * g;
    } else {
      sharesOfB[system * STATES + i] = step * g;
    }
  }
  let total = rowSum(local, ofStep);
  if (local == 0u) {
    gradDt[system] = total;
  }
}
#end
