import {
  ConflictError,
  InvalidValueError,
  LimitError,
  NotFoundError,
  OverloadError,
  ProtocolError,
  StorageFullError,
} from "../src/base/errors.ts";
import { StreamFailedError } from "../src/streams/engine.ts";

/** Problem details (RFC 9457): the body of every answer that is no success. */
export interface Problem {
  /** Kind of problem, stable for programs: `urn:driftline:problem:<kind>`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Parameter, member or column at fault. */
  readonly field?: string | undefined;
  readonly value?: string | undefined;
  /** Name and size of the limit that was passed. */
  readonly limitName?: string | undefined;
  readonly limit?: number | undefined;
  /** Byte of the body at which reading stopped, and what it was read as. */
  readonly offset?: number | undefined;
  readonly protocol?: string | undefined;
  readonly retryAfterS?: number | undefined;
}

/** Media type of {@linkcode Problem}. */
export const PROBLEM_MEDIA_TYPE = "application/problem+json";

/** Titles by kind; a kind is the last part of `type`. */
const TITLES = {
  "malformed-request": "Malformed request",
  "malformed-body": "Malformed body",
  "unauthorized": "Unauthorized",
  "forbidden": "Forbidden",
  "not-found": "Not found",
  "method-not-allowed": "Method not allowed",
  "request-timeout": "Request timed out",
  "conflict": "Conflict",
  "limit-exceeded": "Limit exceeded",
  "unsupported-media-type": "Unsupported media type",
  "invalid-value": "Invalid value",
  "internal": "Internal error",
  "stream-failed": "Stream failed",
  "overloaded": "Overloaded",
  "storage-full": "Storage full",
} as const;

/** Kinds of problems, as the last part of a problem's `type`. */
export type ProblemKind = keyof typeof TITLES;

/** A request that cannot be answered for a reason of HTTP's own. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly kind: ProblemKind;
  readonly status: number;
  readonly field: string | undefined;
  readonly value: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    kind: ProblemKind,
    status: number,
    detail: string,
    more: {
      readonly field?: string;
      readonly value?: string | undefined;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(detail);
    this.kind = kind;
    this.status = status;
    this.field = more.field;
    this.value = more.value;
    this.headers = more.headers ?? {};
  }
}

function problem(
  kind: ProblemKind,
  status: number,
  detail: string,
  more: Partial<Problem> = {},
): Problem {
  return { type: `urn:driftline:problem:${kind}`, title: TITLES[kind], status, detail, ...more };
}

/** The problem that tells of an error; faults of our own keep their text to the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof RequestError) {
    const { field, value } = error;
    return problem(error.kind, error.status, error.message, { field, value });
  }
  if (error instanceof ProtocolError) {
    const { protocol, offset, field } = error;
    return problem("malformed-body", 400, error.message, { protocol, offset, field });
  }
  if (error instanceof LimitError) {
    const { limitName, limit, field } = error;
    const value = String(error.actual);
    return problem("limit-exceeded", 413, error.message, { limitName, limit, field, value });
  }
  if (error instanceof InvalidValueError) {
    const { field, value } = error;
    return problem("invalid-value", 422, error.message, { field, value });
  }
  if (error instanceof NotFoundError) return problem("not-found", 404, error.message);
  if (error instanceof ConflictError) return problem("conflict", 409, error.message);
  if (error instanceof StreamFailedError) return problem("stream-failed", 500, error.message);
  if (error instanceof OverloadError) {
    return problem("overloaded", 503, error.message, { retryAfterS: error.retryAfterS });
  }
  if (error instanceof StorageFullError) return problem("storage-full", 507, error.message);
  return problem("internal", 500, "The service failed; its log says why");
}

/**
 * The answer that tells of an error.
 *
 * @param membersOf  further members that clients of a path look for
 */
export function problemResponse(
  error: unknown,
  membersOf: (problem: Problem) => Readonly<Record<string, unknown>> = () => ({}),
): Response {
  const problem = problemOf(error);
  const body = { ...problem, ...membersOf(problem) };
  const headers = new Headers({ "Content-Type": PROBLEM_MEDIA_TYPE });
  if (body.retryAfterS !== undefined) {
    headers.set("Retry-After", String(Math.ceil(body.retryAfterS)));
  }
  if (error instanceof RequestError) {
    for (const [name, value] of Object.entries(error.headers)) headers.set(name, value);
  }
  return new Response(JSON.stringify(body), { status: body.status, headers });
}
