/** Arithmetic on whole series, in place where the name says so. */

/** Mean and standard deviation of the finite values; 0 and 0 where there is none. */
export function momentsOf(values: Float64Array): { mean: number; deviation: number } {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!)) continue;
    sum += values[i]!;
    count++;
  }
  if (count === 0) return { mean: 0, deviation: 0 };
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i]!)) squares += (values[i]! - mean) ** 2;
  }
  return { mean, deviation: Math.sqrt(squares / count) };
}

/** Shifts and scales to mean 0 and deviation 1 in place; a constant series becomes zeros. */
export function standardizeInto(values: Float64Array): Float64Array {
  const { mean, deviation } = momentsOf(values);
  const gain = deviation > 1e-12 * (1 + Math.abs(mean)) ? 1 / deviation : 0;
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! - mean) * gain;
  return values;
}

/** values += gain·other, in place. */
export function addInto(values: Float64Array, other: Float64Array, gain = 1): Float64Array {
  for (let i = 0; i < values.length; i++) values[i]! += gain * other[i]!;
  return values;
}

/** Smallest finite value; 0 where there is none. */
export function leastOf(values: Float64Array): number {
  let least = Infinity;
  for (let i = 0; i < values.length; i++) if (values[i]! < least) least = values[i]!;
  return Number.isFinite(least) ? least : 0;
}
