/**
 * Load generator: what the service takes in, by the kind of request, beside a bare Hono route that
 * only reads the body, in the same run on the same machine. Every 2xx of the service is fsynced.
 *
 *   deno run -A bench/ingest_bench.ts [--seconds 5] [--connections 64] [--model mean]
 *       [--scenario NAME]... [--json]
 *
 * `samples/s` is what was acknowledged; `applied/s` also waits until the states of all streams have
 * absorbed it. A young stream is refitted each time it has doubled, so "hundred" measures
 * refits above all; "hundred, old streams" has fewer streams that have had 50,000 samples before.
 *
 * Requests go over raw keep-alive connections, one request in flight on each, since a client made
 * of `fetch` would cost more than the server; most of them are made before the clock starts. Server
 * and generator share the machine's cores: `server us` and `client us` are the processor time that
 * each took for a request, until it was applied (Linux only), and say what a load beside them hides.
 */
import { parseArgs } from "node:util";
import { loadavg } from "node:os";
import { ARGS, oneOf, runBench, wholeNumber } from "./args.ts";
import { nextNormal, seedRandom } from "../src/base/random.ts";
import { formatTable } from "../src/cli/table.ts";
import { MODEL_NAMES } from "../src/models/mod.ts";

interface Scenario {
  readonly name: string;
  /** Name of its streams; a bare route has none. */
  readonly stream: string;
  readonly samples: number;
  /** Samples that each stream has before anything is measured. */
  readonly history: number;
  /** Most connections, each with a stream of its own. */
  readonly connectionsMax: number;
  /** A request with the samples from `first` on. */
  request(connection: number, first: number, count: number): Sent;
}

interface Sent {
  readonly path: string;
  readonly contentType: string;
  readonly body: string;
}

const START_MS = Date.UTC(2026, 0, 1);
const STEP_MS = 1_000;
/** Samples of a request that makes history. */
const HISTORY_SAMPLES = 2_000;
const HISTORY = 50_000;
const OLD_STREAMS = 16;
const SECONDS_MAX = 3600;
const CONNECTIONS_MAX = 1024;
/** Bytes of requests made before the clock starts; what is sent beyond is made on the way. */
const PREPARED_BYTES_MAX = 192 * 1024 * 1024;
/** Requests a second that are prepared for. */
const PREPARED_PER_S = 8_000;
/** Clock ticks of `/proc`: 100 a second wherever Linux runs today. */
const TICK_US = 10_000;

/** Values as they are sent: an hour's wave and noise, over and over. */
const VALUES = (() => {
  const random = seedRandom(1);
  return Array.from(
    { length: 3_600 },
    (_, i) => (20 + 5 * Math.sin(2 * Math.PI * i / 3_600) + 0.2 * nextNormal(random)).toFixed(3),
  );
})();

const valueAt = (index: number) => VALUES[index % VALUES.length]!;

function columns(name: string, count: number, history = 0, connectionsMax = Infinity): Scenario {
  const stream = history > 0 ? `${count}-old` : `${count}`;
  return {
    ...{ name, stream, samples: count, history, connectionsMax },
    request(connection, first, samples) {
      let timestamps = `${START_MS + first * STEP_MS}`;
      let values = valueAt(first);
      for (let i = first + 1; i < first + samples; i++) {
        timestamps += `,${START_MS + i * STEP_MS}`;
        values += `,${valueAt(i)}`;
      }
      return {
        path: `/v1/streams/${stream}-${connection}/observations`,
        contentType: "application/json",
        body: `{"timestamps":[${timestamps}],"values":[${values}]}`,
      };
    },
  };
}

const SCENARIOS: readonly Scenario[] = [
  columns("single", 1),
  columns("hundred", 100),
  columns("hundred, old streams", 100, HISTORY, OLD_STREAMS),
  {
    ...{ name: "line", stream: "line", samples: 100, history: 0, connectionsMax: Infinity },
    request(connection, first, samples) {
      let body = "";
      for (let i = first; i < first + samples; i++) {
        body += `line,c=${connection} v=${valueAt(i)} ${START_MS + i * STEP_MS}\n`;
      }
      return { path: "/write?precision=ms", contentType: "text/plain", body };
    },
  },
];

function streamId(scenario: Scenario, connection: number): string {
  const { name, stream } = scenario;
  return name === "line" ? `line,c=${connection}` : `${stream}-${connection}`;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One keep-alive connection: sends a request, reads its answer. */
class Connection {
  readonly #socket: Deno.TcpConn;
  readonly #buffer = new Uint8Array(65_536);

  constructor(socket: Deno.TcpConn) {
    socket.setNoDelay(true);
    this.#socket = socket;
  }

  async send(bytes: Uint8Array): Promise<number> {
    for (let at = 0; at < bytes.length;) at += await this.#socket.write(bytes.subarray(at));
    let text = "";
    for (;;) {
      const count = await this.#socket.read(this.#buffer);
      if (count === null) throw new Error("The server closed the connection");
      text += decoder.decode(this.#buffer.subarray(0, count));
      const head = text.indexOf("\r\n\r\n");
      if (head < 0) continue;
      const at = text.indexOf("content-length: ");
      const length = at < 0 || at > head ? 0 : parseInt(text.slice(at + 16, head));
      if (text.length >= head + 4 + length) return Number(text.slice(9, 12));
    }
  }

  close(): void {
    this.#socket.close();
  }
}

interface Measured {
  readonly requestsPerS: number;
  readonly samplesPerS: number;
  /** Null for a bare route. */
  readonly appliedPerS: number | null;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of a request, in microseconds; null where the system does not tell. */
  readonly serverUs: number | null;
  readonly clientUs: number | null;
  readonly failed: number;
}

/** Processor time that a process has taken, in microseconds; null where nobody tells. */
function processorUs(pid: number): number | null {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return TICK_US * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return null;
  }
}

/** Connections to one server, and how far each stream has come. */
class Load {
  readonly #port: number;
  readonly #scenario: Scenario;
  readonly #sent: number[];
  /** Requests made ahead, by connection: the next one is the last. */
  readonly #prepared: Uint8Array[][] = [];

  constructor(port: number, scenario: Scenario, connections: number) {
    this.#port = port;
    this.#scenario = scenario;
    this.#sent = new Array<number>(Math.min(connections, scenario.connectionsMax)).fill(0);
  }

  get streams(): readonly string[] {
    return this.#sent.map((_, index) => streamId(this.#scenario, index));
  }

  #bytesOf(connection: number, first: number, samples: number): Uint8Array {
    const { path, contentType, body } = this.#scenario.request(connection, first, samples);
    return encoder.encode(
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${contentType}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    );
  }

  /** Makes the requests that the next seconds may need. */
  prepare(samples: number, seconds: number): void {
    const bytesMax = PREPARED_BYTES_MAX / this.#sent.length;
    const countMax = seconds * PREPARED_PER_S / this.#sent.length;
    for (const [index, first] of this.#sent.entries()) {
      const made: Uint8Array[] = [];
      for (let bytes = 0; bytes < bytesMax && made.length < countMax;) {
        const request = this.#bytesOf(index, first + made.length * samples, samples);
        made.push(request);
        bytes += request.length;
      }
      this.#prepared[index] = made.reverse();
    }
  }

  /** Sends requests of `samples` samples on every connection while `isWanted` says so. */
  async drive(
    samples: number,
    isWanted: (sent: number) => boolean,
  ): Promise<{ latencies: number[]; failed: number }> {
    const latencies: number[] = [];
    let failed = 0;
    await Promise.all(this.#sent.map(async (_, index) => {
      const socket = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
      const connection = new Connection(socket);
      while (isWanted(this.#sent[index]!)) {
        const first = this.#sent[index]!;
        this.#sent[index] = first + samples;
        const bytes = this.#prepared[index]?.pop() ?? this.#bytesOf(index, first, samples);
        const sentMs = performance.now();
        const status = await connection.send(bytes);
        latencies.push(performance.now() - sentMs);
        if (status >= 300) failed++;
      }
      connection.close();
    }));
    this.#prepared.length = 0;
    return { latencies, failed };
  }

  /** Resolves when the state of every stream has absorbed what its log holds. */
  async applied(): Promise<void> {
    for (const id of this.streams) {
      const url = `http://127.0.0.1:${this.#port}/v1/streams/${encodeURIComponent(id)}`;
      for (;;) {
        const response = await fetch(url);
        await response.body?.cancel();
        if (response.ok) break;
        // 503: the state is still behind its log.
        if (response.status !== 503) throw new Error(`${url}: ${response.status}`);
      }
    }
  }
}

async function measure(
  load: Load,
  scenario: Scenario,
  { seconds, isBare, pid }: { seconds: number; isBare: boolean; pid: number },
): Promise<Measured> {
  if (!isBare && scenario.history > 0) {
    await load.drive(HISTORY_SAMPLES, (sent) => sent < scenario.history);
    await load.applied();
  }
  const during = (forMs: number) => {
    const endMs = performance.now() + forMs;
    return () => performance.now() < endMs;
  };
  await load.drive(scenario.samples, during(1_000));
  if (!isBare) await load.applied();
  load.prepare(scenario.samples, seconds);
  const before = [processorUs(pid), processorUs(Deno.pid)] as const;
  const startMs = performance.now();
  const { latencies, failed } = await load.drive(scenario.samples, during(1_000 * seconds));
  const elapsedS = (performance.now() - startMs) / 1_000;
  if (!isBare) await load.applied();
  const appliedS = (performance.now() - startMs) / 1_000;
  const after = [processorUs(pid), processorUs(Deno.pid)] as const;
  const [serverUs, clientUs] = [0, 1].map((i) =>
    before[i] === null || after[i] === null ? null : (after[i]! - before[i]!) / latencies.length
  ) as [number | null, number | null];
  latencies.sort((a, b) => a - b);
  const requests = latencies.length - failed;
  return {
    requestsPerS: requests / elapsedS,
    samplesPerS: requests * scenario.samples / elapsedS,
    appliedPerS: isBare ? null : requests * scenario.samples / appliedS,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? NaN,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? NaN,
    serverUs,
    clientUs,
    failed,
  };
}

const BARE = `import { Hono } from "hono";
const app = new Hono();
app.post("*", async (c) => c.json({ bytes: (await c.req.arrayBuffer()).byteLength }));
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, app.fetch);
console.log(JSON.stringify({ url: "http://127.0.0.1:" + server.addr.port }));`;

/** Starts a server that prints its address as JSON on its first line. */
async function start(
  args: readonly string[],
): Promise<{ port: number; pid: number; stop: () => Promise<void> }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: `${import.meta.dirname}/..`,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The server did not start: ${text}`);
    text += value;
  }
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
    await reader.cancel();
  };
  const port = Number(new URL(JSON.parse(text.split("\n")[0]!).url).port);
  return { port, pid: child.pid, stop };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      seconds: { type: "string", default: "5" },
      connections: { type: "string", default: "64" },
      model: { type: "string", default: "committee" },
      scenario: { type: "string", multiple: true },
      json: { type: "boolean", default: false },
    },
  });
  const seconds = wholeNumber("seconds", values.seconds, SECONDS_MAX);
  const connections = wholeNumber("connections", values.connections, CONNECTIONS_MAX);
  oneOf("model", values.model, MODEL_NAMES);
  const known = SCENARIOS.map(({ name }) => name);
  for (const name of values.scenario ?? []) oneOf("scenario", name, known);
  const scenarios = SCENARIOS.filter(({ name }) => values.scenario?.includes(name) ?? true);
  const load = loadavg()[0]!;
  const rows: { scenario: string; server: string; measured: Measured }[] = [];
  const run = async (
    server: string,
    { port, pid }: { readonly port: number; readonly pid: number },
    scenario: Scenario,
    isBare: boolean,
  ) => {
    const driven = new Load(port, scenario, connections);
    if (!isBare) await configure(port, driven.streams, values.model);
    const measured = await measure(driven, scenario, { seconds, isBare, pid });
    rows.push({ scenario: scenario.name, server, measured });
  };
  const bare = await start(["eval", "--ext=ts", BARE]);
  for (const scenario of scenarios) await run("bare hono", bare, scenario, true);
  await bare.stop();
  // Each scenario has a fresh store, so that none inherits another's queue.
  for (const scenario of scenarios) {
    const data = await Deno.makeTempDir({ prefix: "driftline-bench-" });
    const arguments_ = ["--port", "0", "--data", data, "--log-level", "error", "--json"];
    const server = await start(["run", "-A", "--no-check", "main.ts", "serve", ...arguments_]);
    await run(`driftline (${values.model})`, server, scenario, false);
    await server.stop();
    await Deno.remove(data, { recursive: true });
  }
  if (values.json) return console.log(JSON.stringify({ seconds, connections, load, rows }));
  console.log(`load before ${load.toFixed(1)}`);
  print(rows);
}

/** Names the model of every stream before the first sample comes. */
async function configure(port: number, ids: readonly string[], model: string): Promise<void> {
  for (const id of ids) {
    const url = `http://127.0.0.1:${port}/v1/streams/${encodeURIComponent(id)}`;
    const response = await fetch(url, {
      method: "PUT",
      body: JSON.stringify({ model, detect: model === "committee" }),
      headers: { "Content-Type": "application/json" },
    });
    if (!response.ok) throw new Error(await response.text());
    await response.body?.cancel();
  }
}

function print(rows: readonly { scenario: string; server: string; measured: Measured }[]): void {
  const header = ["request", "server", "req/s", "samples/s", "applied/s"];
  header.push("p50 ms", "p99 ms", "server us", "client us", "failed", "ratio");
  const table = rows.map(({ scenario, server, measured }) => {
    const bare = rows.find((row) => row.scenario === scenario)!.measured;
    return [
      scenario,
      server,
      measured.requestsPerS.toFixed(0),
      measured.samplesPerS.toFixed(0),
      measured.appliedPerS?.toFixed(0) ?? "",
      measured.p50Ms.toFixed(2),
      measured.p99Ms.toFixed(2),
      measured.serverUs?.toFixed(0) ?? "",
      measured.clientUs?.toFixed(0) ?? "",
      String(measured.failed),
      (measured.requestsPerS / bare.requestsPerS).toFixed(2),
    ];
  });
  console.log(formatTable(header, table));
}

if (import.meta.main) await runBench(main);
