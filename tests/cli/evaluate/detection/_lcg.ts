/** Numbers in (0, 1) that any language can make again: x <- 48271 x mod (2^31 − 1). */
export function lcg(length: number, seed: number): Float64Array {
  let x = seed;
  return Float64Array.from({ length }, () => {
    x = x * 48_271 % 2_147_483_647;
    return x / 2_147_483_647;
  });
}
