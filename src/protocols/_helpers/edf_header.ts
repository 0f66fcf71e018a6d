import { LimitError, ProtocolError } from "../../base/errors.ts";
import { CHANNEL_COUNT_MAX } from "../../signal/segment.ts";

/** Name of the protocol in errors. */
export const EDF = "edf";

/** Bytes of the part about the whole recording, and of each signal's part. */
const FIXED_BYTES = 256;
const SIGNAL_BYTES = 256;

/** Signals that hold text; their labels are told by the definition of EDF+. */
const ANNOTATION_LABELS = ["EDF Annotations", "BDF Annotations"];

const MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(" ");

/** One signal of a recording. */
export interface EdfSignal {
  readonly label: string;
  readonly isAnnotations: boolean;
  /** value = digital · gain + offset. */
  readonly gain: number;
  readonly offset: number;
  /** Samples in a data record. */
  readonly count: number;
  /** Where its samples lie in a data record. */
  readonly at: number;
}

/** What stands in front of the samples. */
export interface EdfHeader {
  /** Bytes of a sample: 2 of EDF, 3 of BDF. */
  readonly sampleBytes: 2 | 3;
  readonly headerBytes: number;
  readonly recordBytes: number;
  /** Data records; null where the writer did not say. */
  readonly recordCount: number | null;
  readonly recordS: number;
  readonly signals: readonly EdfSignal[];
}

/** Refuses a recording, and says where and why. */
export function failEdf(offset: number, message: string, field?: string): never {
  throw new ProtocolError(EDF, offset, message, field);
}

const latin1 = new TextDecoder("latin1");

/** Text of a field of fixed width, without the blanks that fill it. */
function text(bytes: Uint8Array, at: number, width: number): string {
  return latin1.decode(bytes.subarray(at, at + width)).replace(/\0.*/s, "").trim();
}

function decimal(bytes: Uint8Array, at: number, width: number, field: string): number {
  const given = text(bytes, at, width);
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(given) ? Number(given) : NaN;
  if (!Number.isFinite(value)) failEdf(at, `${field} is "${given}", expected a number`, field);
  return value;
}

function whole(bytes: Uint8Array, at: number, width: number, field: string): number {
  const value = decimal(bytes, at, width, field);
  if (!Number.isInteger(value)) failEdf(at, `${field} is ${value}, expected a whole number`, field);
  return value;
}

/** A number that has to be more than 0. */
function positive(value: number, at: number, field: string): number {
  if (!(value > 0)) failEdf(at, `${field} is ${value}, expected more than 0`, field);
  return value;
}

/**
 * Where field `field` of signal `k` lies: a field of all signals comes before the next field.
 *
 * @param before  bytes of the fields before it, of one signal
 */
function place(signalCount: number, before: number, width: number, k: number): number {
  return FIXED_BYTES + signalCount * before + width * k;
}

function readSignal(
  bytes: Uint8Array,
  signalCount: number,
  k: number,
): Omit<EdfSignal, "at"> {
  const field = (name: string) => `signals[${k}].${name}`;
  const read = (name: string, before: number) => {
    const at = place(signalCount, before, 8, k);
    return { at, value: decimal(bytes, at, 8, field(name)) };
  };
  const given = text(bytes, place(signalCount, 0, 16, k), 16);
  const [physicalMin, physicalMax] = [read("physicalMinimum", 104), read("physicalMaximum", 112)];
  const [digitalMin, digitalMax] = [read("digitalMinimum", 120), read("digitalMaximum", 128)];
  const countAt = place(signalCount, 216, 8, k);
  const count = whole(bytes, countAt, 8, field("samples"));
  positive(count, countAt, field("samples"));
  const range = digitalMax.value - digitalMin.value;
  positive(range, digitalMin.at, field("digitalMaximum - digitalMinimum"));
  const gain = (physicalMax.value - physicalMin.value) / range;
  return {
    label: given === "" ? `ch${k}` : given,
    isAnnotations: ANNOTATION_LABELS.includes(given),
    gain,
    offset: physicalMin.value - gain * digitalMin.value,
    count,
  };
}

/** @throws {ProtocolError | LimitError} no header of EDF or BDF, or too many signals */
export function readEdfHeader(bytes: Uint8Array): EdfHeader {
  const version = text(bytes, 0, 8);
  const isBdf = bytes[0] === 0xff && version.slice(1) === "BIOSEMI";
  if (bytes.length < FIXED_BYTES || !(isBdf || version === "0")) {
    failEdf(0, "Body does not begin with a header of EDF or BDF");
  }
  const signalCount = positive(whole(bytes, 252, 4, "signalCount"), 252, "signalCount");
  if (signalCount > CHANNEL_COUNT_MAX) {
    throw new LimitError("CHANNEL_COUNT_MAX", CHANNEL_COUNT_MAX, signalCount, "signalCount");
  }
  const headerBytes = whole(bytes, 184, 8, "headerBytes");
  const wanted = FIXED_BYTES + SIGNAL_BYTES * signalCount;
  if (headerBytes !== wanted) {
    failEdf(184, `headerBytes is ${headerBytes}, expected ${wanted}`, "headerBytes");
  }
  if (bytes.length < headerBytes) failEdf(bytes.length, "Body ends within its header");
  const recordCount = whole(bytes, 236, 8, "recordCount");
  const recordS = decimal(bytes, 244, 8, "recordDuration");
  const sampleBytes = isBdf ? 3 : 2;
  let at = 0;
  const signals = Array.from({ length: signalCount }, (_, k) => {
    const signal = { ...readSignal(bytes, signalCount, k), at };
    at += signal.count * sampleBytes;
    return signal;
  });
  if (signals.some(({ isAnnotations }) => !isAnnotations)) {
    positive(recordS, 244, "recordDuration");
  }
  return {
    ...{ sampleBytes, headerBytes, recordBytes: at, recordS, signals },
    recordCount: recordCount < 0 ? null : recordCount,
  };
}

/**
 * Date and time of the recording's start, nanoseconds since the epoch, its clock taken as UTC. Two
 * digits of a year are of 1985 to 2084; EDF+ tells all four in the field of the recording.
 *
 * @throws {ProtocolError} there is no such day or time
 */
export function edfStartNs(bytes: Uint8Array): bigint {
  const date = text(bytes, 168, 8);
  const time = text(bytes, 176, 8);
  const [, day, month, short] = /^(\d\d)\D(\d\d)\D(\d\d)$/.exec(date) ?? [];
  const [, hour, minute, second] = /^(\d\d)\D(\d\d)\D(\d\d)$/.exec(time) ?? [];
  const told = /^Startdate (\d\d)-([A-Z]{3})-(\d{4})/i.exec(text(bytes, 88, 80));
  const [years, months, days] = told === null
    ? [Number(short) + (Number(short) < 85 ? 2000 : 1900), Number(month) - 1, Number(day)]
    : [Number(told[3]), MONTHS.indexOf(told[2]!.toUpperCase()), Number(told[1])];
  const ms = Date.UTC(years, months, days, Number(hour), Number(minute), Number(second));
  const back = new Date(ms);
  const isReal = back.getUTCMonth() === months && back.getUTCDate() === days &&
    back.getUTCHours() === Number(hour) && back.getUTCMinutes() === Number(minute) &&
    back.getUTCSeconds() === Number(second);
  if (isReal) return BigInt(ms) * 1_000_000n;
  const message = `The start is "${date}" "${time}", expected dd.mm.yy and hh.mm.ss; ` +
    "?start= tells another one";
  failEdf(168, message, "start");
}
