/**
 * A small seeded generator (xoshiro128**, Blackman and Vigna 2018) whose whole state is four
 * unsigned 32-bit words, so that it can live inside a stream's state and replays exactly.
 */
export type RandomState = Uint32Array;

const GOLDEN_GAMMA = 0x9e3779b9;

/** Expands a 32-bit seed into a generator state by splitmix32. */
export function seedRandom(seed: number): RandomState {
  const state = new Uint32Array(4);
  let z = seed >>> 0;
  for (let i = 0; i < 4; i++) {
    z = (z + GOLDEN_GAMMA) >>> 0;
    let x = z;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    state[i] = (x ^ (x >>> 16)) >>> 0;
  }
  return state;
}

function rotateLeft(x: number, k: number): number {
  return ((x << k) | (x >>> (32 - k))) >>> 0;
}

/** Advances the state and returns an unsigned 32-bit integer. */
export function nextUint32(state: RandomState): number {
  const s1 = state[1]!;
  const result = Math.imul(rotateLeft(Math.imul(s1, 5) >>> 0, 7), 9) >>> 0;
  const t = (s1 << 9) >>> 0;
  state[2] = state[2]! ^ state[0]!;
  state[3] = state[3]! ^ s1;
  state[1] = s1 ^ state[2]!;
  state[0] = state[0]! ^ state[3]!;
  state[2] = state[2]! ^ t;
  state[3] = rotateLeft(state[3]!, 11);
  return result;
}

/** Uniform in [0, 1) with 32 bits. */
export function nextUniform(state: RandomState): number {
  return nextUint32(state) / 4294967296;
}

/** Standard normal by Box and Muller (one value a call; the second is not kept). */
export function nextNormal(state: RandomState): number {
  const u = 1 - nextUniform(state);
  const v = nextUniform(state);
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
}
