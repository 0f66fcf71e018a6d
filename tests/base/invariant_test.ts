import assert from "node:assert/strict";
import { invariant } from "../../src/base/invariant.ts";

Deno.test("invariant() throws with its message only when broken", () => {
  invariant(true, "never shown");
  assert.throws(() => invariant(0, "count is positive"), /Invariant broken: count is positive/);
});
