/** Passes of the SIMD kernels of `simd/assembly/matmul.ts`. */
import type { SimdPass } from "../../device/device.ts";

/** A product of matrices: `pairs` of m×k and k×n, as stored. */
export interface SimdProduct {
  readonly pairs: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Panels of the kernel: `ROWS` and `COLUMNS` there. */
const ROWS = 4;
const COLUMNS = 8;
/** Outputs of a task: with 256 steps of K its packed rows stay in the second-level cache. */
const BLOCK_ROWS = 64;
const BLOCK_COLUMNS = 128;

function padded(count: number, to: number): number {
  return Math.ceil(count / to) * to;
}

/**
 * Packs both operands, then multiplies.
 *
 * @param names  of the tensors; a `bias` that the op was not given is none
 */
export function multiplyPasses(
  { pairs, m, n, k, transposeA, transposeB }: SimdProduct,
  names: { readonly a: string; readonly b: string; readonly c: string; readonly bias?: string },
): { scratch: Record<string, number>; passes: SimdPass[] } {
  const { a, b, c, bias = "" } = names;
  const stridesA = transposeA ? [1, m] : [k, 1];
  const stridesB = transposeB ? [k, 1] : [1, n];
  return {
    scratch: {
      packedA: pairs * padded(m, ROWS) * k,
      packedB: pairs * padded(n, COLUMNS) * k,
    },
    passes: [
      {
        entry: "pack",
        args: [a, "packedA", m, k, ...stridesA, ROWS],
        tasks: pairs * Math.ceil(m / ROWS),
      },
      {
        entry: "pack",
        args: [b, "packedB", n, k, ...stridesB, COLUMNS],
        tasks: pairs * Math.ceil(n / COLUMNS),
      },
      {
        entry: "multiply",
        args: ["packedA", "packedB", bias, c, m, n, k, BLOCK_ROWS, BLOCK_COLUMNS],
        tasks: pairs * Math.ceil(m / BLOCK_ROWS) * Math.ceil(n / BLOCK_COLUMNS),
      },
    ],
  };
}
