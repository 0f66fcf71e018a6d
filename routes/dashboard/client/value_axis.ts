/**
 * Round values between two others, at steps of 1, 2 or 5 times a power of ten.
 *
 * @param countMax  most ticks wanted; at least 2
 * @returns         increasing, inside [min, max]
 */
export function valueTicks(min: number, max: number, countMax: number): number[] {
  const least = (max - min) / countMax;
  if (!(least > 0) || !Number.isFinite(least)) return [];
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= least)!;
  const ticks: number[] = [];
  for (let k = Math.ceil(min / step); k * step <= max; k++) {
    // 3 · 0.1 is not 0.3: the digits beyond the step's own are rounding.
    ticks.push(Number((k * step).toPrecision(12)));
  }
  return ticks;
}
