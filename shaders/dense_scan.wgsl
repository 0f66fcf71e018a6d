// Recurrence of dense systems (LSSL): x[k] = A x[k-1] + B u[k], y[k] = C x[k] + D u[k].
//
// recur        the whole length
// keep_starts  the same, keeping the state at the start of every chunk
// flow_back    from the last sample to the first: each chunk's states again, and all gradients
//
// A workgroup runs one feature of one row; its invocations share the rows of A and of C.
#if BACKWARD
#import shared/row_sum
#end

struct Dims { length: u32, feature: u32, channel: u32, chunks: u32, stride: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> A: array<f32>;
@group(0) @binding(2) var<storage, read> B: array<f32>;
@group(0) @binding(3) var<storage, read> C: array<f32>;
@group(0) @binding(4) var<storage, read> D: array<f32>;
@group(0) @binding(5) var<storage, read> x0: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<storage, read_write> state: array<f32>;
@group(0) @binding(8) var<storage, read> gradY: array<f32>;
@group(0) @binding(9) var<storage, read> gradState: array<f32>;
@group(0) @binding(10) var<storage, read_write> starts: array<f32>;
// Of every row: the states before each step of one chunk and after the last, and the flows.
@group(0) @binding(11) var<storage, read_write> states: array<f32>;
@group(0) @binding(12) var<storage, read_write> flows: array<f32>;
// For each row of the batch the gradients of C and D and, of fixed systems, of B and A.
@group(0) @binding(13) var<storage, read_write> sums: array<f32>;
@group(0) @binding(14) var<storage, read_write> gradU: array<f32>;
@group(0) @binding(15) var<storage, read_write> gradA: array<f32>;
@group(0) @binding(16) var<storage, read_write> gradB: array<f32>;
@group(0) @binding(17) var<storage, read_write> gradX0: array<f32>;
@group(1) @binding(0) var<uniform> dims: Dims;

var<workgroup> x: array<f32, STATES>;
var<workgroup> next: array<f32, STATES>;

/// Where the system of a sample begins.
fn systemAt(at: u32, feature: u32) -> u32 {
#if PER_STEP
  return at * STATES;
#else
  return feature * STATES;
#end
}

/// The state of a row before its first sample, into workgroup memory.
fn startRow(carried: u32, local: u32) {
  for (var n = local; n < STATES; n += GROUP) {
#if HAS_X0
    x[n] = x0[carried + n];
#else
    x[n] = 0.0;
#end
  }
}

/// Row `row` of all the systems' matrices times the state, RUN products at a time: naga counts the
/// turns of every loop, and software Vulkan ends one after 65,535 in all.
fn rowProduct(row: u32) -> f32 {
  var sum = 0.0;
#if STATES / RUN > 0
  for (var j = 0u; j < STATES / RUN * RUN; j += RUN) {
#for r in 0..RUN
    sum += A[row * STATES + j + ${r}u] * x[j + ${r}u];
#end
  }
#end
#for r in STATES / RUN * RUN..STATES
  sum += A[row * STATES + ${r}u] * x[${r}];
#end
  return sum;
}

/// One step in place. The workgroup meets before and after.
fn advance(system: u32, input: f32, local: u32) {
  workgroupBarrier();
  for (var i = local; i < STATES; i += GROUP) {
    next[i] = B[system + i] * input + rowProduct(system + i);
  }
  workgroupBarrier();
  for (var n = local; n < STATES; n += GROUP) {
    x[n] = next[n];
  }
  workgroupBarrier();
}

#if !BACKWARD
@compute @workgroup_size(GROUP)
fn recur(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.x;
  let carried = (group.y * dims.feature + feature) * STATES;
  startRow(carried, local);
  for (var k = 0u; k < dims.length; k++) {
    let at = (group.y * dims.length + k) * dims.feature + feature;
    advance(systemAt(at, feature), u[at], local);
    for (var m = local; m < dims.channel; m += GROUP) {
      let row = feature * dims.channel + m;
      var sum = 0.0;
#if STATES / RUN > 0
      for (var n = 0u; n < STATES / RUN * RUN; n += RUN) {
#for r in 0..RUN
        sum += C[row * STATES + n + ${r}u] * x[n + ${r}u];
#end
      }
#end
#for r in STATES / RUN * RUN..STATES
      sum += C[row * STATES + ${r}u] * x[${r}];
#end
#if HAS_D
      sum += D[row] * u[at];
#end
      y[at * dims.channel + m] = sum;
    }
  }
  for (var n = local; n < STATES; n += GROUP) {
    state[carried + n] = x[n];
  }
}
#end

#if BACKWARD
@compute @workgroup_size(GROUP)
fn keep_starts(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.x;
  let row = group.y * dims.feature + feature;
  startRow(row * STATES, local);
  for (var chunk = 0u; chunk < dims.chunks; chunk++) {
    for (var n = local; n < STATES; n += GROUP) {
      starts[(row * dims.chunks + chunk) * STATES + n] = x[n];
    }
    // Nobody reads the state after the last chunk.
    let end = select((chunk + 1u) * CHUNK, 0u, chunk + 1u == dims.chunks);
    for (var k = chunk * CHUNK; k < end; k++) {
      let at = (group.y * dims.length + k) * dims.feature + feature;
      advance(systemAt(at, feature), u[at], local);
    }
  }
}

var<workgroup> flow: array<f32, STATES>;

/// Column `j` of a system's matrix times the flow.
fn columnProduct(system: u32, j: u32) -> f32 {
  var sum = 0.0;
#if STATES / RUN > 0
  for (var i = 0u; i < STATES / RUN * RUN; i += RUN) {
#for r in 0..RUN
    sum += A[(system + i + ${r}u) * STATES + j] * flow[i + ${r}u];
#end
  }
#end
#for r in STATES / RUN * RUN..STATES
  sum += A[(system + ${r}u) * STATES + j] * flow[${r}];
#end
  return sum;
}

/// Adds to a sum of this row of the batch, or begins it.
fn addTo(at: u32, value: f32, isFirst: bool) {
  sums[at] = select(sums[at] + value, value, isFirst);
}

/// The gradients of one chunk from its states and flows: sums over its samples.
fn gather(batch: u32, feature: u32, first: u32, end: u32, local: u32) {
  let row = batch * dims.feature + feature;
  let before = row * (min(CHUNK, dims.length) + 1u) * STATES;
  let flowing = row * min(CHUNK, dims.length) * STATES;
  let sample = (batch * dims.length + first) * dims.feature + feature;
  let isFirst = end == dims.length;
  let ofC = batch * dims.stride;
  let ofD = ofC + dims.feature * dims.channel * STATES;
  for (var i = local; i < dims.channel * STATES; i += GROUP) {
    let m = i / STATES;
    var sum = 0.0;
    for (var base = 0u; base < end - first; base += RUN) {
#for r in 0..RUN
      if (base + ${r}u < end - first) {
        let k = base + ${r}u;
        let gradient = gradY[(sample + k * dims.feature) * dims.channel + m];
        sum += gradient * states[before + (k + 1u) * STATES + i % STATES];
      }
#end
    }
    addTo(ofC + feature * dims.channel * STATES + i, sum, isFirst);
  }
  for (var m = local; m < dims.channel; m += GROUP) {
    var sum = 0.0;
    for (var k = 0u; k < end - first; k++) {
      let at = sample + k * dims.feature;
      sum += gradY[at * dims.channel + m] * u[at];
    }
    addTo(ofD + feature * dims.channel + m, sum, isFirst);
  }
#if PER_STEP
  for (var k = 0u; k < end - first; k++) {
    let at = sample + k * dims.feature;
    for (var i = local; i < STATES * STATES; i += GROUP) {
      let share = flows[flowing + k * STATES + i / STATES];
      gradA[at * STATES * STATES + i] = share * states[before + k * STATES + i % STATES];
    }
    for (var i = local; i < STATES; i += GROUP) {
      gradB[at * STATES + i] = flows[flowing + k * STATES + i] * u[at];
    }
  }
#else
  let ofB = ofD + dims.feature * dims.channel;
  let ofA = ofB + dims.feature * STATES;
  for (var i = local; i < STATES; i += GROUP) {
    var sum = 0.0;
    for (var k = 0u; k < end - first; k++) {
      sum += flows[flowing + k * STATES + i] * u[sample + k * dims.feature];
    }
    addTo(ofB + feature * STATES + i, sum, isFirst);
  }
  for (var i = local; i < STATES * STATES; i += GROUP) {
    var sum = 0.0;
    for (var base = 0u; base < end - first; base += RUN) {
#for r in 0..RUN
      if (base + ${r}u < end - first) {
        let k = base + ${r}u;
        let share = flows[flowing + k * STATES + i / STATES];
        sum += share * states[before + k * STATES + i % STATES];
      }
#end
    }
    addTo(ofA + feature * STATES * STATES + i, sum, isFirst);
  }
#end
}

@compute @workgroup_size(GROUP)
fn flow_back(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let feature = group.x;
  let row = group.y * dims.feature + feature;
  let before = row * (min(CHUNK, dims.length) + 1u) * STATES;
  let flowing = row * min(CHUNK, dims.length) * STATES;
  for (var n = local; n < STATES; n += GROUP) {
    flow[n] = gradState[row * STATES + n];
  }
  for (var chunk = dims.chunks; chunk > 0u; chunk--) {
    let first = (chunk - 1u) * CHUNK;
    let end = min(first + CHUNK, dims.length);
    for (var n = local; n < STATES; n += GROUP) {
      x[n] = starts[(row * dims.chunks + chunk - 1u) * STATES + n];
      states[before + n] = x[n];
    }
    for (var k = first; k < end; k++) {
      let at = (group.y * dims.length + k) * dims.feature + feature;
      advance(systemAt(at, feature), u[at], local);
      for (var n = local; n < STATES; n += GROUP) {
        states[before + (k + 1u - first) * STATES + n] = x[n];
      }
    }
    for (var k = end; k > first; k--) {
      let at = (group.y * dims.length + k - 1u) * dims.feature + feature;
      let system = systemAt(at, feature);
      var ofInput = 0.0;
      for (var n = local; n < STATES; n += GROUP) {
        var sum = flow[n];
        for (var m = 0u; m < dims.channel; m++) {
          let c = C[(feature * dims.channel + m) * STATES + n];
          sum += c * gradY[at * dims.channel + m];
        }
        flow[n] = sum;
        flows[flowing + (k - 1u - first) * STATES + n] = sum;
        ofInput += B[system + n] * sum;
      }
#if HAS_D
      for (var m = local; m < dims.channel; m += GROUP) {
        ofInput += D[feature * dims.channel + m] * gradY[at * dims.channel + m];
      }
#end
      // The sum's barriers also let every flow be seen.
      let total = rowSum(local, ofInput);
      if (local == 0u) {
        gradU[at] = total;
      }
      for (var j = local; j < STATES; j += GROUP) {
        next[j] = columnProduct(system, j);
      }
      workgroupBarrier();
      for (var n = local; n < STATES; n += GROUP) {
        flow[n] = next[n];
      }
      workgroupBarrier();
    }
    storageBarrier();
    gather(group.y, feature, first, end, local);
    // The next chunk's states take the place of this one's.
    storageBarrier();
  }
#if HAS_X0
  for (var n = local; n < STATES; n += GROUP) {
    gradX0[row * STATES + n] = flow[n];
  }
#end
}
#end
