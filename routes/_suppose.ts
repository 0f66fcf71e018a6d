import { z } from "@hono/zod-openapi";
import { InvalidValueError } from "../src/base/errors.ts";
import { DEFAULT_CHANNEL, type Segment } from "../src/signal/segment.ts";
import { parseTimestamp } from "../src/signal/timestamp.ts";
import { numberOrNull } from "./_schemas.ts";

/** Samples that a question supposes: `values` of the channel "value", or `channels` by name. */
export const supposedSchema = z.strictObject({
  timestamps: z.array(z.union([z.number(), z.string()])).min(1),
  values: z.array(numberOrNull).optional(),
  channels: z.record(z.string(), z.array(numberOrNull)).optional(),
}).openapi("SupposedSamples");

/** Samples as the body of a question gives them. */
export type RawSamples = z.infer<typeof supposedSchema>;

/** @throws {InvalidValueError} one is no time, or not after the one before */
export function parseTimes(times: readonly (string | number)[], field: string): BigInt64Array {
  const timesNs = BigInt64Array.from(
    times.map((time, i) => parseTimestamp(time, "ms", `${field}[${i}]`)),
  );
  for (let i = 1; i < timesNs.length; i++) {
    if (timesNs[i]! > timesNs[i - 1]!) continue;
    throw new InvalidValueError(`${field}[${i}]`, times[i], "a time after the one before");
  }
  return timesNs;
}

/**
 * The samples that a question supposes.
 *
 * @throws {InvalidValueError} times that do not increase, both or neither of `values` and
 *   `channels`, or not one value a time
 */
export function parseSupposed({ timestamps, values, channels }: RawSamples): Segment {
  if ((values === undefined) === (channels === undefined)) {
    const given = values === undefined ? "neither" : "both";
    throw new InvalidValueError("suppose", given, 'either "values" or "channels"');
  }
  const columns = Object.entries(channels ?? { [DEFAULT_CHANNEL]: values! });
  for (const [name, column] of columns) {
    if (column.length === timestamps.length) continue;
    const field = channels === undefined ? "suppose.values" : `suppose.channels.${name}`;
    throw new InvalidValueError(field, column.length, `${timestamps.length} values, one a time`);
  }
  if (columns.length === 0) throw new InvalidValueError("suppose.channels", "{}", "a channel");
  return {
    streamId: "supposed",
    timestampsNs: parseTimes(timestamps, "suppose.timestamps"),
    channels: columns.map(([name]) => name),
    values: columns.map(([, column]) => Float64Array.from(column, (value) => value ?? NaN)),
  };
}
