/**
 * Rotary positions: a pair of features is turned by an angle that grows with the position, so that
 * the product of two turned rows depends on the difference of their positions alone.
 *
 *   R(i): (x_2p, x_2p+1) turned by i·base^(−2p/size)      ⟨R(i)·q, R(j)·k⟩ = ⟨R(i − j)·q, k⟩
 *
 * Su et al., "RoFormer" (arXiv 2104.09864), equations 13 to 16.
 */

/**
 * cos and sin of the angles, by distance and pair.
 *
 *   table[distance, p] = (cos, sin)(distance·base^(−2p/size))
 *
 * @param distances number of distances, from 0
 * @param size      features of a head, even
 * @param base      10 000 in the paper
 * @returns                                                   [distances, size/2, 2]
 */
export function rotaryTable(distances: number, size: number, base: number): Float64Array {
  const pairs = size / 2;
  const table = new Float64Array(2 * distances * pairs);
  for (let p = 0; p < pairs; p++) {
    const rate = base ** (-2 * p / size);
    for (let distance = 0; distance < distances; distance++) {
      const at = 2 * (distance * pairs + p);
      table[at] = Math.cos(distance * rate);
      table[at + 1] = Math.sin(distance * rate);
    }
  }
  return table;
}

/**
 * ⟨R(distance)·q, k⟩, with the rows of q and k at the offsets `at` and `from`.
 *
 * @param table of {@linkcode rotaryTable}, with more distances than `distance`
 */
export function rotatedDot(
  q: ArrayLike<number>,
  at: number,
  k: ArrayLike<number>,
  from: number,
  size: number,
  table: Float64Array,
  distance: number,
): number {
  let sum = 0;
  for (let s = 0; s < size; s += 2) {
    const cos = table[distance * size + s]!;
    const sin = table[distance * size + s + 1]!;
    const [q0, q1] = [q[at + s]!, q[at + s + 1]!];
    const [k0, k1] = [k[from + s]!, k[from + s + 1]!];
    sum += (q0 * k0 + q1 * k1) * cos + (q0 * k1 - q1 * k0) * sin;
  }
  return sum;
}

/** ⟨q, k⟩ of the rows at the offsets `at` and `from`. */
export function plainDot(
  q: ArrayLike<number>,
  at: number,
  k: ArrayLike<number>,
  from: number,
  size: number,
): number {
  let sum = 0;
  for (let s = 0; s < size; s++) sum += q[at + s]! * k[from + s]!;
  return sum;
}
