/** An autoregression of order 2 by its definition on a whole row of values. */

/** One value of the row; null where there is none, which ends what lies in a row. */
export interface RowValue {
  readonly elapsed: number;
  readonly y: number | null;
  /** The value a slot before where more than a slot has passed. */
  readonly before: number;
}

export interface Fitted {
  readonly known: boolean;
  readonly phi: readonly [number, number];
  at(lead: number, summed: boolean): number;
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

/** Triples of values a slot apart, each with the number of triples after it. */
function triplesOf(row: readonly RowValue[]): [number, number, number][] {
  const isStep = (i: number): boolean => row[i]!.elapsed > 0.5 && row[i]!.elapsed < 1.5;
  const out: [number, number, number][] = [];
  for (let i = 2; i < row.length; i++) {
    const [a, b, c] = [row[i]!.y, row[i - 1]!.y, row[i - 2]!.y];
    if (a === null || b === null || c === null || !isStep(i) || !isStep(i - 1)) continue;
    out.push([a, b, c]);
  }
  return out;
}

/** Fitted by least squares with weights keep^age and a prior; values relative to the spread. */
export function fitted(row: readonly RowValue[], keep: number, spread: number): Fitted {
  const triples = triplesOf(row);
  const sum = (of: (t: [number, number, number]) => number): number =>
    triples.reduce((total, t, i) => total + keep ** (triples.length - 1 - i) * of(t), 0);
  const weight = sum(() => 1);
  const [s11, s12, s22, b1, b2] = [
    (t: [number, number, number]) => t[1] * t[1],
    (t: [number, number, number]) => t[1] * t[2],
    (t: [number, number, number]) => t[2] * t[2],
    (t: [number, number, number]) => t[0] * t[1],
    (t: [number, number, number]) => t[0] * t[2],
  ].map((of) => sum(of) / spread ** 2) as [number, number, number, number, number];
  const prior = weight === 0 ? 0 : (s11 + s22) / (4 * weight) + 1e-4 * weight;
  const determinant = (s11 + prior) * (s22 + prior) - s12 ** 2;
  const phi2 = clamp(((s11 + prior) * b2 - s12 * b1) / determinant, -0.98, 0.97);
  const phi1 = clamp(
    (b1 * (s22 + prior) - b2 * s12) / determinant,
    -0.995 * (1 - phi2),
    0.995 * (1 - phi2),
  );
  const phi: [number, number] = weight === 0 ? [0, 0] : [phi1, phi2];
  const last = row.at(-1);
  let newest = 0;
  let before = 0;
  for (const [i, { elapsed, y, before: told }] of row.entries()) {
    if (y === null) continue;
    const first = i === 0 || row[i - 1]!.y === null;
    if (first) before = y;
    else if (elapsed >= 1.5) before = told;
    else if (elapsed > 0.5) before = newest;
    newest = y;
  }
  return {
    known: weight > 0 && last !== undefined && last.y !== null,
    phi,
    at(lead, summed) {
      const values = [before, newest];
      for (let i = 0; i <= 96; i++) {
        values.push(phi[0] * values.at(-1)! + phi[1] * values.at(-2)!);
      }
      const on = Math.min(lead, 96);
      const whole = Math.floor(on);
      const share = on - whole;
      const [low, high] = [values[whole + 1]!, values[whole + 2]!];
      if (!summed) return share === 0 ? low : low + share * (high - low);
      const total = values.slice(2, whole + 2).reduce((a, b) => a + b, 0);
      return total + share * high;
    },
  };
}
