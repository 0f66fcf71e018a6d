// Diagonal complex scan with a given drive, reduce-then-scan over chunks of the length.
//
//   x[k] = Abar[k] x[k-1] + f[k] v[k]
//
// With LOGS, A has the logarithm of every step's own Abar, a number for each element of v.
//
// reduce_chunks  every chunk but the last: its end state from a zero start, and its decay
// carry_chunks   across the chunks: the state before chunk c + 1 replaces the end of chunk c
// apply_chunks   every chunk again from its true start: x, and the final state
//
// and back, with the gradient flow of the state against the scan's direction:
//
//   flow[k] = gradX[k] + conj(Abar[k+1]) flow[k+1]
//
// reduce_flows   every chunk: the flow it passes back from a zero start, and its decay
// carry_flows    across the chunks: the flow into chunk c replaces what it passes on
// apply_flows    every chunk again from its true flow, and its products with the states: the
//                gradients of the drive, the steps and the poles
//
// An invocation holds one state of one row of the batch, and loads AHEAD steps before it takes the
// first of them: a load waits for memory, a step for the step before, and so neither for both.
#import shared/discretize_mode

struct Dims { length: u32, states: u32, rows: u32, chunk: u32, chunks: u32 }

@group(0) @binding(0) var<storage, read> v: array<vec2f>;
@group(0) @binding(1) var<storage, read> A: array<vec2f>;
@group(0) @binding(2) var<storage, read> dt: array<f32>;
@group(0) @binding(3) var<storage, read> x0: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> x: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> state: array<vec2f>;
/// End state in xy, decay over the chunk in zw.
@group(0) @binding(6) var<storage, read_write> ends: array<vec4f>;
@group(0) @binding(7) var<storage, read> gradX: array<vec2f>;
@group(0) @binding(8) var<storage, read> gradState: array<vec2f>;
@group(0) @binding(9) var<storage, read_write> gradV: array<vec2f>;
@group(0) @binding(10) var<storage, read_write> gradDt: array<f32>;
@group(0) @binding(11) var<storage, read_write> gradX0: array<vec2f>;
/// The flow a chunk passes on in xy, conj of its decay in zw; then the flow into it in xy.
@group(0) @binding(12) var<storage, read_write> flows: array<vec4f>;
/// Gradient of A, a row for each chunk of each row of the batch.
@group(0) @binding(13) var<storage, read_write> sums: array<vec2f>;
/// Gradient of the logarithms (LOGS).
@group(0) @binding(14) var<storage, read_write> gradA: array<vec2f>;
@group(1) @binding(0) var<uniform> dims: Dims;

/// The row and state of an invocation: their tiles lie on the axes x and z, the chunks on y.
fn rowOf(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.z * groups.x + group.x) * GROUP + local;
}

/// Where the scan's step `k` of a row and state lies.
fn elementAt(row: u32, k: u32) -> u32 {
#if REVERSE
  let sample = dims.length - 1u - k;
#else
  let sample = k;
#end
  return (row / dims.states * dims.length + sample) * dims.states + row % dims.states;
}

/// What the modes of a row come from, where that is the same for every step.
fn poleOf(row: u32) -> vec2f {
#if LOGS
  return vec2f(0.0);
#else
  return A[row % dims.states];
#end
}

/// Abar and the factor of the drive at an element.
fn modeAt(a: vec2f, at: u32) -> vec4f {
#if PER_STEP
  return discretizeMode(a, dt[at]);
#else
#if LOGS
  return vec4f(complexExp(A[at]), 1.0, 0.0);
#else
  return vec4f(a, 1.0, 0.0);
#end
#end
}

/// What a mode takes in of its drive.
fn driveOf(mode: vec4f, drive: vec2f) -> vec2f {
#if PER_STEP
  return complexMul(mode.zw, drive);
#else
  return drive;
#end
}

@compute @workgroup_size(GROUP)
fn reduce_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = rowOf(group, groups, local);
  if (row >= dims.rows) {
    return;
  }
  let a = poleOf(row);
  var end = vec2f(0.0);
  var decay = vec2f(1.0, 0.0);
  for (var k = group.y * dims.chunk; k < (group.y + 1u) * dims.chunk; k += AHEAD) {
#for j in 0..AHEAD
    let at${j} = elementAt(row, k + ${j}u);
    let drive${j} = v[at${j}];
    let mode${j} = modeAt(a, at${j});
#end
#for j in 0..AHEAD
    end = complexMul(mode${j}.xy, end) + driveOf(mode${j}, drive${j});
    decay = complexMul(mode${j}.xy, decay);
#end
  }
  ends[group.y * dims.rows + row] = vec4f(end, decay);
}

@compute @workgroup_size(GROUP)
fn carry_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = rowOf(group, groups, local);
  if (row >= dims.rows) {
    return;
  }
#if HAS_X0
  var carried = x0[row];
#else
  var carried = vec2f(0.0);
#end
  for (var c = 0u; c < dims.chunks - 1u; c += AHEAD) {
#for j in 0..AHEAD
    let chunk${j} = ends[(c + ${j}u) * dims.rows + row];
#end
#for j in 0..AHEAD
    if (c + ${j}u < dims.chunks - 1u) {
      carried = complexMul(chunk${j}.zw, carried) + chunk${j}.xy;
      ends[(c + ${j}u) * dims.rows + row] = vec4f(carried, 0.0, 0.0);
    }
#end
  }
}

@compute @workgroup_size(GROUP)
fn apply_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = rowOf(group, groups, local);
  if (row >= dims.rows) {
    return;
  }
  let a = poleOf(row);
  var carried = vec2f(0.0);
#if HAS_X0
  if (group.y == 0u) {
    carried = x0[row];
  }
#end
#if CHUNKED
  if (group.y > 0u) {
    carried = ends[(group.y - 1u) * dims.rows + row].xy;
  }
#end
  let start = group.y * dims.chunk;
  let end = min(start + dims.chunk, dims.length);
  for (var k = start; k < end; k += AHEAD) {
#for j in 0..AHEAD
    let at${j} = elementAt(row, min(k + ${j}u, end - 1u));
    let drive${j} = v[at${j}];
    let mode${j} = modeAt(a, at${j});
#end
#for j in 0..AHEAD
    if (k + ${j}u < end) {
      carried = complexMul(mode${j}.xy, carried) + driveOf(mode${j}, drive${j});
      x[at${j}] = carried;
    }
#end
  }
  if (group.y + 1u == dims.chunks) {
    state[row] = carried;
  }
}

@compute @workgroup_size(GROUP)
fn reduce_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = rowOf(group, groups, local);
  if (row >= dims.rows) {
    return;
  }
#if HAS_X0
  let chunk = group.y;
#else
  let chunk = group.y + 1u;
#end
  let a = poleOf(row);
  let start = chunk * dims.chunk;
  var flow = vec2f(0.0);
  var decay = vec2f(1.0, 0.0);
  let steps = min(dims.chunk, dims.length - start);
  for (var back = 0u; back < steps; back += AHEAD) {
#for j in 0..AHEAD
    let at${j} = elementAt(row, start + steps - 1u - min(back + ${j}u, steps - 1u));
    let arrived${j} = gradX[at${j}];
    let abar${j} = complexConj(modeAt(a, at${j}).xy);
#end
#for j in 0..AHEAD
    if (back + ${j}u < steps) {
      flow = complexMul(abar${j}, flow + arrived${j});
      decay = complexMul(abar${j}, decay);
    }
#end
  }
  flows[chunk * dims.rows + row] = vec4f(flow, decay);
}

@compute @workgroup_size(GROUP)
fn carry_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = rowOf(group, groups, local);
  if (row >= dims.rows) {
    return;
  }
  var flow = gradState[row];
  for (var back = 1u; back < dims.chunks; back += AHEAD) {
#for j in 0..AHEAD
    let at${j} = (dims.chunks - min(back + ${j}u, dims.chunks)) * dims.rows + row;
    let chunk${j} = flows[at${j}];
#end
#for j in 0..AHEAD
    if (back + ${j}u < dims.chunks) {
      flows[at${j}] = vec4f(flow, 0.0, 0.0);
      flow = complexMul(chunk${j}.zw, flow) + chunk${j}.xy;
    }
#end
  }
#if HAS_X0
  let first = flows[row];
  gradX0[row] = complexMul(first.zw, flow) + first.xy;
#end
  flows[row] = vec4f(flow, 0.0, 0.0);
}

@compute @workgroup_size(GROUP)
fn apply_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = rowOf(group, groups, local);
  if (row >= dims.rows) {
    return;
  }
  let a = poleOf(row);
  let start = group.y * dims.chunk;
  let steps = min(dims.chunk, dims.length - start);
  var entered = vec2f(0.0);
#if HAS_X0
  entered = x0[row];
#end
  if (start > 0u) {
    entered = x[elementAt(row, start - 1u)];
  }
  var flow = flows[group.y * dims.rows + row].xy;
  var sum = vec2f(0.0);
  for (var back = 0u; back < steps; back += AHEAD) {
#for j in 0..AHEAD
    let step${j} = steps - 1u - min(back + ${j}u, steps - 1u);
    let at${j} = elementAt(row, start + step${j});
    let arrived${j} = gradX[at${j}];
    let earlier${j} = x[elementAt(row, start + max(step${j}, 1u) - 1u)];
    let before${j} = select(entered, earlier${j}, step${j} > 0u);
    let mode${j} = modeAt(a, at${j});
#if PER_STEP
    let drive${j} = v[at${j}];
#end
#end
#for j in 0..AHEAD
    if (back + ${j}u < steps) {
      flow += arrived${j};
      let ofAbar = complexMul(complexConj(before${j}), flow);
#if PER_STEP
      let step = dt[at${j}];
      let slopes = slopesOfMode(a, step, mode${j}.xy);
      let ofFactor = complexMul(complexConj(drive${j}), flow);
      gradV[at${j}] = complexMul(complexConj(mode${j}.zw), flow);
      gradDt[at${j}] = dot(slopes.abarByStep, ofAbar) + dot(slopes.factorByStep, ofFactor);
      sum += complexMul(complexConj(slopes.abarByLambda), ofAbar)
        + complexMul(complexConj(slopes.factorByLambda), ofFactor);
#else
      gradV[at${j}] = flow;
#if LOGS
      gradA[at${j}] = complexMul(complexConj(mode${j}.xy), ofAbar);
#else
      sum += ofAbar;
#end
#end
      flow = complexMul(complexConj(mode${j}.xy), flow);
    }
#end
  }
#if !LOGS
  let place = row / dims.states * dims.chunks + group.y;
  sums[place * dims.states + row % dims.states] = sum;
#end
}
