import assert from "node:assert/strict";
import { sha256Hex } from "../../src/base/hash.ts";
import { openFixture } from "./_fixture.ts";

const PATH = "/v1/streams/a/proof";

async function withStream() {
  const fixture = openFixture();
  const samples = { timestamps: [0, 60_000], values: [1, 2] };
  await fixture.send("POST", "/v1/streams/a/observations", samples);
  return fixture;
}

Deno.test("GET proof compares the present state, or one of a provenance, with the log", async () => {
  const { send } = await withStream();
  const { status, body } = await send("GET", PATH);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.proven, true);
  assert.equal(body.appliedOffset, 2);
  assert.equal(body.timestamp, "1970-01-01T00:01:00Z");
  assert.equal(body.replayedHash, body.stateHash);
  const one = `appliedOffset=1&stateHash=${sha256Hex("1")}`;
  assert.equal((await send("GET", `${PATH}?${one}`)).body.proven, true);
  const other = await send("GET", `${PATH}?appliedOffset=1&stateHash=${sha256Hex("2")}`);
  assert.deepEqual([other.status, other.body.proven], [200, false]);
});

Deno.test("GET proof names what cannot be proven", async () => {
  const { send } = await withStream();
  const hash = sha256Hex("1");
  const refused: [string, number, string][] = [
    ["?appliedOffset=1", 422, "stateHash"],
    [`?stateHash=${hash}`, 422, "appliedOffset"],
    [`?appliedOffset=3&stateHash=${hash}`, 422, "appliedOffset"],
    ["?appliedOffset=1&stateHash=abc", 400, "stateHash"],
    ["?appliedOffset=0&stateHash=abc", 400, "appliedOffset"],
  ];
  for (const [question, status, field] of refused) {
    const answer = await send("GET", PATH + question);
    assert.deepEqual([answer.status, answer.body.field], [status, field], question);
  }
  await send("PUT", "/v1/streams/b", {});
  assert.equal((await send("GET", "/v1/streams/b/proof")).status, 422);
  assert.equal((await send("GET", "/v1/streams/c/proof")).status, 404);
});
