import { LimitError, ProtocolError } from "../base/errors.ts";
import {
  BODY_VALUES_MAX,
  CHANNEL_COUNT_MAX,
  type Segment,
  SEGMENT_SAMPLES_MAX,
  sliceSegment,
} from "../signal/segment.ts";
import { TIMESTAMP_NS_MAX, TIMESTAMP_NS_MIN } from "../signal/timestamp.ts";
import { BufferedDecoder } from "./_helpers/buffered_decoder.ts";
import type { Decoded, DecodeOptions, Protocol } from "./protocol.ts";

const NAME = "wav";
const TAG_PCM = 1;
const TAG_FLOAT = 3;
const TAG_EXTENSIBLE = 0xfffe;

/** Data size that a writer leaves when it could not seek back: the data go to the end. */
const SIZE_UNKNOWN = 0xffffffff;

interface Format {
  readonly isFloat: boolean;
  readonly channelCount: number;
  readonly rateHz: number;
  readonly bits: number;
  /** Bytes of one sample of all channels. */
  readonly frameBytes: number;
}

function fail(offset: number, message: string, field?: string): never {
  throw new ProtocolError(NAME, offset, message, field);
}

function chunkName(view: DataView, at: number): string {
  return String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, 4));
}

/** Reads the `fmt ` chunk, whose body is `[at, at + size)`. */
function readFormat(view: DataView, at: number, size: number): Format {
  if (size < 16) fail(at, `Format chunk has ${size} bytes, expected at least 16`, "fmt");
  let tag = view.getUint16(at, true);
  const channelCount = view.getUint16(at + 2, true);
  const rateHz = view.getUint32(at + 4, true);
  const frameBytes = view.getUint16(at + 12, true);
  const bits = view.getUint16(at + 14, true);
  if (tag === TAG_EXTENSIBLE) {
    if (size < 40) fail(at, `Extensible format has ${size} bytes, expected 40`, "fmt");
    tag = view.getUint16(at + 24, true);
  }
  const isFloat = tag === TAG_FLOAT;
  if (!isFloat && tag !== TAG_PCM) {
    fail(at, `Format tag is ${tag}, expected ${TAG_PCM} (PCM) or ${TAG_FLOAT} (float)`, "fmt.tag");
  }
  const known = isFloat ? [32, 64] : [8, 16, 24, 32];
  if (!known.includes(bits)) {
    fail(at + 14, `Bits per sample is ${bits}, expected ${known.join(", ")}`, "fmt.bits");
  }
  if (channelCount === 0) fail(at + 2, "Channel count is 0", "fmt.channels");
  if (channelCount > CHANNEL_COUNT_MAX) {
    throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, channelCount, "fmt.channels");
  }
  if (rateHz === 0) fail(at + 4, "Sample rate is 0 Hz", "fmt.rate");
  if (frameBytes !== channelCount * bits / 8) {
    fail(at + 12, `Block size is ${frameBytes}, expected ${channelCount * bits / 8}`, "fmt.block");
  }
  return { isFloat, channelCount, rateHz, bits, frameBytes };
}

/** One value at byte `at`: PCM scaled to [−1, 1), floats as they are. */
function readValue(view: DataView, at: number, format: Format): number {
  if (format.isFloat) {
    return format.bits === 32 ? view.getFloat32(at, true) : view.getFloat64(at, true);
  }
  switch (format.bits) {
    case 8:
      return (view.getUint8(at) - 128) / 128;
    case 16:
      return view.getInt16(at, true) / 32768;
    case 24:
      return (view.getUint16(at, true) | (view.getInt8(at + 2) << 16)) / 8388608;
    default:
      return view.getInt32(at, true) / 2147483648;
  }
}

function channelNames(count: number): string[] {
  if (count === 2) return ["left", "right"];
  return Array.from({ length: count }, (_, channel) => `ch${channel}`);
}

function readSamples(
  view: DataView,
  at: number,
  length: number,
  format: Format,
  options: DecodeOptions,
): Segment {
  const { channelCount, frameBytes } = format;
  const values = Array.from({ length: channelCount }, () => new Float64Array(length));
  const valueBytes = format.bits / 8;
  for (const [channel, column] of values.entries()) {
    let position = at + channel * valueBytes;
    for (let i = 0; i < length; i++, position += frameBytes) {
      const value = readValue(view, position, format);
      if (!Number.isFinite(value)) {
        fail(position, `Sample ${i} of channel ${channel} is ${value}, expected a finite number`);
      }
      column[i] = value;
    }
  }
  const startNs = options.startNs;
  if (startNs === undefined) fail(0, "Audio needs the time of its first sample", "startNs");
  const timestampsNs = new BigInt64Array(length);
  const rate = BigInt(format.rateHz);
  const half = rate / 2n;
  const lastNs = startNs + (BigInt(length) * 1_000_000_000n) / rate;
  if (startNs < TIMESTAMP_NS_MIN || lastNs >= TIMESTAMP_NS_MAX) {
    fail(0, `Start ${startNs} ns lies outside the years 1678 to 2261`, "startNs");
  }
  for (let i = 0; i < length; i++) {
    timestampsNs[i] = startNs + (BigInt(i) * 1_000_000_000n + half) / rate;
  }
  const streamId = options.streamId;
  if (streamId === undefined) fail(0, "Audio needs the stream's name", "streamId");
  return { streamId, channels: channelNames(channelCount), timestampsNs, values };
}

function decode(bytes: Uint8Array, options: DecodeOptions): Decoded {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || chunkName(view, 0) !== "RIFF" || chunkName(view, 8) !== "WAVE") {
    fail(0, "Body does not begin with a RIFF/WAVE header");
  }
  let format: Format | undefined;
  let at = 12;
  for (;;) {
    if (at + 8 > bytes.length) fail(at, "Body ends before its data chunk", "data");
    const name = chunkName(view, at);
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    const isOpenEnded = name === "data" && size === SIZE_UNKNOWN;
    if (!isOpenEnded && size > bytes.length - start) {
      const left = bytes.length - start;
      fail(bytes.length, `Chunk "${name}" is truncated: it has ${left} of ${size} bytes`, name);
    }
    if (name === "fmt ") {
      format = readFormat(view, start, size);
    } else if (name === "data") {
      if (format === undefined) fail(at, "Data stand before their format", "data");
      return readData(view, start, isOpenEnded ? bytes.length - start : size, format, options);
    }
    // Chunks are padded to an even size.
    at = start + size + (size & 1);
  }
}

function readData(
  view: DataView,
  start: number,
  size: number,
  format: Format,
  options: DecodeOptions,
): Decoded {
  const length = Math.floor(size / format.frameBytes);
  if (length === 0) fail(start, "Body has no sample", "data");
  if (length * format.frameBytes !== size) {
    fail(start + length * format.frameBytes, "The last sample is truncated", "data");
  }
  if (length * format.channelCount > BODY_VALUES_MAX) {
    const count = length * format.channelCount;
    throw new LimitError("BODY_VALUES_MAX", BODY_VALUES_MAX, count, "data");
  }
  const whole = readSamples(view, start, length, format, options);
  const segments: Segment[] = [];
  for (let from = 0; from < length; from += SEGMENT_SAMPLES_MAX) {
    segments.push(sliceSegment(whole, from, Math.min(length, from + SEGMENT_SAMPLES_MAX)));
  }
  return { segments, ignoredCount: 0 };
}

/**
 * Audio as RIFF/WAVE: PCM of 8, 16, 24 or 32 bits (scaled to [−1, 1)), float of 32 or 64 bits,
 * also as WAVE_FORMAT_EXTENSIBLE (Microsoft, "Multiple channel audio data and WAVE files").
 *
 * Sample i is of `startNs` + i · 1e9 / rate, rounded. Two channels are `left` and `right`, else
 * `ch0`, `ch1`, … More samples than a segment holds give several consecutive segments.
 */
export const wav: Protocol = {
  name: NAME,
  mediaTypes: ["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"],
  fileEndings: ["wav"],
  cut: "whole",
  open: (options) => new BufferedDecoder((bytes) => decode(bytes, options)),
};
