/**
 * The errors of the house. Each extends the built-in class of its meaning and carries the fields
 * that a caller needs; the text names the value at fault.
 */

/** An axis of a tensor differs from what the operation needs. */
export class ShapeError extends RangeError {
  override readonly name = "ShapeError";
  readonly axis: string;
  readonly expected: number;
  readonly actual: number;

  constructor(axis: string, expected: number, actual: number) {
    super(`Axis "${axis}" has size ${actual}, expected ${expected}`);
    this.axis = axis;
    this.expected = expected;
    this.actual = actual;
  }
}

/** Bytes do not follow their protocol. Nothing of the body that raised it has been used. */
export class ProtocolError extends SyntaxError {
  override readonly name = "ProtocolError";
  readonly protocol: string;
  /** Byte offset in the body at which reading stopped. */
  readonly offset: number;
  /** Dotted path or column of the value at fault, where there is one. */
  readonly field: string | undefined;

  constructor(protocol: string, offset: number, message: string, field?: string) {
    super(message);
    this.protocol = protocol;
    this.offset = offset;
    this.field = field;
  }
}

/** A stored state belongs to another model than the one that is asked to go on with it. */
export class StateMismatchError extends Error {
  override readonly name = "StateMismatchError";
  readonly expectedHash: string;
  readonly actualHash: string;

  constructor(expectedHash: string, actualHash: string) {
    super(`State was made by model "${actualHash}", expected "${expectedHash}"`);
    this.expectedHash = expectedHash;
    this.actualHash = actualHash;
  }
}

/** The accelerator went away and could not be reopened. */
export class DeviceLostError extends Error {
  override readonly name = "DeviceLostError";
}

/** A named limit was passed. `limitName` is the name under which the limit is documented. */
export class LimitError extends RangeError {
  override readonly name = "LimitError";
  readonly limitName: string;
  readonly limit: number;
  readonly actual: number;
  readonly field: string | undefined;

  constructor(limitName: string, limit: number, actual: number, field?: string) {
    super(`${limitName} is ${limit}, got ${actual}`);
    this.limitName = limitName;
    this.limit = limit;
    this.actual = actual;
    this.field = field;
  }
}

/** A value that a user gave is wrong; `field` says which one. */
export class InvalidValueError extends RangeError {
  override readonly name = "InvalidValueError";
  readonly field: string;
  /** The beginning of its text; undefined where it is missing. */
  readonly value: string | undefined;
  /** What would have been right. */
  readonly expectation: string;

  constructor(field: string, value: unknown, expectation: string) {
    const text = value === undefined ? undefined : String(value);
    const shown = text !== undefined && text.length > 80 ? `${text.slice(0, 80)}…` : text;
    super(`${field} is ${shown === undefined ? "missing" : `"${shown}"`}, expected ${expectation}`);
    this.field = field;
    this.value = shown;
    this.expectation = expectation;
  }
}

/** What was asked for does not exist. */
export class NotFoundError extends Error {
  override readonly name = "NotFoundError";
  readonly kind: string;
  readonly id: string;

  constructor(kind: string, id: string) {
    super(`No ${kind} "${id}"`);
    this.kind = kind;
    this.id = id;
  }
}

/** The request contradicts what is stored (another value under the same timestamp or key). */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/** A bounded queue is full; the caller may try again after `retryAfterS`. */
export class OverloadError extends Error {
  override readonly name = "OverloadError";
  readonly retryAfterS: number;

  constructor(message: string, retryAfterS: number) {
    super(message);
    this.retryAfterS = retryAfterS;
  }
}

/** The store has no room left: nothing was stored, and a retry helps only once there is room. */
export class StorageFullError extends Error {
  override readonly name = "StorageFullError";
}
