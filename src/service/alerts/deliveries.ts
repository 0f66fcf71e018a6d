import type { Clock } from "../../base/clock.ts";
import type { AlertRule, Delivery } from "./alert.ts";
import { signWebhook } from "./webhook_signature.ts";
import type { SendResult, SendWebhook } from "./webhook_sender.ts";

/** Messages that wait for their webhooks; beyond, a message fails at once and says why. */
export const DELIVERIES_WAITING_MAX = 10_000;
/** Attempts of one message: with the delays below 25 to 51 hours, so that a day is survived. */
export const ATTEMPTS_MAX = 36;
/** Delay after the first failed attempt; doubled after each further one. */
export const RETRY_S_MIN = 5;
/** Longest delay, also where a receiver asks for a longer one. */
export const RETRY_S_MAX = 7_200;
/** Requests to webhooks at a time. */
export const SENDING_MAX = 8;

/**
 * Seconds until the next attempt: doubled each time up to two hours, of which a random half to the
 * whole is waited, so that many messages do not come back at once.
 *
 * @param attempts  failed so far
 * @param draw      uniform in [0, 1)
 */
export function retryDelayS(attempts: number, draw: number): number {
  return Math.min(RETRY_S_MAX, RETRY_S_MIN * 2 ** (attempts - 1)) * (0.5 + draw / 2);
}

/** What a delivery became by one more attempt. */
export function attempted(
  delivery: Delivery,
  { status, error, retryAfterS }: SendResult,
  { startNs, endNs, draw }: {
    readonly startNs: bigint;
    readonly endNs: bigint;
    readonly draw: number;
  },
): Delivery {
  const elapsedMs = Number((endNs - startNs) / 1_000_000n);
  const attempts = [...delivery.attempts, { atNs: startNs, elapsedMs, status, error }];
  if (error === null) return { ...delivery, attempts, state: "delivered" };
  // 410: the receiver wants no more of this.
  if (status === 410 || attempts.length >= ATTEMPTS_MAX) {
    return { ...delivery, attempts, state: "failed" };
  }
  const askedS = Math.min(RETRY_S_MAX, retryAfterS ?? 0);
  const delayS = Math.max(askedS, retryDelayS(attempts.length, draw));
  return { ...delivery, attempts, dueNs: endNs + BigInt(Math.round(delayS * 1e9)) };
}

/** What a dispatcher stands on. */
export interface DispatcherParts {
  readonly send: SendWebhook;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly draw: () => number;
  ruleOf(id: string): AlertRule | undefined;
  waiting(): Iterable<Delivery>;
  /** Keeps what became of a delivery. */
  keep(delivery: Delivery): Promise<void>;
}

/** Sends what is due, a few at a time. A message is kept until its outcome is. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #sending = new Map<string, Promise<void>>();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /**
   * Begins to send what is due, up to {@linkcode SENDING_MAX} at a time. Those of one alert go one
   * after the other: who is told that it is over before that it opened would keep it open.
   */
  dispatch(): void {
    const nowNs = this.#parts.clock.nowNs();
    const begun = new Set<string>();
    for (const delivery of this.#parts.waiting()) {
      if (this.#sending.size >= SENDING_MAX) return;
      if (begun.has(delivery.alertId)) continue;
      begun.add(delivery.alertId);
      if (delivery.dueNs > nowNs || this.#sending.has(delivery.id)) continue;
      // A store that fails keeps the message as it was: it is sent again, under the same id.
      const work = this.#attempt(delivery).catch(() => {})
        .finally(() => this.#sending.delete(delivery.id));
      this.#sending.set(delivery.id, work);
    }
  }

  /** Resolves when nothing is being sent. */
  async settled(): Promise<void> {
    await Promise.all(this.#sending.values());
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const { send, clock, draw, ruleOf, keep } = this.#parts;
    const webhook = ruleOf(delivery.ruleId)?.webhook ?? null;
    const startNs = clock.nowNs();
    if (webhook === null) {
      const attempt = {
        atNs: startNs,
        elapsedMs: 0,
        status: null,
        error: "The webhook was removed",
      };
      const attempts = [...delivery.attempts, attempt];
      return await keep({ ...delivery, state: "failed", attempts });
    }
    const timestampS = Number(startNs / 1_000_000_000n);
    const { id, body } = delivery;
    const result = await send({
      url: webhook.url,
      headers: {
        "content-type": "application/json",
        "user-agent": "driftline",
        ...signWebhook(webhook.secret, { id, timestampS, body }),
      },
      body,
    });
    await keep(attempted(delivery, result, { startNs, endNs: clock.nowNs(), draw: draw() }));
  }
}
