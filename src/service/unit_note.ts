import type { Segment } from "../signal/segment.ts";
import { coarserUnit, formatTimestamp, type TimestampPrecision } from "../signal/timestamp.ts";

/**
 * Tells of samples whose counts were likely meant in a coarser unit: seconds that are read as
 * milliseconds all lie in January to April 1970. They are stored as they were read, since such
 * times may be meant; null where nothing is odd.
 *
 * @param samples    in time order, at least one
 * @param precision  the unit that counts were read in
 */
export function unitNote(
  { timestampsNs }: Segment,
  precision: TimestampPrecision,
): string | null {
  const [firstNs, lastNs] = [timestampsNs[0]!, timestampsNs.at(-1)!];
  const [first, last] = [coarserUnit(firstNs, precision), coarserUnit(lastNs, precision)];
  if (first === null || first.unit !== last?.unit) return null;
  const range = (from: bigint, to: bigint) =>
    from === to ? formatTimestamp(from) : `${formatTimestamp(from)} to ${formatTimestamp(to)}`;
  return `Times are ${range(firstNs, lastNs)} as integers of ${precision}; with ` +
    `precision=${first.unit} they are ${range(first.meantNs, last.meantNs)}`;
}
