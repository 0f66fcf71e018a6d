import type { AnomalyShape, ForecastShape } from "../../service/shapes.ts";
import { type Segment, sliceSegment } from "../../signal/segment.ts";
import { formatTimestamp } from "../../signal/timestamp.ts";

/** The service refused a request; the text is its problem's detail. */
export class RequestFailedError extends Error {
  override readonly name = "RequestFailedError";
  readonly status: number;

  constructor(status: number, method: string, path: string, detail: string) {
    super(`${method} ${path} was answered with ${status}: ${detail}`);
    this.status = status;
  }
}

/** Times that a request is repeated while the service is too busy. */
const RETRIES_MAX = 8;

/** Alarms that one answer may hold. */
const ANOMALIES_MAX = 1_000;

/** The part of `fetch` that is used, so that tests answer in its place. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** What the demo says to the service, over HTTP as any other client. */
export class Client {
  readonly #base: string;
  readonly #fetch: Fetch;

  /** @param base origin of the service, without a slash at its end */
  constructor(base: string, send: Fetch = fetch) {
    this.#base = base;
    this.#fetch = send;
  }

  async #request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: RequestInit = body === undefined ? { method } : {
      method,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
    for (let tries = 0;; tries++) {
      const response = await this.#fetch(`${this.#base}${path}`, init);
      if (response.ok) return await response.json();
      const isBusy = response.status === 429 || response.status === 503;
      const problem = await response.json().catch(() => ({}));
      if (isBusy && tries < RETRIES_MAX) {
        await pause(Number(response.headers.get("Retry-After") ?? 1));
        continue;
      }
      const detail = problem.detail ?? problem.title ?? response.statusText;
      throw new RequestFailedError(response.status, method, path, detail);
    }
  }

  /** Creates a stream with settings, or changes those of one. */
  async configure(id: string, settings: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#request("PUT", `/v1/streams/${encodeURIComponent(id)}`, settings);
  }

  /** Sends samples [start, end) of a segment; resolves when the state has absorbed them. */
  async send(segment: Segment, start: number, end: number): Promise<void> {
    const part = sliceSegment(segment, start, end);
    const channels = Object.fromEntries(
      part.channels.map((name, i) => [
        name,
        Array.from(part.values[i]!, (value) => Number.isNaN(value) ? null : value),
      ]),
    );
    const timestamps = Array.from(part.timestampsNs, formatTimestamp);
    const path = `/v1/streams/${encodeURIComponent(segment.streamId)}/observations?wait=applied`;
    await this.#request("POST", path, { timestamps, channels });
  }

  /** Median, 80 % and 95 % intervals, at given times or for a number of periods ahead. */
  forecast(
    id: string,
    ahead: { readonly times: readonly string[] } | { readonly horizon: number },
  ): Promise<ForecastShape> {
    const query = new URLSearchParams({ level: "80,95" });
    if ("times" in ahead) query.set("times", ahead.times.join(","));
    else query.set("horizon", String(ahead.horizon));
    return this.#request("GET", `/v1/streams/${encodeURIComponent(id)}/forecast?${query}`);
  }

  /** Alarms, oldest first. */
  async anomalies(id: string): Promise<AnomalyShape[]> {
    const path = `/v1/streams/${encodeURIComponent(id)}/anomalies?limit=${ANOMALIES_MAX}`;
    return (await this.#request<{ anomalies: AnomalyShape[] }>("GET", path)).anomalies;
  }
}
