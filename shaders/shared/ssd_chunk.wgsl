// A chunk of one head of state-space duality, its sizes and how its samples are read; for the op
// and its way back. The shader that imports this declares `dims`, `rate`, `samples0`, `samples1`
// [batch, length, head, feature] and `rows0`, `rows1` [batch, length, group, state]. Where all
// tiles are WHOLE, nothing is past an end; else a load is left out there, since to choose after it
// would wait for it.

struct Dims {
  batch: u32, length: u32, head: u32, feature: u32, group: u32, state: u32,
  /// `state` rounded up, and vec4s of `feature`.
  states: u32, fours: u32,
  chunks: u32, runs: u32, chunksOfRun: u32,
  /// Workgroups side by side for the features of a head, and for its states.
  featureParts: u32, stateParts: u32
}

#if ALIGNED
alias Row = vec4f;
#else
alias Row = f32;
#end

/// vec4s of a chunk in `rates`.
const RATES = ${CHUNK + 1}u;
/// Parts of the samples of a chunk.
const SAMPLE_PARTS = ${CHUNK / ROWS}u;

/// First sample and how many there are; the index among all chunks and groups, and among all chunks
/// and heads; and where the first sample lies among all samples of heads, and of groups.
struct Place {
  batch: u32, chunk: u32, head: u32, start: u32, count: u32,
  group: u32, index: u32, sample: u32, row: u32
}

fn placeOf(batch: u32, chunk: u32, head: u32) -> Place {
  let start = chunk * CHUNK;
  let count = min(CHUNK, dims.length - start);
  let ofGroup = head * dims.group / dims.head;
  let group = (batch * dims.chunks + chunk) * dims.group + ofGroup;
  let index = (batch * dims.chunks + chunk) * dims.head + head;
  let first = batch * dims.length + start;
  let sample = first * dims.head + head;
  let row = first * dims.group + ofGroup;
  return Place(batch, chunk, head, start, count, group, index, sample, row);
}

/// vec4s of a block of states and their decay.
fn blockSize() -> u32 {
  return dims.states * dims.fours + 1u;
}

/// Index of a run's block; those of the chunks come before.
fn runAt(batch: u32, run: u32, head: u32) -> u32 {
  return (dims.batch * dims.chunks + batch * dims.runs + run) * dims.head + head;
}

fn sampleAt(place: Place, k: u32) -> u32 {
  return place.sample + k * dims.head;
}

/// The rates of the chunk.
var<workgroup> own: array<vec4f, CHUNK>;

/// Brings the rates of the chunk, by `lanes` invocations.
fn stageRates(place: Place, local: u32, lanes: u32) {
  for (var k = local; k < CHUNK; k += lanes) {
    own[k] = rate[place.index * RATES + k];
  }
}

#for i in 0..2
/// Four features of a sample of the chunk; 0 past the last of either.
fn featuresOf${i}(place: Place, k: u32, four: u32) -> vec4f {
#if WHOLE
  return samples${i}[sampleAt(place, k) * dims.fours + four];
#else
#if ALIGNED
  if (k < place.count && four < dims.fours) {
    return samples${i}[sampleAt(place, k) * dims.fours + four];
  }
  return vec4f();
#else
  var value = vec4f();
#for q in 0..4
  if (k < place.count && 4u * four + ${q}u < dims.feature) {
    value[${q}] = samples${i}[sampleAt(place, k) * dims.feature + 4u * four + ${q}u];
  }
#end
  return value;
#end
#end
}
#end

#for i in 0..2
/// Four states of a row; 0 past the last of either.
fn statesOf${i}(place: Place, k: u32, four: u32) -> vec4f {
  let row = place.row + k * dims.group;
#if WHOLE
  return rows${i}[row * (dims.state / 4u) + four];
#else
#if ALIGNED
  if (k < place.count && four < dims.state / 4u) {
    return rows${i}[row * (dims.state / 4u) + four];
  }
  return vec4f();
#else
  var value = vec4f();
#for q in 0..4
  if (k < place.count && 4u * four + ${q}u < dims.state) {
    value[${q}] = rows${i}[row * dims.state + 4u * four + ${q}u];
  }
#end
  return value;
#end
#end
}
#end
