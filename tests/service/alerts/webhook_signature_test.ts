import assert from "node:assert/strict";
import type { InvalidValueError } from "../../../src/base/errors.ts";
import { signWebhook, webhookKey } from "../../../src/service/alerts/webhook_signature.ts";

Deno.test("signWebhook() signs as the example of the specification", () => {
  // The example of the Standard Webhooks libraries.
  const headers = signWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestampS: 1_614_265_330,
    body: '{"test": 2432232314}',
  });
  assert.deepEqual(headers, {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
});

Deno.test("webhookKey() refuses other forms without showing the secret", () => {
  const bytes = (count: number) => `whsec_${btoa("k".repeat(count))}`;
  assert.equal(webhookKey(bytes(24)).length, 24);
  assert.equal(webhookKey(bytes(64)).length, 64);
  for (const bad of [bytes(23), bytes(65), btoa("k".repeat(32)), "whsec_?", "whsec_abc", ""]) {
    assert.throws(() => webhookKey(bad), (error: InvalidValueError) => {
      assert.equal(error.field, "webhook.secret");
      return !error.message.includes(bad) || bad === "";
    });
  }
});
