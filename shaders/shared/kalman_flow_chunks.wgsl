// The way back of the Kalman filter over chunks of the length, for kalman_filter.wgsl.
#import shared/kalman_step_back

/// Of a chunk: Gamma before it = transpose(Phi) Gamma Phi + sym(transpose(Phi) g transpose(zeta)) +
/// constant.
var<private> Phi: array<f32, STATES * STATES>;
var<private> zeta: array<f32, STATES>;

/// Phi = Phi keep A, zeta = transpose(keep A) zeta + transpose(A) z, A = I where nothing moves.
fn extendFlow(at: u32, moves: bool) {
  var one = keep;
  var shift = z;
  if (moves) {
#for j in 0..STATES
    {
      var sum = 0.0;
#for k in 0..STATES
      sum += model[at + ${k * STATES + j}] * z[${k}];
#end
      shift[${j}] = sum;
#for i in 0..STATES
      {
        var entry = 0.0;
#for k in 0..STATES
        entry += keep[${i * STATES + k}] * model[at + ${k * STATES + j}];
#end
        one[${i * STATES + j}] = entry;
      }
#end
    }
#end
  }
  let before = Phi;
#for j in 0..STATES
  {
    var along = shift[${j}];
#for i in 0..STATES
    {
      along += one[${i * STATES + j}] * zeta[${i}];
      var entry = 0.0;
#for k in 0..STATES
      entry += before[${i * STATES + k}] * one[${k * STATES + j}];
#end
      Phi[${i * STATES + j}] = entry;
    }
#end
    shift[${j}] = along;
  }
#end
  zeta = shift;
}

@compute @workgroup_size(GROUP)
fn flow_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.batch * (dims.chunks - 1u)) {
    return;
  }
  let row = index / (dims.chunks - 1u);
  let chunk = index % (dims.chunks - 1u) + 1u;
  let first = chunk * dims.chunk;
  let last = min(first + dims.chunk, dims.length);
#for i in 0..STATES * STATES
  Phi[${i}] = ${i / STATES == i % STATES}.0;
  Gamma[${i}] = 0.0;
#end
#for i in 0..STATES
  g[${i}] = 0.0;
  zeta[${i}] = 0.0;
#end
  for (var t = last; t > first; t--) {
    let at = modelAt(row, t - 1u);
    // A chunk that is not the first has no sample that nothing leads to.
    visit(row, t - 1u, at, true);
    extendFlow(at, true);
    backThroughUpdate(row * dims.length + t - 1u);
    flowOfPrediction(at);
    backThroughStep(at);
  }
  let out = (row * dims.chunks + chunk) * FLOW_ELEMENT;
#for i in 0..STATES
  elements[out + ${i}] = g[${i}];
  elements[out + ${STATES + i}] = zeta[${i}];
#end
#for i in 0..STATES * STATES
  elements[out + ${2 * STATES + i}] = Gamma[${i}];
  elements[out + ${2 * STATES + STATES * STATES + i}] = Phi[${i}];
#end
}

@compute @workgroup_size(GROUP)
fn carry_flows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = elementIndex(group, groups, local, GROUP);
  if (row >= dims.batch) {
    return;
  }
#for i in 0..STATES
  g[${i}] = 0.0;
#end
#for i in 0..STATES * STATES
  Gamma[${i}] = 0.0;
#end
  for (var chunk = dims.chunks; chunk > 0u; chunk--) {
    let out = (row * dims.chunks + chunk - 1u) * BELIEF;
#for i in 0..STATES
    carried[out + ${i}] = g[${i}];
#end
#for i in 0..STATES * STATES
    carried[out + ${STATES + i}] = Gamma[${i}];
#end
#if IS_CHUNKED
    if (chunk > 1u) {
      crossBack((row * dims.chunks + chunk - 1u) * FLOW_ELEMENT);
    }
#end
  }
}

/// The flow before a chunk from the one behind it.
fn crossBack(at: u32) {
  let AT_GAMMA = at + 2u * STATES;
#for i in 0..STATES * STATES
  Phi[${i}] = elements[AT_GAMMA + ${STATES * STATES + i}];
#end
  var through: array<f32, STATES>;
#for j in 0..STATES
  {
    zeta[${j}] = elements[at + ${STATES + j}];
    var sum = 0.0;
#for i in 0..STATES
    sum += Phi[${i * STATES + j}] * g[${i}];
#end
    through[${j}] = sum;
  }
#end
  sandwich(&Phi);
#for i in 0..STATES
  g[${i}] = through[${i}] + elements[at + ${i}];
#for j in 0..STATES
  Gamma[${i * STATES + j}] += elements[AT_GAMMA + ${i * STATES + j}] +
    0.5 * (through[${i}] * zeta[${j}] + zeta[${i}] * through[${j}]);
#end
#end
}

@compute @workgroup_size(GROUP)
fn unfold_chunks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = elementIndex(group, groups, local, GROUP);
  if (index >= dims.batch * dims.chunks) {
    return;
  }
  let row = index / dims.chunks;
  let first = index % dims.chunks * dims.chunk;
  let last = min(first + dims.chunk, dims.length);
#for i in 0..STATES
  g[${i}] = carried[index * BELIEF + ${i}];
#end
#for i in 0..STATES * STATES
  Gamma[${i}] = carried[index * BELIEF + ${STATES + i}];
#end
  if (dims.slicePerSample == 0u) {
#for i in 0..WIDTH
    slices[index * WIDTH + ${i}] = 0.0;
#end
  }
  for (var t = last; t > first; t--) {
    let at = modelAt(row, t - 1u);
    let sample = row * dims.length + t - 1u;
    let moves = movesTo(t - 1u);
    let slice = WIDTH * select(index, sample, dims.slicePerSample > 0u);
    visit(row, t - 1u, at, moves);
    backThroughUpdate(sample);
    giveObservation(slice, at);
    flowOfPrediction(at);
    // The sample's place in the flows takes its gradient by y, whose own has been read.
#for i in 0..OBSERVED
    flows[sample * FLOW + ${FLOW_Y + i}] = ofY[${i}];
#end
    giveStep(slice, at, row, t - 1u, moves);
    if (moves) {
      backThroughStep(at);
    }
  }
#for i in 0..STATES
  carried[index * BELIEF + ${i}] = g[${i}];
#end
#for i in 0..STATES * STATES
  carried[index * BELIEF + ${STATES + i}] = Gamma[${i}];
#end
}
