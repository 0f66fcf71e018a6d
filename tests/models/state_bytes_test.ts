import assert from "node:assert/strict";
import { networkMember } from "../../src/models/members.ts";
import { stateBytesMax } from "../../src/models/state_bytes.ts";

Deno.test("stateBytesMax() counts members on the log or those that stand in, never both", () => {
  const logs = stateBytesMax(["mean", "readout_log_far", "readout_log_near"]);
  const both = stateBytesMax(["mean", "readout_log_far", "readout_log_near", "readout_far_signed"]);
  assert.equal(both, logs);
  assert.ok(stateBytesMax(["mean", "readout_far_signed"]) < logs);
  assert.ok(stateBytesMax(["mean", "readout_far", "readout_log_far", "readout_log_near"]) > logs);
});

Deno.test("stateBytesMax() adds what a network says of itself", () => {
  const bytes = (own: number) => stateBytesMax(["mean", networkMember("one@0123")], () => own);
  assert.equal(bytes(50_000) - bytes(20_000), 30_000);
  assert.ok(bytes(0) > stateBytesMax(["mean"]));
});
