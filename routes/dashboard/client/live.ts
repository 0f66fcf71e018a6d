/// <reference lib="dom" />
/** A stream's events, with reconnection: the browser's own gives up where a server answers 503. */
import { type AnomalyShape, eventsUrl, type SampleShape } from "./api.ts";

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;

/** What a page does with events. `opened` says whether it was connected before. */
export interface LiveListener {
  opened(isAgain: boolean): void;
  lost(): void;
  sample(sample: SampleShape): void;
  anomaly(anomaly: AnomalyShape): void;
  forecast(): void;
}

/** Milliseconds before the n-th try in a row: doubled each time up to half a minute. */
export function retryMs(tries: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** tries);
}

/** Listens for as long as the page lives, or until `pause`. */
export class LiveFeed {
  readonly #url: string;
  readonly #listener: LiveListener;
  #source: EventSource | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #wasOpen = false;

  constructor(id: string, listener: LiveListener) {
    this.#url = eventsUrl(id);
    this.#listener = listener;
  }

  start(): void {
    this.pause();
    const source = new EventSource(this.#url);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#tries = 0;
      this.#listener.opened(this.#wasOpen);
      this.#wasOpen = true;
    });
    source.addEventListener("error", () => {
      this.#listener.lost();
      source.close();
      this.#timer = setTimeout(() => this.start(), retryMs(this.#tries++));
    });
    source.addEventListener("sample", ({ data }) => this.#listener.sample(JSON.parse(data)));
    source.addEventListener("anomaly", ({ data }) => this.#listener.anomaly(JSON.parse(data)));
    source.addEventListener("forecast", () => this.#listener.forecast());
  }

  pause(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
  }
}
