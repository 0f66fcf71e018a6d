import assert from "node:assert/strict";
import { OverloadError } from "../../src/base/errors.ts";
import { inTime } from "../../src/streams/in_time.ts";

Deno.test("inTime() gives what work gives, or throws", async () => {
  assert.equal(await inTime(Promise.resolve(3), 1_000, "late"), 3);
  await assert.rejects(inTime(Promise.reject(new RangeError("no")), 1_000, "late"), RangeError);
});

Deno.test("inTime() gives up on work that takes longer, and says why", async () => {
  const never = new Promise<number>(() => {});
  await assert.rejects(
    inTime(never, 5, "The kettle is cold"),
    (error) => error instanceof OverloadError && error.message.includes("The kettle is cold"),
  );
});
