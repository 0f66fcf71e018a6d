import type { RandomState } from "../../base/random.ts";
import { nplr } from "../../ssm/nplr.ts";
import { normal } from "./init.ts";

/** Sizes of a system whose first transition is HiPPO-LegS on each block of its diagonal. */
export interface BlockSizes {
  readonly feature: number;
  /** Real states of all blocks. */
  readonly state: number;
  readonly block: number;
  /** Complex modes that are stored. */
  readonly modes: number;
  /** One of each conjugate pair is stored. */
  readonly conjugatePairs: boolean;
}

/**
 * The start of S5 (arXiv 2208.04933, section 3.3): poles of LegS's normal part once for each block,
 * and a real normal input matrix in the eigenbasis of its block.
 *
 * @returns W [mode] c64, B [mode, feature] c64
 */
export function blockStart(
  { feature, state, block, modes, conjugatePairs }: BlockSizes,
  random: RandomState,
): { W: Float64Array; B: Float64Array } {
  const size = state / block;
  const { W: halfW, V, half } = nplr("legs", size);
  const W = new Float64Array(2 * modes);
  const B = new Float64Array(2 * modes * feature);
  const perBlock = modes / block;
  for (let j = 0; j < block; j++) {
    const rows = normal(random, [size, feature], 1 / Math.sqrt(state)).data;
    for (let m = 0; m < perBlock; m++) {
      const mode = j * perBlock + m;
      // Without pairs the second half of the block holds the conjugates.
      const [n, sign] = m < half || conjugatePairs ? [m, 1] : [m - half, -1];
      W[2 * mode] = halfW[2 * n]!;
      W[2 * mode + 1] = sign * halfW[2 * n + 1]!;
      for (let d = 0; d < feature; d++) {
        for (let i = 0; i < size; i++) {
          const value = rows[i * feature + d]!;
          const at = 2 * (mode * feature + d);
          B[at] = B[at]! + V[2 * (i * half + n)]! * value;
          B[at + 1] = B[at + 1]! - sign * V[2 * (i * half + n) + 1]! * value;
        }
      }
    }
  }
  return { W, B };
}
