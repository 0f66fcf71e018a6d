/** The newest samples of a channel, which refits are made from. */
export type SampleBuffer = { times: Float64Array; values: Float64Array; length: number };

/** Samples that a refit sees at most. */
export const BUFFER_SAMPLES_MAX = 2000;

/** Room beyond them, so that moving the past happens once in this many samples. */
const BUFFER_SPARE = 64;

/** Room of a full one. */
export const BUFFER_ROOM_MAX = BUFFER_SAMPLES_MAX + BUFFER_SPARE;

/** A buffer without samples. */
export function emptyBuffer(): SampleBuffer {
  return { times: new Float64Array(16), values: new Float64Array(16), length: 0 };
}

/** Appends a sample; the oldest are dropped when the buffer is full. */
export function pushSample(buffer: SampleBuffer, timeS: number, value: number): void {
  if (buffer.length === BUFFER_ROOM_MAX) {
    buffer.times.copyWithin(0, BUFFER_SPARE);
    buffer.values.copyWithin(0, BUFFER_SPARE);
    buffer.length = BUFFER_SAMPLES_MAX;
  }
  if (buffer.length === buffer.times.length) {
    const room = Math.min(2 * buffer.length, BUFFER_ROOM_MAX);
    const times = new Float64Array(room);
    times.set(buffer.times);
    const values = new Float64Array(room);
    values.set(buffer.values);
    buffer.times = times;
    buffer.values = values;
  }
  buffer.times[buffer.length] = timeS;
  buffer.values[buffer.length] = value;
  buffer.length++;
}

/** The newest samples, at most {@linkcode BUFFER_SAMPLES_MAX}: times and values. */
export function newestSamples(
  buffer: SampleBuffer,
): { times: Float64Array; values: Float64Array } {
  const from = Math.max(0, buffer.length - BUFFER_SAMPLES_MAX);
  return {
    times: buffer.times.slice(from, buffer.length),
    values: buffer.values.slice(from, buffer.length),
  };
}
