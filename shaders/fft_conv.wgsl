// Causal long convolution by FFT. A transform has ROWS x COLUMNS points, point r COLUMNS + c at row
// r and column c; with one row everything happens in one workgroup, else (SPLIT) in four steps:
//
// kernel_columns  columns of the kernel, turned by exp(-2 pi i r c / points)   (SPLIT)
// kernel_rows     rows of the kernel: its spectrum, in the transposed order of the split
// signal_columns  as kernel_columns, for a pair of sequences                    (SPLIT)
// convolve_rows   rows of the signal, times the spectrum, and back
// output_columns  columns back                                                  (SPLIT)
//
// Two sequences of the batch share a transform as real and imaginary part. A workgroup transforms
// one row, or as many neighbouring columns as fill its memory.
#import shared/complex

struct Dims { batch: u32, length: u32, feature: u32, taps: u32, kernelTaps: u32, pairs: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> kernel: array<f32>;
@group(0) @binding(2) var<storage, read> D: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> spectrum: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> signal: array<vec2f>;
// exp(-2 pi i k / points) for every k.
@group(0) @binding(6) var<storage, read> twiddle: array<vec2f>;
@group(1) @binding(0) var<uniform> dims: Dims;

const POINTS = ${ROWS * COLUMNS}u;
const COLUMNS_PER_GROUP = ${COLUMNS / ROWS}u;

// Stockham's transform goes back and forth between two buffers and needs no bit reversal.
var<workgroup> work: array<array<vec2f, COLUMNS>, 2>;

/// exp(-+ 2 pi i k / count), - forward, + inverse.
fn turnFactor(k: u32, count: u32, inverse: bool) -> vec2f {
  let w = twiddle[k * (POINTS / count)];
  return select(w, complexConj(w), inverse);
}

/// Transforms `lanes` interleaved sequences of `count` points in work[0]; the result is in
/// work[stages % 2]. The barriers at both ends are inside.
fn transform(local: u32, count: u32, stages: u32, lanes: u32, inverse: bool) {
  workgroupBarrier();
  let half = count / 2u * lanes;
  for (var stage = 0u; stage < stages; stage++) {
    let size = 1u << stage;
    let read = stage % 2u;
    for (var i = local; i < half; i += GROUP) {
      let lane = i % lanes;
      let j = i / lanes;
      let k = j % size;
      let w = turnFactor(k, 2u * size, inverse);
      let even = work[read][i];
      let odd = complexMul(w, work[read][i + half]);
      let at = ((j - k) * 2u + k) * lanes + lane;
      work[1u - read][at] = even + odd;
      work[1u - read][at + size * lanes] = even - odd;
    }
    workgroupBarrier();
  }
}

/// Position in [batch, length, feature]; with REVERSED time runs backwards.
fn sampleIndex(b: u32, d: u32, k: u32) -> u32 {
#if REVERSED
  let time = dims.length - 1u - k;
#else
  let time = k;
#end
#if CORRELATE
  return (d / dims.feature * dims.length + time) * dims.feature + d % dims.feature;
#else
  return (b * dims.length + time) * dims.feature + d;
#end
}

fn kernelAt(d: u32, k: u32) -> vec2f {
#if CORRELATE
  let at = (d / dims.feature * dims.length + k) * dims.feature + d % dims.feature;
#else
  let at = d * dims.kernelTaps + k;
#end
  return vec2f(select(0.0, kernel[at], k < dims.taps), 0.0);
}

/// Features times the sequences that do not share a kernel.
fn kernels() -> u32 {
#if CORRELATE
  return dims.feature * dims.batch;
#else
  return dims.feature;
#end
}

/// The pair's samples at position k: one sequence in each part.
fn signalAt(pair: u32, d: u32, k: u32) -> vec2f {
  let inside = k < dims.length;
  var second = 0.0;
#if !CORRELATE
  if (inside && 2u * pair + 1u < dims.batch) {
    second = u[sampleIndex(2u * pair + 1u, d, k)];
  }
#end
  return vec2f(select(0.0, u[sampleIndex(2u * pair, d, k)], inside), second);
}

fn storeOutput(pair: u32, d: u32, k: u32, value: vec2f) {
#if CORRELATE
  // Position length - 1 is tap 0; taps beyond the length reach no output.
  if (k < dims.length && dims.length - 1u - k < dims.kernelTaps) {
    y[d * dims.kernelTaps + dims.length - 1u - k] = value.x;
  } else if (k >= dims.length && k < dims.kernelTaps) {
    y[d * dims.kernelTaps + k] = 0.0;
  }
#else
  if (k >= dims.length) {
    return;
  }
  var result = value;
#if HAS_D
  result += D[d] * signalAt(pair, d, k);
#end
  y[sampleIndex(2u * pair, d, k)] = result.x;
  if (2u * pair + 1u < dims.batch) {
    y[sampleIndex(2u * pair + 1u, d, k)] = result.y;
  }
#end
}

@compute @workgroup_size(GROUP)
fn kernel_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let first = group.y * POINTS + group.x * COLUMNS;
  for (var i = local; i < COLUMNS; i += GROUP) {
#if SPLIT
    work[0][i] = spectrum[first + i];
#else
    work[0][i] = kernelAt(group.y, i);
#end
  }
  transform(local, COLUMNS, COLUMN_STAGES, 1u, false);
  for (var i = local; i < COLUMNS; i += GROUP) {
    // The inverse transform's division happens here, once.
    spectrum[first + i] = work[COLUMN_STAGES % 2u][i] / f32(POINTS);
  }
}

@compute @workgroup_size(GROUP)
fn convolve_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * POINTS + group.x * COLUMNS;
#if SPLIT
  let first = (group.z * kernels() + group.y) * POINTS + group.x * COLUMNS;
#end
  for (var i = local; i < COLUMNS; i += GROUP) {
#if SPLIT
    work[0][i] = signal[first + i];
#else
    work[0][i] = signalAt(group.z, group.y, i);
#end
  }
  transform(local, COLUMNS, COLUMN_STAGES, 1u, false);
  for (var i = local; i < COLUMNS; i += GROUP) {
    work[0][i] = complexMul(work[COLUMN_STAGES % 2u][i], spectrum[row + i]);
  }
  transform(local, COLUMNS, COLUMN_STAGES, 1u, true);
  for (var i = local; i < COLUMNS; i += GROUP) {
    let value = work[COLUMN_STAGES % 2u][i];
#if SPLIT
    signal[first + i] = complexMul(value, turnFactor(group.x * i, POINTS, true));
#else
    storeOutput(group.z, group.y, i, value);
#end
  }
}

#if SPLIT
@compute @workgroup_size(GROUP)
fn kernel_columns(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let column0 = group.x * COLUMNS_PER_GROUP;
  for (var i = local; i < COLUMNS; i += GROUP) {
    let k = i / COLUMNS_PER_GROUP * COLUMNS + column0 + i % COLUMNS_PER_GROUP;
    work[0][i] = kernelAt(group.y, k);
  }
  transform(local, ROWS, ROW_STAGES, COLUMNS_PER_GROUP, false);
  for (var i = local; i < COLUMNS; i += GROUP) {
    let row = i / COLUMNS_PER_GROUP;
    let column = column0 + i % COLUMNS_PER_GROUP;
    let w = turnFactor(row * column, POINTS, false);
    spectrum[group.y * POINTS + row * COLUMNS + column] =
      complexMul(work[ROW_STAGES % 2u][i], w);
  }
}

@compute @workgroup_size(GROUP)
fn signal_columns(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let column0 = group.x * COLUMNS_PER_GROUP;
  let first = (group.z * kernels() + group.y) * POINTS;
  for (var i = local; i < COLUMNS; i += GROUP) {
    let k = i / COLUMNS_PER_GROUP * COLUMNS + column0 + i % COLUMNS_PER_GROUP;
    work[0][i] = signalAt(group.z, group.y, k);
  }
  transform(local, ROWS, ROW_STAGES, COLUMNS_PER_GROUP, false);
  for (var i = local; i < COLUMNS; i += GROUP) {
    let row = i / COLUMNS_PER_GROUP;
    let column = column0 + i % COLUMNS_PER_GROUP;
    let w = turnFactor(row * column, POINTS, false);
    signal[first + row * COLUMNS + column] = complexMul(work[ROW_STAGES % 2u][i], w);
  }
}

@compute @workgroup_size(GROUP)
fn output_columns(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let column0 = group.x * COLUMNS_PER_GROUP;
  let first = (group.z * kernels() + group.y) * POINTS;
  for (var i = local; i < COLUMNS; i += GROUP) {
    let k = i / COLUMNS_PER_GROUP * COLUMNS + column0 + i % COLUMNS_PER_GROUP;
    work[0][i] = signal[first + k];
  }
  transform(local, ROWS, ROW_STAGES, COLUMNS_PER_GROUP, true);
  for (var i = local; i < COLUMNS; i += GROUP) {
    let k = i / COLUMNS_PER_GROUP * COLUMNS + column0 + i % COLUMNS_PER_GROUP;
    storeOutput(group.z, group.y, k, work[ROW_STAGES % 2u][i]);
  }
}
#end
