/**
 * Picks at most `maxPoints` samples that keep the look of a line (largest triangle three buckets,
 * Steinarsson 2013, "Downsampling Time Series for Visual Representation", section 4.2).
 *
 * The first and the last sample stay; the rest is cut into equal buckets and of each the sample
 * stays that spans the largest triangle with the one kept before and the mean of the next bucket.
 * Missing values (NaN) are never picked.
 *
 * @param timesS     increasing                                                       [length]
 * @param values     NaN is missing                                                   [length]
 * @param maxPoints  at least 2
 * @returns          indices, increasing
 */
export function lttb(
  timesS: ArrayLike<number>,
  values: ArrayLike<number>,
  maxPoints: number,
): Uint32Array {
  const present = presentIndices(values);
  if (present.length <= maxPoints || maxPoints < 2) {
    return maxPoints < 2 ? present.subarray(0, Math.max(0, maxPoints)) : present;
  }
  const picked = new Uint32Array(maxPoints);
  const width = (present.length - 2) / (maxPoints - 2);
  picked[0] = present[0]!;
  for (let bucket = 0; bucket < maxPoints - 2; bucket++) {
    const start = 1 + Math.floor(bucket * width);
    const end = 1 + Math.floor((bucket + 1) * width);
    const nextEnd = Math.min(1 + Math.floor((bucket + 2) * width), present.length);
    let nextTime = 0;
    let nextValue = 0;
    for (let i = end; i < nextEnd; i++) {
      nextTime += timesS[present[i]!]!;
      nextValue += values[present[i]!]!;
    }
    nextTime /= nextEnd - end;
    nextValue /= nextEnd - end;
    const fromTime = timesS[picked[bucket]!]!;
    const fromValue = values[picked[bucket]!]!;
    let largest = -1;
    for (let i = start; i < end; i++) {
      const index = present[i]!;
      const area = Math.abs(
        (fromTime - nextTime) * (values[index]! - fromValue) -
          (fromTime - timesS[index]!) * (nextValue - fromValue),
      );
      if (area > largest) {
        largest = area;
        picked[bucket + 1] = index;
      }
    }
  }
  picked[maxPoints - 1] = present[present.length - 1]!;
  return picked;
}

function presentIndices(values: ArrayLike<number>): Uint32Array {
  const indices = new Uint32Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i]!)) indices[count++] = i;
  return indices.subarray(0, count);
}
