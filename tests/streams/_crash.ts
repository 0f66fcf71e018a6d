/** A service in a process of its own, and writers that remember what was acknowledged. */
import assert from "node:assert/strict";
import { nextUniform, type RandomState, seedRandom } from "../../src/base/random.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** The real command, in its own process, on a data folder that outlives it. */
export class ServiceProcess {
  readonly #child: Deno.ChildProcess;
  readonly #output: ReadableStream<string>;
  url = "";

  private constructor(folder: string, variables: Record<string, string>) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "main.ts", "serve", "--port", "0", "--data", folder],
      cwd: ROOT,
      env: { DRIFTLINE_LOG_LEVEL: "error", NO_COLOR: "1", ...variables },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream());
  }

  /** Starts it and waits until it says where it serves. */
  static async start(
    folder: string,
    variables: Record<string, string> = {},
  ): Promise<ServiceProcess> {
    const service = new ServiceProcess(folder, variables);
    let text = "";
    for await (const piece of service.#output.values({ preventCancel: true })) {
      text += piece;
      const found = /serves at (http:\S+)/.exec(text);
      if (found === null) continue;
      service.url = found[1]!;
      return service;
    }
    throw new Error(`The service ended before it served: ${text}`);
  }

  async #end(signal: Deno.Signal): Promise<void> {
    this.#child.kill(signal);
    await this.#output.cancel();
    await this.#child.status;
  }

  /** As a power cut for the process: no handler runs, nothing is flushed. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(this.url + path);
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    return body as T;
  }
}

/** What one request carries; sent again unchanged until it is acknowledged. */
interface WriterRequest {
  readonly timestamps: number[];
  readonly values: number[];
  readonly key: string | null;
}

/** One source of samples for one stream: sends in order, goes on only after an answer. */
export class Writer {
  readonly id: string;
  /** Acknowledged values by timestamp in milliseconds. */
  readonly acknowledged = new Map<number, number>();
  #random: RandomState;
  #timestamp = 1_700_000_000_000;
  #level = 0;
  /** The request without an answer yet: it may or may not have been stored. */
  #open: WriterRequest | null = null;
  #sent = 0;

  constructor(id: string, seed: number) {
    this.id = id;
    this.#random = seedRandom(seed);
  }

  #next(): WriterRequest {
    const count = nextUniform(this.#random) < 0.2 ? 7 : 1;
    const timestamps: number[] = [];
    const values: number[] = [];
    for (let i = 0; i < count; i++) {
      this.#timestamp += nextUniform(this.#random) < 0.02 ? 60_000 : 1_000;
      this.#level += nextUniform(this.#random) - 0.5;
      const spike = nextUniform(this.#random) < 0.005 ? 40 : 0;
      timestamps.push(this.#timestamp);
      values.push(this.#level + spike);
    }
    // Half of the retries rely on the key, the other half on the samples themselves.
    const key = this.#sent++ % 2 === 0 ? `${this.id}-${this.#sent}` : null;
    return { timestamps, values, key };
  }

  /** Sends one request; false when the connection broke. Anything but a 2xx is a failed test. */
  async send(url: string): Promise<boolean> {
    this.#open ??= this.#next();
    const { timestamps, values, key } = this.#open;
    let status: number;
    let text: string;
    try {
      const response = await fetch(`${url}/v1/streams/${this.id}/observations`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          ...key === null ? {} : { "Idempotency-Key": key },
        },
        body: JSON.stringify({ timestamps, values }),
      });
      status = response.status;
      text = await response.text();
    } catch {
      return false;
    }
    assert.ok(status >= 200 && status < 300, `${status} ${text}`);
    const { accepted, duplicates, late, rejected } = JSON.parse(text);
    assert.equal(accepted + duplicates, timestamps.length, text);
    assert.equal(late + rejected, 0, text);
    for (const [i, timestamp] of timestamps.entries()) this.acknowledged.set(timestamp, values[i]!);
    this.#open = null;
    return true;
  }

  /** Writes until the connection breaks or `isOver` says so; pauses let states be committed. */
  async run(url: string, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      if (!(await this.send(url))) return;
    }
  }

  /** Whether the stored rows are what was acknowledged, each once, and nothing else. */
  check(timestamps: readonly string[], values: readonly (number | null)[]): void {
    const stored = new Map(timestamps.map((text, i) => [Date.parse(text), values[i]!]));
    assert.equal(stored.size, timestamps.length, `${this.id} has a timestamp twice`);
    for (const [timestamp, value] of this.acknowledged) {
      assert.equal(stored.get(timestamp), value, `${this.id} at ${timestamp}`);
    }
    // The one request without an answer may have been stored, but whole or not at all.
    const extra = stored.size - this.acknowledged.size;
    if (extra === 0) return;
    assert.equal(extra, this.#open?.timestamps.length, `${this.id} has samples nobody sent`);
    for (const [i, timestamp] of this.#open!.timestamps.entries()) {
      assert.equal(stored.get(timestamp), this.#open!.values[i]);
    }
  }
}
