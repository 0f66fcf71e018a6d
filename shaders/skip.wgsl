// A system's skip and the activation after it; equations in src/ops/skip.ts. An Element is VECTOR
// features, and so are sizes.
#import shared/bounds
#import shared/activation_vector

struct Dims { count: u32, width: u32, rows: u32, run: u32 }

@group(0) @binding(0) var<storage, read> a: array<Element>;
@group(0) @binding(1) var<storage, read> u: array<Element>;
@group(0) @binding(2) var<storage, read> weight: array<Element>;
#if BACK
@group(0) @binding(3) var<storage, read> y: array<Element>;
#else
@group(0) @binding(3) var<storage, read_write> y: array<Element>;
#end
@group(0) @binding(4) var<storage, read_write> g: array<Element>;
@group(0) @binding(5) var<storage, read> gradY: array<Element>;
@group(0) @binding(6) var<storage, read> gradG: array<Element>;
@group(0) @binding(7) var<storage, read_write> gradA: array<Element>;
@group(0) @binding(8) var<storage, read_write> gradU: array<Element>;
/// Of the weight's gradient: a row for each run of rows.
@group(0) @binding(9) var<storage, read_write> sums: array<Element>;
@group(1) @binding(0) var<uniform> dims: Dims;

#if BACK
/// An invocation goes through a run of rows for its features.
@compute @workgroup_size(GROUP)
fn skip_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let column = i % dims.width;
  let first = i / dims.width * dims.run;
  let factor = weight[column];
  var sum = Element();
  for (var row = first; row < min(first + dims.run, dims.rows); row++) {
    let at = row * dims.width + column;
    let gradient = gradY[at] + gradG[at] * actSlopeOf(y[at], 1.0);
    gradA[at] = gradient;
    gradU[at] = factor * gradient;
    sum += gradient * u[at];
  }
  sums[i] = sum;
}
#else
@compute @workgroup_size(GROUP)
fn skip(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    let value = a[i] + weight[i % dims.width] * u[i];
    y[i] = value;
    g[i] = actOf(value, 1.0);
  }
}
#end
