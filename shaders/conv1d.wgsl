// Causal depthwise convolution over time, and its way back.
//
//   y[k] = act(sum_j weight[j] w[k + j] + bias)     w: the carried inputs, then u
//
// convolve       RUN outputs of one feature from registers that slide over the window; the last run
//                of a row also writes the carried state
// back_to_all    the gradients of PART steps of one feature: slope[k] = gradY[k] act'(before it),
//                gradU from the slopes that its window reached, sums for the taps and the bias
// back_to_state  the gradient of the carried inputs
//
// Neighbouring invocations have neighbouring features, so every load and store is of whole lines,
// and u, gradY and gradU move once.
#import shared/bounds
#import shared/activation

struct Dims { batch: u32, length: u32, feature: u32, runs: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> x0: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;
@group(0) @binding(6) var<storage, read> gradY: array<f32>;
@group(0) @binding(7) var<storage, read> gradState: array<f32>;
@group(0) @binding(8) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(9) var<storage, read_write> gradX0: array<f32>;
// A row a part: gradients of the taps [feature, WIDTH], then of the bias [feature].
@group(0) @binding(10) var<storage, read_write> sums: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

const PAST = ${WIDTH - 1}u;

/// Input at position `k` of the window: the PAST carried inputs, then the sequence; 0 after.
fn windowAt(b: u32, d: u32, k: u32) -> f32 {
  if (k >= PAST) {
    let sample = k - PAST;
    if (sample < dims.length) {
      return u[(b * dims.length + sample) * dims.feature + d];
    }
    return 0.0;
  }
#if HAS_X0
  return x0[(b * dims.feature + d) * PAST + k];
#else
  return 0.0;
#end
}

fn biasOf(d: u32) -> f32 {
#if HAS_BIAS
  return bias[d];
#else
  return 0.0;
#end
}

@compute @workgroup_size(GROUP)
fn convolve(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.batch * dims.runs * dims.feature) {
    return;
  }
  let d = i % dims.feature;
  let run = i / dims.feature % dims.runs;
  let b = i / dims.feature / dims.runs;
  let first = run * RUN;
#for j in 0..WIDTH - 1 + RUN
  var w${j} = 0.0;
#end
  // All loads before the first product, so that they travel together.
  if (first >= PAST && first + RUN <= dims.length) {
    let at = (b * dims.length + first - PAST) * dims.feature + d;
#for j in 0..WIDTH - 1 + RUN
    w${j} = u[at + ${j}u * dims.feature];
#end
  } else {
#for j in 0..WIDTH - 1 + RUN
    w${j} = windowAt(b, d, first + ${j}u);
#end
  }
  let shift = biasOf(d);
#for j in 0..WIDTH
  let weight${j} = weight[d * WIDTH + ${j}u];
#end
#for r in 0..RUN
  if (first + ${r}u < dims.length) {
    var sum = shift;
#for j in 0..WIDTH
    sum = fma(weight${j}, w${r + j}, sum);
#end
#if SILU
    sum = silu(sum);
#end
    y[(b * dims.length + first + ${r}u) * dims.feature + d] = sum;
  }
#end
#if WIDTH > 1
  if (run + 1u == dims.runs) {
    for (var j = 0u; j < PAST; j++) {
      state[(b * dims.feature + d) * PAST + j] = windowAt(b, d, dims.length + j);
    }
  }
#end
}

/// The gradient of a sum before the activation.
fn slopeOf(sum: f32, gradient: f32) -> f32 {
#if SILU
  return gradient * siluSlope(sum);
#else
  return gradient;
#end
}

@compute @workgroup_size(GROUP)
fn back_to_all(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.batch * dims.runs * dims.feature) {
    return;
  }
  let d = i % dims.feature;
  let row = i / dims.feature;
  let b = row / dims.runs;
  let first = row % dims.runs * PART;
  let rows = b * dims.length;
  let shift = biasOf(d);
  var sumSlopes = 0.0;
#for j in 0..WIDTH
  let weight${j} = weight[d * WIDTH + ${j}u];
  var tap${j} = 0.0;
#end
  // What the next step sees of the steps before: inputs, and slopes.
#for j in 0..WIDTH - 1
  var past${j} = windowAt(b, d, first + ${j}u);
  var before${j} = 0.0;
#end
  // The slopes of PAST steps more reach back into this part.
  for (var base = 0u; base < PART + PAST; base += RUN) {
#for j in 0..WIDTH - 1
    let w${j} = past${j};
    let slope${j} = before${j};
#end
#for r in 0..RUN
    let k${r} = first + base + ${r}u;
    let at${r} = (rows + min(k${r}, dims.length - 1u)) * dims.feature + d;
    let w${WIDTH - 1 + r} = u[at${r}];
    let gradient${r} = select(0.0, gradY[at${r}], k${r} < dims.length);
#end
#for r in 0..RUN
    var sum${r} = shift;
#for j in 0..WIDTH
    sum${r} = fma(weight${j}, w${r + j}, sum${r});
#end
    let slope${WIDTH - 1 + r} = slopeOf(sum${r}, gradient${r});
#end
    if (base < PART) {
#for r in 0..RUN
      sumSlopes += slope${WIDTH - 1 + r};
#for j in 0..WIDTH
      tap${j} = fma(slope${WIDTH - 1 + r}, w${r + j}, tap${j});
#end
#end
    }
#for r in 0..RUN
    // Sample k is position k + PAST of the window, which tap j carries to output k + PAST - j.
    if (base + ${r}u >= PAST && base + ${r}u < PART + PAST && k${r} - PAST < dims.length) {
      var back = 0.0;
#for j in 0..WIDTH
      back = fma(weight${j}, slope${WIDTH - 1 + r - j}, back);
#end
#if WIDTH > 1
      if (k${r} >= dims.length) {
        back += gradState[(b * dims.feature + d) * PAST + k${r} - dims.length];
      }
#end
      gradU[(rows + k${r} - PAST) * dims.feature + d] = back;
    }
#end
#for j in 0..WIDTH - 1
    past${j} = w${RUN + j};
    before${j} = slope${RUN + j};
#end
  }
  let start = row * dims.feature * (WIDTH + 1u);
#for j in 0..WIDTH
  sums[start + d * WIDTH + ${j}u] = tap${j};
#end
  sums[start + dims.feature * WIDTH + d] = sumSlopes;
}

@compute @workgroup_size(GROUP)
fn back_to_state(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
#if WIDTH > 1
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.batch * dims.feature * PAST) {
    let d = i / PAST % dims.feature;
    let b = i / PAST / dims.feature;
    let position = i % PAST;
    var back = 0.0;
    // Tap j carries the position to output position - j.
    for (var j = 0u; j <= position; j++) {
      let k = position - j;
      if (k < dims.length) {
        var sum = biasOf(d);
        for (var t = 0u; t < WIDTH; t++) {
          sum += weight[d * WIDTH + t] * windowAt(b, d, k + t);
        }
        let gradient = gradY[(b * dims.length + k) * dims.feature + d];
        back += weight[d * WIDTH + j] * slopeOf(sum, gradient);
      }
    }
    if (position >= dims.length) {
      back += gradState[i - dims.length];
    }
    gradX0[i] = back;
  }
#end
}
