/**
 * Load generator: what the service takes in, by the kind of request, beside a bare Hono route that
 * only reads the body, in the same run on the same machine. Every 2xx of the service is fsynced.
 *
 *   deno run -A bench/ingest_bench.ts [--seconds 5] [--connections 64] [--model mean] [--json]
 *
 * Requests go over raw keep-alive connections, one request in flight on each, since a client made
 * of `fetch` would cost more than the server. Server and generator share the machine's cores.
 */
import { parseArgs } from "node:util";
import { formatTable } from "../src/cli/table.ts";

interface Scenario {
  readonly name: string;
  readonly samples: number;
  /** The n-th request of a connection. */
  request(connection: number, n: number): { path: string; contentType: string; body: string };
}

const START_MS = Date.UTC(2026, 0, 1);
const STEP_MS = 1_000;

function times(n: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => START_MS + (n * count + i) * STEP_MS);
}

const wave = (ms: number) => Number((20 + 5 * Math.sin(ms / 3.6e6)).toFixed(3));

function columns(name: string, count: number): Scenario {
  return {
    name,
    samples: count,
    request(connection, n) {
      const timestamps = times(n, count);
      return {
        path: `/v1/streams/${name}-${connection}/observations`,
        contentType: "application/json",
        body: JSON.stringify({ timestamps, values: timestamps.map(wave) }),
      };
    },
  };
}

const SCENARIOS: readonly Scenario[] = [
  columns("single", 1),
  columns("hundred", 100),
  {
    name: "line",
    samples: 100,
    request(connection, n) {
      const lines = times(n, 100).map((ms) => `line,c=${connection} v=${wave(ms)} ${ms}`);
      return { path: "/write?precision=ms", contentType: "text/plain", body: lines.join("\n") };
    },
  },
];

/** No connection sends more requests than this while warming up. */
const WARM_UP_REQUESTS_MAX = 1_000_000;

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
      const length = /content-length: (\d+)/i.exec(text.slice(0, head));
      if (text.length >= head + 4 + Number(length?.[1] ?? 0)) return Number(text.slice(9, 12));
    }
  }

  close(): void {
    this.#socket.close();
  }
}

interface Measured {
  readonly requestsPerS: number;
  readonly samplesPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

async function measure(
  port: number,
  scenario: Scenario,
  load: { connections: number; seconds: number; first: number },
): Promise<Measured> {
  const latencies: number[] = [];
  let failed = 0;
  const startMs = performance.now();
  const endMs = startMs + load.seconds * 1_000;
  const drive = async (index: number) => {
    const connection = new Connection(await Deno.connect({ hostname: "127.0.0.1", port }));
    for (let n = load.first; performance.now() < endMs; n++) {
      const { path, contentType, body } = scenario.request(index, n);
      const bytes = encoder.encode(
        `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${contentType}\r\n` +
          `Content-Length: ${body.length}\r\n\r\n${body}`,
      );
      const sentMs = performance.now();
      const status = await connection.send(bytes);
      latencies.push(performance.now() - sentMs);
      if (status >= 300) failed++;
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: load.connections }, (_, index) => drive(index)));
  const elapsedS = (performance.now() - startMs) / 1_000;
  latencies.sort((a, b) => a - b);
  const requestsPerS = (latencies.length - failed) / elapsedS;
  return {
    requestsPerS,
    samplesPerS: requestsPerS * scenario.samples,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? NaN,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? NaN,
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
): Promise<{ port: number; stop: () => Promise<void> }> {
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
  return { port: Number(new URL(JSON.parse(text.split("\n")[0]!).url).port), stop };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      seconds: { type: "string", default: "5" },
      connections: { type: "string", default: "64" },
      model: { type: "string", default: "committee" },
      json: { type: "boolean", default: false },
    },
  });
  const load = { seconds: Number(values.seconds), connections: Number(values.connections) };
  const rows: { scenario: string; server: string; measured: Measured }[] = [];
  const run = async (server: string, port: number, scenario: Scenario) => {
    // Warm-up and measurement send other samples: a duplicate is cheaper than a new one.
    await measure(port, scenario, { ...load, seconds: 1, first: 0 });
    const measured = await measure(port, scenario, { ...load, first: WARM_UP_REQUESTS_MAX });
    rows.push({ scenario: scenario.name, server, measured });
  };
  const bare = await start(["eval", "--ext=ts", BARE]);
  for (const scenario of SCENARIOS) await run("bare hono", bare.port, scenario);
  await bare.stop();
  // Each scenario has a fresh store, so that none inherits another's queue.
  for (const scenario of SCENARIOS) {
    const data = await Deno.makeTempDir({ prefix: "driftline-bench-" });
    const arguments_ = ["--port", "0", "--data", data, "--log-level", "error", "--json"];
    const server = await start(["run", "-A", "--no-check", "main.ts", "serve", ...arguments_]);
    await configure(server.port, scenario, load.connections, values.model);
    await run(`driftline (${values.model})`, server.port, scenario);
    await server.stop();
    await Deno.remove(data, { recursive: true });
  }
  if (values.json) return console.log(JSON.stringify({ ...load, rows }));
  print(rows);
}

/** Names the model of every stream before the first sample comes. */
async function configure(
  port: number,
  scenario: Scenario,
  connections: number,
  model: string,
): Promise<void> {
  for (let index = 0; index < connections; index++) {
    const id = scenario.name === "line" ? `line,c=${index}` : `${scenario.name}-${index}`;
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
  const header = ["request", "server", "req/s", "samples/s", "p50 ms", "p99 ms", "failed", "ratio"];
  const table = rows.map(({ scenario, server, measured }) => {
    const bare = rows.find((row) => row.scenario === scenario)!.measured;
    return [
      scenario,
      server,
      measured.requestsPerS.toFixed(0),
      measured.samplesPerS.toFixed(0),
      measured.p50Ms.toFixed(2),
      measured.p99Ms.toFixed(2),
      String(measured.failed),
      (measured.requestsPerS / bare.requestsPerS).toFixed(2),
    ];
  });
  console.log(formatTable(header, table));
}

if (import.meta.main) await main();
