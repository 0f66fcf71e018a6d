/**
 * The newest samples of a channel, which refits are made from. While each comes one step after the
 * one before, first time and step stand for all of their times.
 */
export type SampleBuffer = {
  values: Float64Array;
  length: number;
  /** Time of the oldest sample, and the step between them while they are even. */
  firstS: number;
  stepS: number;
  /** Time of each sample; empty while they are even. */
  times: Float64Array;
};

/** Samples that a refit sees at most. */
export const BUFFER_SAMPLES_MAX = 2000;

/** Room beyond them, so that moving the past happens once in this many samples. */
const BUFFER_SPARE = 64;

/** Room of a full one. */
export const BUFFER_ROOM_MAX = BUFFER_SAMPLES_MAX + BUFFER_SPARE;

/** Within this share of a step a sample is on time; slot times are rounded at 1,000 times that. */
const EVEN_SHARE = 1e-9;

/** A buffer without samples. */
export function emptyBuffer(): SampleBuffer {
  return {
    values: new Float64Array(16),
    length: 0,
    firstS: NaN,
    stepS: NaN,
    times: new Float64Array(0),
  };
}

/** Time of the sample at a place, the oldest first. */
export function sampleTime({ firstS, stepS, times }: SampleBuffer, at: number): number {
  if (times.length > 0) return times[at]!;
  return at === 0 ? firstS : firstS + at * stepS;
}

/** Whether a time lies where the step of an even buffer puts the next sample. */
function isOnTime(buffer: SampleBuffer, at: number, timeS: number): boolean {
  const { firstS, stepS } = buffer;
  return Math.abs(timeS - (firstS + at * stepS)) <= EVEN_SHARE * stepS;
}

/** Goes back to first time and step where the samples that are left are even. */
function evenOut(buffer: SampleBuffer): void {
  const { times, length } = buffer;
  buffer.firstS = times[0]!;
  buffer.stepS = times[1]! - times[0]!;
  for (let i = 2; i < length; i++) if (!isOnTime(buffer, i, times[i]!)) return;
  buffer.times = new Float64Array(0);
}

/** Drops the oldest samples; at least two are left. */
export function dropOldestSamples(buffer: SampleBuffer, dropped: number): void {
  buffer.firstS = sampleTime(buffer, dropped);
  buffer.values.copyWithin(0, dropped);
  buffer.times.copyWithin(0, dropped);
  buffer.length -= dropped;
  if (buffer.times.length > 0) evenOut(buffer);
}

/** Appends a sample; the oldest are dropped when the buffer is full. */
export function pushSample(buffer: SampleBuffer, timeS: number, value: number): void {
  if (buffer.length === BUFFER_ROOM_MAX) {
    dropOldestSamples(buffer, buffer.length - BUFFER_SAMPLES_MAX);
  }
  const { length } = buffer;
  if (length === buffer.values.length) {
    const room = Math.min(2 * length, BUFFER_ROOM_MAX);
    const grown = (array: Float64Array) => {
      const longer = new Float64Array(room);
      longer.set(array);
      return longer;
    };
    buffer.values = grown(buffer.values);
    if (buffer.times.length > 0) buffer.times = grown(buffer.times);
  }
  if (length === 0) buffer.firstS = timeS;
  if (length === 1) buffer.stepS = timeS - buffer.firstS;
  if (length > 1 && buffer.times.length === 0 && !isOnTime(buffer, length, timeS)) {
    const times = new Float64Array(buffer.values.length);
    for (let i = 0; i < length; i++) times[i] = sampleTime(buffer, i);
    buffer.times = times;
  }
  if (buffer.times.length > 0) buffer.times[length] = timeS;
  buffer.values[length] = value;
  buffer.length++;
}

/** Times of the newest samples, at most `count`.                                       [sample] */
export function newestTimes(buffer: SampleBuffer, count: number): Float64Array {
  const from = Math.max(0, buffer.length - count);
  return Float64Array.from(
    { length: buffer.length - from },
    (_, i) => sampleTime(buffer, from + i),
  );
}

/** The newest samples, at most {@linkcode BUFFER_SAMPLES_MAX}: times and values. */
export function newestSamples(
  buffer: SampleBuffer,
): { times: Float64Array; values: Float64Array } {
  const from = Math.max(0, buffer.length - BUFFER_SAMPLES_MAX);
  return {
    times: Float64Array.from(
      { length: buffer.length - from },
      (_, i) => sampleTime(buffer, from + i),
    ),
    values: buffer.values.slice(from, buffer.length),
  };
}
