import { InvalidValueError } from "../../src/base/errors.ts";
import type { Segment } from "../../src/signal/segment.ts";
import { parseTimestamp } from "../../src/signal/timestamp.ts";

/** How a table becomes a segment. */
export interface CsvLayout {
  readonly streamId: string;
  /** Heading of the column of times. */
  readonly time: string;
  /** Heading of the column of each channel, by channel. */
  readonly channels: Readonly<Record<string, string>>;
  /** Hours by which the table's clock is ahead of UTC (Seattle in winter: -8). Default 0. */
  readonly utcOffsetHours?: number;
}

const HOUR_NS = 3_600_000_000_000n;

/**
 * Columns of a plain comma-separated table (a heading, no quotes) as a segment; an empty field is
 * missing. The shipped tables are of this kind; foreign CSV goes through the CSV protocol.
 *
 * @throws {InvalidValueError} a heading is missing, or a field is neither a number nor empty
 */
export function segmentOfCsv(text: string, layout: CsvLayout): Segment {
  const rows = text.trim().split(/\r?\n/).map((line) => line.split(","));
  const headings = rows.shift() ?? [];
  const columnOf = (heading: string): number => {
    const column = headings.indexOf(heading);
    if (column < 0) throw new InvalidValueError("heading", heading, `one of ${headings}`);
    return column;
  };
  const timeColumn = columnOf(layout.time);
  const offsetNs = BigInt(layout.utcOffsetHours ?? 0) * HOUR_NS;
  const timestampsNs = BigInt64Array.from(
    rows,
    (row) => parseTimestamp(row[timeColumn] ?? "") - offsetNs,
  );
  const channels = Object.keys(layout.channels);
  const values = channels.map((channel) => {
    const column = columnOf(layout.channels[channel]!);
    return Float64Array.from(rows, (row, i) => numberOf(row[column] ?? "", `${channel}[${i}]`));
  });
  return { streamId: layout.streamId, channels, timestampsNs, values };
}

function numberOf(field: string, name: string): number {
  const text = field.trim();
  if (text === "") return NaN;
  const value = Number(text);
  if (!Number.isFinite(value)) throw new InvalidValueError(name, field, "a number");
  return value;
}
