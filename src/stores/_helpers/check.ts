import { InvalidValueError, OverloadError } from "../../base/errors.ts";
import type { Segment } from "../../signal/segment.ts";
import { type AppendOptions, IDEMPOTENCY_KEY_LENGTH_MAX } from "../store.ts";

/** @throws {InvalidValueError} a limit that is no integer from 1 to `max` */
export function checkLimit(limit: number, max: number, field = "limit"): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > max) {
    throw new InvalidValueError(field, limit, `an integer from 1 to ${max}`);
  }
}

/** @throws {InvalidValueError} an offset that is no integer from 0 on */
export function checkOffset(offset: number, field: string): void {
  if (!Number.isInteger(offset) || offset < 0) {
    throw new InvalidValueError(field, offset, "an integer from 0 on");
  }
}

/** @throws {InvalidValueError} an Idempotency-Key that is empty or too long */
export function checkAppendOptions(options: AppendOptions): void {
  const key = options.idempotencyKey;
  if (key === undefined || (key.length > 0 && key.length <= IDEMPOTENCY_KEY_LENGTH_MAX)) return;
  throw new InvalidValueError(
    "Idempotency-Key",
    key,
    `1 to ${IDEMPOTENCY_KEY_LENGTH_MAX} characters`,
  );
}

/** Bytes of samples that an append request holds in memory. */
export function requestBytes(segments: readonly Segment[]): number {
  let bytes = 0;
  for (const { timestampsNs, values } of segments) {
    bytes += 128 + timestampsNs.length * 8 * (values.length + 1);
  }
  return bytes;
}

/** What a full append queue answers. */
export function appendOverload(queuedBytes: number): OverloadError {
  return new OverloadError(`${queuedBytes} bytes wait to be stored already`, 1);
}
