import { createHmac } from "node:crypto";
import { InvalidValueError } from "../../base/errors.ts";

const PREFIX = "whsec_";
const KEY_BYTES_MIN = 24;
const KEY_BYTES_MAX = 64;

/**
 * The key of a webhook's secret, `whsec_` and 24 to 64 bytes in base64 (Standard Webhooks 1.0.0,
 * "symmetric" signatures).
 *
 * @throws {InvalidValueError} another form; the text does not show the secret
 */
export function webhookKey(secret: string): Uint8Array {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : "";
  const key = /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0
    ? Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
    : new Uint8Array();
  if (key.length >= KEY_BYTES_MIN && key.length <= KEY_BYTES_MAX) return key;
  const expectation = `"${PREFIX}" and ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes in base64`;
  throw new InvalidValueError("webhook.secret", "(hidden)", expectation);
}

/**
 * Signs a message as Standard Webhooks does.
 *
 *   webhook-signature = "v1," + base64(HMAC-SHA256(key, id + "." + timestamp + "." + body))
 *
 * @param timestampS  when it is sent, in whole seconds since the Unix epoch
 * @returns the three headers that let the receiver tell it from a forged or repeated one
 */
export function signWebhook(
  secret: string,
  { id, timestampS, body }: {
    readonly id: string;
    readonly timestampS: number;
    readonly body: string;
  },
): Record<string, string> {
  const signed = `${id}.${timestampS}.${body}`;
  const signature = createHmac("sha256", webhookKey(secret)).update(signed).digest("base64");
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestampS),
    "webhook-signature": `v1,${signature}`,
  };
}
