import assert from "node:assert/strict";
import { problemOf, problemResponse, RequestError } from "../../routes/_problem.ts";
import {
  ConflictError,
  InvalidValueError,
  LimitError,
  NotFoundError,
  OverloadError,
  ProtocolError,
  StorageFullError,
} from "../../src/base/errors.ts";
import { StreamFailedError } from "../../src/streams/engine.ts";

Deno.test("problemOf() gives each error its status and keeps what names the fault", () => {
  const cases: [Error, number, Record<string, unknown>][] = [
    [new ProtocolError("csv", 12, "Bad cell", "t"), 400, {
      protocol: "csv",
      offset: 12,
      field: "t",
    }],
    [new LimitError("X_MAX", 3, 4, "body"), 413, { limitName: "X_MAX", limit: 3, field: "body" }],
    [new InvalidValueError("horizon", 0, "1 or more"), 422, { field: "horizon", value: "0" }],
    [new NotFoundError("stream", "a"), 404, { detail: 'No stream "a"' }],
    [new ConflictError("Other value"), 409, { detail: "Other value" }],
    [new OverloadError("Full", 2), 503, { retryAfterS: 2 }],
    [new StreamFailedError("a", "model threw"), 500, { title: "Stream failed" }],
    [new StorageFullError("No room"), 507, { title: "Storage full" }],
    [new RequestError("forbidden", 403, "No"), 403, { title: "Forbidden" }],
  ];
  for (const [error, status, fields] of cases) {
    const problem = problemOf(error);
    assert.equal(problem.status, status);
    assert.deepEqual({ ...problem, ...fields }, problem);
  }
});

Deno.test("problemOf() does not tell the text of our own faults", () => {
  assert.doesNotMatch(JSON.stringify(problemOf(new Error("at /home/x"))), /home/);
  assert.equal(problemOf("thrown text").status, 500);
});

Deno.test("problemResponse() says when to come back", async () => {
  const response = problemResponse(new OverloadError("Full", 1.2));
  assert.equal(response.headers.get("retry-after"), "2");
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.equal((await response.json()).retryAfterS, 1.2);
});
