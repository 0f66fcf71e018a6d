import { RequestError } from "./_problem.ts";

/** A body of which nothing comes for so long is given up, in milliseconds. */
export const BODY_STALL_MS_MAX = 30_000;

/** How a body may be read. */
export interface BodyPatience {
  /** Aborted when the service begins to shut down. */
  readonly closing?: AbortSignal;
  /** Default {@linkcode BODY_STALL_MS_MAX}. */
  readonly stallMs?: number;
}

/** Ends the reading of a body that stalls, or that is not whole when the service shuts down. */
export class BodyWatch {
  readonly #closing: AbortSignal | undefined;
  readonly #stallMs: number;
  readonly #ended = Promise.withResolvers<never>();
  readonly #onClosing = () => {
    this.#ended.reject(
      new RequestError("overloaded", 503, "The service shuts down; the body was not whole", {
        headers: { "Connection": "close", "Retry-After": "1" },
      }),
    );
  };

  constructor({ closing, stallMs = BODY_STALL_MS_MAX }: BodyPatience) {
    this.#closing = closing;
    this.#stallMs = stallMs;
    // Who does not wait just then has nothing to be told.
    this.#ended.promise.catch(() => {});
    if (closing?.aborted === true) this.#onClosing();
    closing?.addEventListener("abort", this.#onClosing);
  }

  /**
   * Waits for the next part of the body.
   *
   * @throws {RequestError} it did not come in time, or the service shuts down
   */
  async wait<T>(part: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#ended.reject(stalled(this.#stallMs)), this.#stallMs);
    try {
      return await Promise.race([this.#ended.promise, part]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets go of the signal, which outlives all bodies. */
  close(): void {
    this.#closing?.removeEventListener("abort", this.#onClosing);
  }
}

function stalled(stallMs: number): RequestError {
  const detail = `BODY_STALL_MS_MAX is ${stallMs}: nothing of the body came for so long`;
  // The rest of the body may still come: what follows on this connection would be misread.
  return new RequestError("request-timeout", 408, detail, { headers: { Connection: "close" } });
}
