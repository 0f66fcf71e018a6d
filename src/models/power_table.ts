/**
 * x^p on an interval, by straight lines between values that lie close: a tenth of what `**` takes.
 * Outside of the interval it is `**` itself.
 */
export type PowerTable = {
  readonly power: number;
  readonly from: number;
  /** Lines in a unit of x. */
  readonly density: number;
  /** x^p at the ends of the lines. */
  readonly values: Float64Array;
};

/** Lines of a table: from 0.1 to 4 their error is below 4e-5 of x^0.3, from 0.3 on below 5e-6. */
const LINES = 1024;

/** A table of x^p for `from` ≤ x ≤ `to`, both above 0. */
export function powerTable(power: number, from: number, to: number): PowerTable {
  const density = LINES / (to - from);
  const values = Float64Array.from({ length: LINES + 1 }, (_, k) => (from + k / density) ** power);
  return { power, from, density, values };
}

/** x^p. */
export function powerAt({ power, from, density, values }: PowerTable, x: number): number {
  const place = (x - from) * density;
  if (!(place >= 0 && place < LINES)) return x ** power;
  const line = place | 0;
  const left = values[line]!;
  return left + (place - line) * (values[line + 1]! - left);
}
