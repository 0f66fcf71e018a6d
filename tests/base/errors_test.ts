import assert from "node:assert/strict";
import {
  InvalidValueError,
  LimitError,
  ProtocolError,
  ShapeError,
  StateMismatchError,
} from "../../src/base/errors.ts";

Deno.test("errors carry their fields, name themselves and belong to their built-in class", () => {
  const shape = new ShapeError("state", 4, 5);
  assert.ok(shape instanceof RangeError);
  assert.equal(shape.name, "ShapeError");
  assert.equal(shape.message, 'Axis "state" has size 5, expected 4');

  const protocol = new ProtocolError("csv", 12, "Row 2 has 3 cells", "row");
  assert.ok(protocol instanceof SyntaxError);
  assert.deepEqual([protocol.protocol, protocol.offset, protocol.field], ["csv", 12, "row"]);

  const limit = new LimitError("CHANNEL_COUNT_MAX", 1024, 10_001, "channels");
  assert.equal(limit.message, "CHANNEL_COUNT_MAX is 1024, got 10001");

  const mismatch = new StateMismatchError("aa", "bb");
  assert.match(mismatch.message, /"bb", expected "aa"/);
});

Deno.test("InvalidValueError shows at most 80 characters of a hostile value", () => {
  const error = new InvalidValueError("horizon", "x".repeat(1000), "an integer");
  assert.ok(error.message.length < 150);
  assert.equal(error.field, "horizon");
});
