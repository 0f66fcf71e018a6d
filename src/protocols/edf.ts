import { LimitError } from "../base/errors.ts";
import {
  BODY_VALUES_MAX,
  isChannelName,
  type Segment,
  SEGMENT_SAMPLES_MAX,
  sliceSegment,
} from "../signal/segment.ts";
import { TIMESTAMP_NS_MAX, TIMESTAMP_NS_MIN } from "../signal/timestamp.ts";
import { BufferedDecoder } from "./_helpers/buffered_decoder.ts";
import {
  EDF,
  type EdfHeader,
  type EdfSignal,
  edfStartNs,
  failEdf,
  readEdfHeader,
} from "./_helpers/edf_header.ts";
import type { Decoded, DecodeOptions, Protocol } from "./protocol.ts";

const ascii = new TextDecoder("latin1");

/** Separators of a list of annotations: behind a text, behind the list. */
const TEXT = "\x14";
const LIST = "\0";

/** Data records of a body, which has to hold whole ones. */
function countRecords(bytes: Uint8Array, { headerBytes, recordBytes, recordCount }: EdfHeader) {
  const held = (bytes.length - headerBytes) / recordBytes;
  if (recordCount === null ? Number.isInteger(held) : held === recordCount) return held;
  const wanted = recordCount === null ? "whole records" : `${recordCount} records`;
  const message = `Body has ${bytes.length - headerBytes} bytes of data, expected ${wanted} of ` +
    `${recordBytes}`;
  failEdf(bytes.length, message, "recordCount");
}

/** Onset of a record as its first list of annotations tells it, and how many texts it holds. */
function readAnnotations(
  bytes: Uint8Array,
  at: number,
  size: number,
): { onsetS: number; textCount: number } {
  const lists = ascii.decode(bytes.subarray(at, at + size)).split(LIST).filter((one) => one !== "");
  const [onset = ""] = lists[0]?.split(TEXT) ?? [];
  const onsetS = /^[+-]\d+(\.\d*)?$/.test(onset) ? Number(onset) : NaN;
  const texts = lists.flatMap((list) => list.split(TEXT).slice(1)).filter((one) => one !== "");
  return { onsetS, textCount: texts.length };
}

/** When each record begins, in seconds after the start, and the texts among the samples. */
function readOnsets(
  bytes: Uint8Array,
  header: EdfHeader,
  recordCount: number,
): { onsets: Float64Array; textCount: number } {
  const { headerBytes, recordBytes, recordS, sampleBytes } = header;
  const annotations = header.signals.filter(({ isAnnotations }) => isAnnotations);
  const onsets = Float64Array.from({ length: recordCount }, (_, record) => record * recordS);
  let textCount = 0;
  for (let record = 0; record < recordCount; record++) {
    for (const [k, { at, count }] of annotations.entries()) {
      const from = headerBytes + record * recordBytes + at;
      const said = readAnnotations(bytes, from, count * sampleBytes);
      textCount += said.textCount;
      if (k > 0) continue;
      if (Number.isNaN(said.onsetS)) {
        failEdf(from, `Record ${record} does not say when it begins`, "annotations");
      }
      onsets[record] = said.onsetS;
    }
    if (record > 0 && onsets[record]! < onsets[record - 1]! + recordS * (1 - 1e-9)) {
      const from = headerBytes + record * recordBytes;
      failEdf(from, `Record ${record} begins before the one before it is over`, "annotations");
    }
  }
  return { onsets, textCount };
}

/** Times of signals with so many samples a record. */
function timesOf(
  startNs: bigint,
  onsets: Float64Array,
  recordS: number,
  count: number,
): BigInt64Array {
  const timestampsNs = new BigInt64Array(onsets.length * count);
  for (let i = 0; i < timestampsNs.length; i++) {
    const seconds = onsets[Math.floor(i / count)]! + (i % count) * recordS / count;
    timestampsNs[i] = startNs + BigInt(Math.round(seconds * 1e9));
  }
  const [first, last] = [timestampsNs[0]!, timestampsNs.at(-1)!];
  if (first < TIMESTAMP_NS_MIN || last >= TIMESTAMP_NS_MAX) {
    failEdf(168, "The recording lies outside the years 1678 to 2261", "start");
  }
  return timestampsNs;
}

/** A signal in its own units. */
function valuesOf(view: DataView, header: EdfHeader, signal: EdfSignal, recordCount: number) {
  const { headerBytes, recordBytes, sampleBytes } = header;
  const { gain, offset, count, at } = signal;
  const values = new Float64Array(recordCount * count);
  for (let record = 0, i = 0; record < recordCount; record++) {
    let from = headerBytes + record * recordBytes + at;
    for (const end = i + count; i < end; i++, from += sampleBytes) {
      const digital = sampleBytes === 2
        ? view.getInt16(from, true)
        : view.getUint16(from, true) | view.getInt8(from + 2) << 16;
      values[i] = digital * gain + offset;
    }
  }
  return values;
}

/** Labels as names of channels: what comes again gets a number behind it. */
function channelNames(signals: readonly EdfSignal[]): string[] {
  const seen = new Map<string, number>();
  return signals.map(({ label }, k) => {
    const count = (seen.get(label) ?? 0) + 1;
    seen.set(label, count);
    if (!isChannelName(label)) failEdf(256 + 16 * k, "A label has control characters", "label");
    return count === 1 ? label : `${label}#${count}`;
  });
}

function decode(bytes: Uint8Array, options: DecodeOptions): Decoded {
  const { streamId } = options;
  if (streamId === undefined) failEdf(0, "A recording needs the stream's name", "streamId");
  const header = readEdfHeader(bytes);
  const recordCount = countRecords(bytes, header);
  const signals = header.signals.filter(({ isAnnotations }) => !isAnnotations);
  const rates = new Set(signals.map(({ count }) => count));
  // Samples of each rate are rows of their own, in which the other signals have no value.
  const rowCount = recordCount * [...rates].reduce((sum, count) => sum + count, 0);
  const valueCount = rowCount * signals.length;
  if (valueCount > BODY_VALUES_MAX) {
    throw new LimitError("BODY_VALUES_MAX", BODY_VALUES_MAX, valueCount, "data");
  }
  if (valueCount === 0) failEdf(header.headerBytes, "Body has no sample", "data");
  const startNs = options.startNs ?? edfStartNs(bytes);
  const { onsets, textCount } = readOnsets(bytes, header, recordCount);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const names = channelNames(signals);
  const segments: Segment[] = [];
  for (const count of rates) {
    const own = signals.flatMap((signal, k) => signal.count === count ? [{ signal, k }] : []);
    const whole: Segment = {
      streamId,
      channels: own.map(({ k }) => names[k]!),
      timestampsNs: timesOf(startNs, onsets, header.recordS, count),
      values: own.map(({ signal }) => valuesOf(view, header, signal, recordCount)),
    };
    const length = whole.timestampsNs.length;
    for (let from = 0; from < length; from += SEGMENT_SAMPLES_MAX) {
      segments.push(sliceSegment(whole, from, Math.min(length, from + SEGMENT_SAMPLES_MAX)));
    }
  }
  return { segments, ignoredCount: textCount };
}

/**
 * Recordings of EEG, sleep and the like: EDF and EDF+ (Kemp and others 1992; Kemp and Olivan 2003),
 * BDF with its 24 bits.
 *
 *   value = (digital − digitalMin) · (physicalMax − physicalMin) / (digitalMax − digitalMin)
 *           + physicalMin
 *
 * Each signal is a channel by its label, in its own units; signals of other rates have samples of
 * their own times. Sample i of n in a record is of start + onset + i · duration / n, rounded to
 * nanoseconds; the onset is what the record's annotations say, so that recordings with breaks
 * (EDF+D) keep their times. The start is that of the header, its clock taken as UTC, or `startNs`.
 * Texts of annotations are left out and counted.
 */
export const edf: Protocol = {
  name: EDF,
  mediaTypes: ["application/x-edf", "application/x-bdf"],
  fileEndings: ["edf", "bdf"],
  cut: "whole",
  open: (options) => new BufferedDecoder((bytes) => decode(bytes, options)),
};
