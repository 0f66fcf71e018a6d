import assert from "node:assert/strict";
import { PEER_SOURCE, PEER_TIMES, peerOf } from "../../bench/peers.ts";

Deno.test("peerOf() finds the time recorded for a scenario, and none for others", () => {
  assert.equal(peerOf("selective_scan 8,2048,2048,16")?.ms, 1.164);
  assert.equal(peerOf("add small"), undefined);
});

Deno.test("peers.json says what was timed, on what and when", () => {
  assert.match(PEER_SOURCE, /H100.*torch.*\d{4}-\d{2}-\d{2}/);
  for (const { scenario, peer, ms } of PEER_TIMES) assert.ok(peer && ms > 0, scenario);
});
