import { InvalidValueError, ProtocolError } from "../base/errors.ts";
import { csv } from "../protocols/csv.ts";
import { protocolOfFile, protocols } from "../protocols/mod.ts";
import type { Decoded, Decoder } from "../protocols/protocol.ts";
import { mergeRows } from "../service/merge.ts";
import { selectChannels } from "../service/observations.ts";
import { onlySegment } from "../service/range.ts";
import type { Segment } from "../signal/segment.ts";
import {
  formatTimestamp,
  TIMESTAMP_PRECISIONS,
  type TimestampPrecision,
} from "../signal/timestamp.ts";
import { type CommandInput, type OptionSpec, UsageError } from "./command.ts";

/** Ends of the names of files that are read as something else than CSV. */
const FILE_ENDINGS = protocols.filter((protocol) => protocol !== csv)
  .flatMap(({ fileEndings }) => fileEndings.map((end) => `.${end}`));

/** For the help of every verb that reads a file of samples. */
export const FILES_READ =
  `Files are CSV with a header, or by the end of their names ${FILE_ENDINGS.join(", ")};\n` +
  "each also gzipped.";

/** Options of every verb that reads a file of samples. */
export const SERIES_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  column: {
    type: "string",
    isMultiple: true,
    value: "NAME",
    help: "Column to read; may be repeated; default: all but the timestamps",
  },
  "timestamp-column": { type: "string", value: "NAME", help: "Column of the timestamps (CSV)" },
  precision: { type: "string", value: "ms", help: "Unit of integer timestamps: ns, us, ms, s" },
  missing: {
    type: "string",
    isMultiple: true,
    value: "X",
    help: "Value that stands for a missing one; may be repeated: --missing=-999",
  },
};

/** How a file is to be read. */
export interface FileChoice {
  readonly columns?: readonly string[] | undefined;
  readonly timestampColumn?: string | undefined;
  readonly precision?: TimestampPrecision | undefined;
  /** Values that stand for a missing one. */
  readonly missing?: readonly number[] | undefined;
}

/** @throws {UsageError} an unknown precision, or a missing value that is no number */
export function fileChoice(input: CommandInput): FileChoice {
  const precision = input.text("precision");
  if (precision !== undefined && !TIMESTAMP_PRECISIONS.some((known) => known === precision)) {
    throw new UsageError(`--precision is "${precision}", expected ns, us, ms or s`);
  }
  const columns = input.texts("column");
  return {
    columns: columns.length === 0 ? undefined : columns,
    timestampColumn: input.text("timestamp-column"),
    precision: precision as TimestampPrecision | undefined,
    missing: input.texts("missing").map((text) => {
      const value = text.trim() === "" ? NaN : Number(text);
      if (Number.isFinite(value)) return value;
      throw new UsageError(`--missing is "${text}", expected a finite number`);
    }),
  };
}

/** The one file that a verb is called with. @throws {UsageError} none or several */
export function onlyFile(input: CommandInput): string {
  const [file, ...more] = input.positionals;
  if (file === undefined) throw new UsageError("A file is missing");
  if (more.length > 0) throw new UsageError(`One file is expected, got "${more[0]}" too`);
  return file;
}

/**
 * The bytes of a file, inflated where its name ends in `.gz`.
 *
 * @param onRead told of each piece's bytes on disk, before it is inflated
 * @throws {InvalidValueError} the path is that of a folder
 */
export async function openFile(
  path: string,
  onRead: (count: number) => void = () => {},
): Promise<ReadableStream<Uint8Array>> {
  const file = await Deno.open(path);
  if ((await file.stat()).isDirectory) {
    file.close();
    throw new InvalidValueError("file", path, "a file, not a folder");
  }
  const counted = file.readable.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        onRead(chunk.length);
        controller.enqueue(chunk);
      },
    }),
  );
  return path.endsWith(".gz") ? counted.pipeThrough(new DecompressionStream("gzip")) : counted;
}

/**
 * What a decoder makes of a file.
 *
 * @throws {ProtocolError} the file does not follow its format; the message begins with its path
 * @throws {LimitError} it is too large
 * @throws {InvalidValueError} the path is that of a folder
 */
export async function decodeFile(path: string, decoder: Decoder): Promise<Decoded> {
  try {
    for await (const piece of await openFile(path)) decoder.push(piece);
    return decoder.finish();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(error.protocol, error.offset, `${path}: ${error.message}`, error.field);
  }
}

/**
 * Counts of seconds since the epoch that are read as milliseconds lie before this time, whatever
 * their date; so do numbers of rows.
 */
const DOUBTFUL_NS_MAX = 10_000_000_000n * 1_000_000n;

/** Tells where integer times were likely meant in another unit. */
export function noteDoubtfulTimes(
  { timestampsNs }: Segment,
  precision: TimestampPrecision | undefined,
  note: Note,
): void {
  const [first, last] = [timestampsNs[0]!, timestampsNs.at(-1)!];
  if (precision !== undefined || first < 0n || last >= DOUBTFUL_NS_MAX) return;
  const range = `${formatTimestamp(first)} to ${formatTimestamp(last)}`;
  note(`Times are ${range}: integers are read as ms unless --precision says ns, us or s`);
}

/** Keeps the first of the rows that have one time, as a service does with what it is sent. */
function keepFirstRows(segment: Segment, note: Note): Segment {
  const { timestampsNs, values } = segment;
  const kept = Array.from(timestampsNs.keys())
    .filter((row) => row === 0 || timestampsNs[row] !== timestampsNs[row - 1]);
  const dropped = timestampsNs.length - kept.length;
  if (dropped === 0) return segment;
  const row = timestampsNs.findIndex((time, i) => i > 0 && time === timestampsNs[i - 1]);
  const first = formatTimestamp(timestampsNs[row]!);
  const rows = dropped === 1 ? "1 row repeats" : `${dropped} rows repeat`;
  note(`${rows} the time of another, first ${first}: of each time the first row is taken`);
  return {
    ...segment,
    timestampsNs: BigInt64Array.from(kept, (from) => timestampsNs[from]!),
    values: values.map((column) => Float64Array.from(kept, (from) => column[from]!)),
  };
}

/** Takes a line for people that is no part of a result. */
type Note = (line: string) => void;

/** The channels asked for. @throws {InvalidValueError} the file does not have one of them */
function chosen(segment: Segment, columns: readonly string[] | undefined): Segment {
  const { channels } = segment;
  const unknown = columns?.find((name) => !channels.includes(name));
  if (unknown === undefined) return selectChannels(segment, columns);
  throw new InvalidValueError("column", unknown, `one of ${channels.slice(0, 20).join(", ")}`);
}

/**
 * The samples of a file, in its order where it tells one: by the end of its name one of the
 * protocols of the service, else CSV. Audio, which tells no time, begins in 1970.
 *
 * @throws {ProtocolError | LimitError} the file does not follow its format, or is too large
 * @throws {InvalidValueError} it has no sample, several streams, or not the columns asked for
 */
export async function decodeSeries(path: string, choice: FileChoice): Promise<Segment> {
  const { columns, timestampColumn, precision, missing = [] } = choice;
  const protocol = protocolOfFile(path.replace(/\.gz$/, "")) ?? csv;
  const isCsv = protocol === csv;
  if (!isCsv && timestampColumn !== undefined) {
    throw new InvalidValueError("timestamp-column", timestampColumn, "none: the file is no CSV");
  }
  const isAudio = protocol.mediaTypes[0]!.startsWith("audio/");
  const decoder = protocol.open({
    ...{ streamId: "file", precision, timestampColumn, missing },
    valueColumns: columns,
    ...(isAudio ? { startNs: 0n } : {}),
  });
  const { segments } = await decodeFile(path, decoder);
  const [first, ...more] = segments;
  if (first === undefined) throw new InvalidValueError("file", path, "samples");
  const whole = more.length === 0 ? first : onlySegment(segments);
  if (isCsv) return whole;
  const series = chosen(whole, columns);
  const values = series.values.map((column) =>
    missing.length === 0 ? column : column.map((value) => missing.includes(value) ? NaN : value)
  );
  return { ...series, values };
}

/**
 * Reads a file as one series, in time order. Of several rows with one time that name the same
 * channel the first is taken, and `note` told; so are times that were likely meant in another unit.
 *
 * @throws {ProtocolError | LimitError | InvalidValueError} as {@linkcode decodeSeries}
 */
export async function readSeries(path: string, choice: FileChoice, note: Note): Promise<Segment> {
  const series = keepFirstRows(mergeRows(await decodeSeries(path, choice)), note);
  noteDoubtfulTimes(series, choice.precision, note);
  return series;
}
