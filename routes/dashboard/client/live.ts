/// <reference lib="dom" />
/** How a page keeps up: by events, or by reading again. */

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;

/** What a page does with events. */
export interface FeedListener {
  /** Connected; `isAgain` where it was before, and what happened meanwhile was not heard. */
  opened?(isAgain: boolean): void;
  lost(): void;
  /** What is done with the data of an event, by the event's name. */
  readonly events: Readonly<Record<string, (data: any) => void>>;
}

/** Milliseconds before the n-th try in a row: doubled each time up to half a minute. */
export function retryMs(tries: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** tries);
}

/**
 * Server-sent events with reconnection: the browser's own gives up where a server answers 503.
 * Listens from `start` for as long as the page lives, or until `pause`.
 */
export class EventFeed {
  readonly #url: string;
  readonly #listener: FeedListener;
  #source: EventSource | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #wasOpen = false;

  constructor(url: string, listener: FeedListener) {
    this.#url = url;
    this.#listener = listener;
  }

  start(): void {
    this.pause();
    const source = new EventSource(this.#url);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#tries = 0;
      this.#listener.opened?.(this.#wasOpen);
      this.#wasOpen = true;
    });
    source.addEventListener("error", () => {
      this.#listener.lost();
      source.close();
      this.#timer = setTimeout(() => this.start(), retryMs(this.#tries++));
    });
    for (const [name, hear] of Object.entries(this.#listener.events)) {
      source.addEventListener(name, ({ data }) => hear(JSON.parse(data)));
    }
  }

  pause(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
  }
}

/** Reads at once, and again after each wait, for as long as somebody looks at the page. */
export async function readForEver(read: () => Promise<void>, waitMs: () => number): Promise<never> {
  for (;;) {
    if (!document.hidden) await read();
    await new Promise((resolve) => setTimeout(resolve, waitMs()));
  }
}
