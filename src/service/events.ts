import { OverloadError } from "../base/errors.ts";

/** Events that wait for one slow subscriber; beyond, the oldest are dropped and counted. */
export const SUBSCRIBER_QUEUE_MAX = 1_000;

/** Subscribers of one process. */
export const SUBSCRIBERS_MAX = 1_000;

/** Something that happened to one stream, training or job, as a subscriber sees it. */
export interface StreamEvent {
  readonly kind:
    | "sample"
    | "anomaly"
    | "revision"
    | "forecast"
    | "dropped"
    | "metrics"
    | "state"
    | "end"
    | "alert";
  /** Plain data, ready for JSON. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** One listener's bounded queue. Ends when its reader stops or the hub closes. */
class Subscription {
  readonly #queue: StreamEvent[] = [];
  #droppedCount = 0;
  #wake: (() => void) | undefined;
  #closed = false;

  push(event: StreamEvent): void {
    if (this.#closed) return;
    if (this.#queue.length >= SUBSCRIBER_QUEUE_MAX) {
      this.#queue.shift();
      this.#droppedCount++;
    }
    this.#queue.push(event);
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  #take(): StreamEvent | undefined {
    if (this.#droppedCount > 0) {
      const count = this.#droppedCount;
      this.#droppedCount = 0;
      return { kind: "dropped", data: { count } };
    }
    return this.#queue.shift();
  }

  /** The next event; null after `waitMs` without one; undefined at the end. */
  async next(waitMs: number): Promise<StreamEvent | null | undefined> {
    const ready = this.#take();
    if (ready !== undefined) return ready;
    if (this.#closed) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, waitMs);
    });
    clearTimeout(timer);
    this.#wake = undefined;
    const woken = this.#take();
    if (woken !== undefined) return woken;
    return this.#closed ? undefined : null;
  }
}

export type { Subscription };

/** Hands events of streams to those who listen. A slow listener never holds up a writer. */
export class EventHub {
  readonly #byStream = new Map<string, Set<Subscription>>();
  #count = 0;
  #closed = false;

  /** Listeners at present. */
  get subscriberCount(): number {
    return this.#count;
  }

  /** True when somebody listens to the stream: events need not be built otherwise. */
  hasSubscribers(streamId: string): boolean {
    return this.#byStream.has(streamId);
  }

  publish(streamId: string, event: StreamEvent): void {
    const subscriptions = this.#byStream.get(streamId);
    if (subscriptions === undefined) return;
    for (const subscription of subscriptions) subscription.push(event);
  }

  /** @throws {OverloadError} there are {@linkcode SUBSCRIBERS_MAX} already, or the hub is closed */
  subscribe(streamId: string): Subscription {
    if (this.#closed) throw new OverloadError("The service is shutting down", 5);
    if (this.#count >= SUBSCRIBERS_MAX) {
      throw new OverloadError(`SUBSCRIBERS_MAX is ${SUBSCRIBERS_MAX}`, 30);
    }
    const subscription = new Subscription();
    const subscriptions = this.#byStream.get(streamId) ?? new Set();
    subscriptions.add(subscription);
    this.#byStream.set(streamId, subscriptions);
    this.#count++;
    return subscription;
  }

  unsubscribe(streamId: string, subscription: Subscription): void {
    subscription.close();
    const subscriptions = this.#byStream.get(streamId);
    if (!subscriptions?.delete(subscription)) return;
    this.#count--;
    if (subscriptions.size === 0) this.#byStream.delete(streamId);
  }

  /** Ends every subscription, those of one stream or all. */
  close(streamId?: string): void {
    this.#closed ||= streamId === undefined;
    const ids = streamId === undefined ? [...this.#byStream.keys()] : [streamId];
    for (const id of ids) {
      for (const subscription of [...this.#byStream.get(id) ?? []]) {
        this.unsubscribe(id, subscription);
      }
    }
  }
}
