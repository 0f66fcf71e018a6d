import assert from "node:assert/strict";
import { StreamFailedError } from "../../src/streams/engine.ts";

Deno.test("StreamFailedError names the stream and the reason", () => {
  const error = new StreamFailedError("pump/7", "singular covariance");
  assert.equal(error.streamId, "pump/7");
  assert.match(error.message, /"pump\/7".*singular covariance/);
});
