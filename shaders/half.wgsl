// Rounding to binary16: in place of a number, or as storage of two numbers in a word.
//
// round_half   the nearest number of 16 bits, as f32
// pack_half    two such numbers a word
// unpack_half  and out of it
//
// Where VECTOR is 4 an invocation has four numbers, else two to pack and one to round.
#import shared/bounds
#import shared/vector

struct Dims { count: u32 }

#if VECTOR == 4
alias Words = vec2u;
#else
alias Words = u32;
#end

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read> words: array<Words>;
@group(0) @binding(2) var<storage, read_write> out: array<Element>;
@group(0) @binding(3) var<storage, read_write> packed: array<Words>;
@group(1) @binding(0) var<uniform> dims: Dims;

// The largest number of binary16: what lies beyond it would become an infinity.
const HALF_MAX: f32 = 65504.0;
// The smallest normal one; those below it are multiples of 2^-24.
const HALF_MIN: f32 = 6.103515625e-5;
const SUBNORMALS: f32 = 16777216.0;

// To the nearest, ties to even. Packed and unpacked it would be the same, but a compiler may take
// one for the inverse of the other, and leave the number as it was.
fn rounded(value: f32) -> f32 {
  let bounded = clamp(value, -HALF_MAX, HALF_MAX);
  if (abs(bounded) < HALF_MIN) {
    return round(bounded * SUBNORMALS) / SUBNORMALS;
  }
  let bits = bitcast<u32>(bounded);
  return bitcast<f32>((bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u);
}

fn roundPair(pair: vec2f) -> vec2f {
  return vec2f(rounded(pair.x), rounded(pair.y));
}

// A rounded number is packed as it is, whichever way a device rounds.
fn pack(pair: vec2f) -> u32 {
  return pack2x16float(roundPair(pair));
}

@compute @workgroup_size(GROUP)
fn round_half(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
#if VECTOR == 4
    out[i] = vec4f(roundPair(x[i].xy), roundPair(x[i].zw));
#else
    out[i] = rounded(x[i]);
#end
  }
}

@compute @workgroup_size(GROUP)
fn pack_half(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
#if VECTOR == 4
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    packed[i] = vec2u(pack(x[i].xy), pack(x[i].zw));
  }
#else
  let i = 2u * elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  var second = 0.0;
  if (i + 1u < dims.count) {
    second = x[i + 1u];
  }
  packed[i / 2u] = pack(vec2f(x[i], second));
#end
}

@compute @workgroup_size(GROUP)
fn unpack_half(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
#if VECTOR == 4
  let i = elementIndex(group, groups, local, GROUP);
  if (i < dims.count) {
    out[i] = vec4f(unpack2x16float(words[i].x), unpack2x16float(words[i].y));
  }
#else
  let i = 2u * elementIndex(group, groups, local, GROUP);
  if (i >= dims.count) {
    return;
  }
  let pair = unpack2x16float(words[i / 2u]);
  out[i] = pair.x;
  if (i + 1u < dims.count) {
    out[i + 1u] = pair.y;
  }
#end
}
