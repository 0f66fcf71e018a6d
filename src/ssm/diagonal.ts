/**
 * Starts of diagonal state-space models: S4D.
 *
 * Gu et al., "On the Parameterization and Initialization of Diagonal State Space Models" (arXiv
 * 2206.11893), section 4. One of each conjugate pair is kept, the one with imaginary part ≤ 0 as in
 * the state-spaces/s4 repository (S4D-minimal and H3 keep the other; the real output is the same).
 */
import { InvalidValueError } from "../base/errors.ts";
import { nplr } from "./nplr.ts";

/** Names of the starts that {@linkcode diagonalStart} knows. */
export const DIAGONAL_STARTS = ["lin", "inv", "inv2", "quad", "real", "legs"] as const;

/** One of {@linkcode DIAGONAL_STARTS}. */
export type DiagonalStart = (typeof DIAGONAL_STARTS)[number];

/** A diagonal continuous-time system; complex numbers are (re, im) pairs. */
export interface DiagonalSystem {
  /** Poles, real part < 0, imaginary part ≤ 0.                                  [half] c64 */
  readonly lambda: Float64Array;
  /** Input vector.                                                              [half] c64 */
  readonly B: Float64Array;
}

/** Whether a text names a start. */
export function isDiagonalStart(name: string): name is DiagonalStart {
  return (DIAGONAL_STARTS as readonly string[]).includes(name);
}

/** The bound on |Im B| of the Legs start, whose size depends on an arbitrary phase (s4: B_clip). */
const LEGS_INPUT_CLIP = 2;

/**
 * The poles and the input vector of a start with `stateSize` real states (half as many pairs).
 *
 *   lin   −½ − iπn                inv   −½ − i(N/π)(N/(2n+1) − 1)
 *   quad  −½ − i(1+2n)²/π         inv2  −½ − i(N/π)(N/(n+1) − 1)
 *   real  −(n+1)                  legs  eigenvalues of the normal part of HiPPO-LegS
 *
 * B is one, except for legs, where it is V*·B of HiPPO.
 *
 * @param stateSize N, even
 * @throws {InvalidValueError} an odd or non-positive size, or an unknown start
 */
export function diagonalStart(start: DiagonalStart, stateSize: number): DiagonalSystem {
  if (!Number.isInteger(stateSize) || stateSize < 2 || stateSize % 2 !== 0) {
    throw new InvalidValueError("stateSize", stateSize, "an even number of at least 2");
  }
  const half = stateSize / 2;
  if (start === "legs") {
    const { W, B } = nplr("legs", stateSize);
    const clipped = B.map((value, i) =>
      i % 2 === 0 ? value : Math.min(LEGS_INPUT_CLIP, Math.max(-LEGS_INPUT_CLIP, value))
    );
    return { lambda: W, B: clipped };
  }
  const lambda = new Float64Array(2 * half);
  const B = new Float64Array(2 * half);
  for (let n = 0; n < half; n++) {
    lambda[2 * n] = start === "real" ? -(n + 1) : -0.5;
    // The subtraction from zero keeps an exact 0 from becoming −0.
    lambda[2 * n + 1] = 0 - frequency(start, n, stateSize);
    B[2 * n] = 1;
  }
  return { lambda, B };
}

function frequency(start: Exclude<DiagonalStart, "legs">, n: number, stateSize: number): number {
  switch (start) {
    case "lin":
      return Math.PI * n;
    case "inv":
      return (stateSize / Math.PI) * (stateSize / (2 * n + 1) - 1);
    case "inv2":
      return (stateSize / Math.PI) * (stateSize / (n + 1) - 1);
    case "quad":
      return (1 + 2 * n) ** 2 / Math.PI;
    case "real":
      return 0;
    default:
      start satisfies never;
      throw new InvalidValueError("start", start, `one of ${DIAGONAL_STARTS.join(", ")}`);
  }
}
