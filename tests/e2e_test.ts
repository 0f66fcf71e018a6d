/**
 * The whole service over a real socket, its own process and the embedded store: every `curl` of
 * docs/http_api.md, restart, bodies of a gigabyte, shutdown.
 */
import assert from "node:assert/strict";

const ROOT = `${import.meta.dirname}/..`;
const DOCUMENTED_URL = "http://127.0.0.1:8733";

interface Running {
  readonly url: string;
  readonly pid: number;
  stop(signal: Deno.Signal): Promise<number>;
}

/** Starts `driftline serve` on a free port. */
async function serve(data: string, variables: Record<string, string> = {}): Promise<Running> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "main.ts", "serve", "--port", "0", "--data", data, "--json"],
    cwd: ROOT,
    env: { DRIFTLINE_LOG_LEVEL: "error", DRIFTLINE_DEVICE: "cpu", ...variables },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    assert.ok(!done, "the service ended before it listened");
    text += value;
  }
  return {
    url: JSON.parse(text).url,
    pid: child.pid,
    async stop(signal) {
      child.kill(signal);
      const { code } = await child.status;
      await reader.cancel();
      return code;
    },
  };
}

async function withService(
  use: (service: Running, data: string) => Promise<void>,
  variables: Record<string, string> = {},
): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "driftline-e2e-" });
  const service = await serve(data, variables);
  try {
    await use(service, data);
  } finally {
    await service.stop("SIGTERM").catch(() => {});
    await Deno.remove(data, { recursive: true });
  }
}

interface DocumentedCall {
  readonly command: string;
  /** What the page shows of the answer; undefined where it shows nothing. */
  readonly shown: unknown;
}

/** The `sh` blocks of the page, each with the `json` block that follows it at once. */
function documentedCalls(page: string): DocumentedCall[] {
  return [...page.matchAll(/^```sh\n([\s\S]*?)^```(?:\n\n```json\n([\s\S]*?)^```)?/gm)]
    .map(([, command, shown]) => ({
      command: command!,
      shown: shown === undefined ? undefined : JSON.parse(shown),
    }));
}

/** Words of a shell command: blanks, continued lines and single quotes. */
function words(command: string): string[] {
  return [...command.replaceAll("\\\n", " ").matchAll(/'([^']*)'|([^\s']+)/g)]
    .map(([, quoted, plain]) => quoted ?? plain!);
}

/** Does what curl would do, with those of its options that the page uses. */
function runCurl(command: string, url: string): Promise<Response> {
  const [program, ...rest] = words(command);
  assert.equal(program, "curl", command);
  const headers = new Headers();
  let method: string | undefined;
  let body: string | undefined;
  let target: string | undefined;
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "-X") {
      method = rest.shift();
    } else if (word === "-H") {
      const [name, value] = rest.shift()!.split(": ");
      headers.set(name!, value!);
    } else if (word === "--json" || word === "--data-binary" || word === "-d") {
      body = rest.shift()!;
      const mediaType = word === "--json"
        ? "application/json"
        : "application/x-www-form-urlencoded";
      if (!headers.has("Content-Type")) headers.set("Content-Type", mediaType);
    } else if (word !== "-N") {
      assert.ok(word.startsWith(DOCUMENTED_URL), word);
      target = word.replace(DOCUMENTED_URL, url);
    }
  }
  method ??= body === undefined ? "GET" : "POST";
  return fetch(target!, { method, headers, ...body === undefined ? {} : { body } });
}

/** Holds an answer to what the page shows: whole numbers and texts equal, `…` is anything. */
function assertShown(shown: unknown, actual: unknown, where: string): void {
  if (typeof shown === "string" && shown.includes("…")) {
    assert.notEqual(actual, undefined, where);
  } else if (Array.isArray(shown)) {
    assert.ok(Array.isArray(actual), where);
    assert.equal(actual.length, shown.length, where);
    shown.forEach((item, i) => assertShown(item, actual[i], `${where}[${i}]`));
  } else if (typeof shown === "object" && shown !== null) {
    assert.equal(typeof actual, "object", where);
    for (const [key, item] of Object.entries(shown)) {
      assertShown(item, (actual as Record<string, unknown>)?.[key], `${where}.${key}`);
    }
  } else if (typeof shown === "number" && !Number.isInteger(shown)) {
    assert.equal(typeof actual, "number", where);
  } else {
    assert.deepEqual(actual, shown, where);
  }
}

/** The calls of a block that holds several, with comments between them. */
function callsOf({ command }: DocumentedCall): string[] {
  const bare = command.replaceAll(/^#.*\n/gm, "");
  return bare.split(/\n(?=curl )/).map((call) => call.trim()).filter((call) => call !== "");
}

Deno.test("every curl of README.md is answered, the forecast by what was written", async () => {
  const blocks = documentedCalls(await Deno.readTextFile(`${ROOT}/README.md`));
  const calls = blocks.filter(({ command }) => /^curl /m.test(command)).flatMap(callsOf);
  assert.ok(calls.length >= 2);
  await withService(async ({ url }) => {
    for (const call of calls) {
      const response = await runCurl(call, url);
      const body = await response.json();
      assert.equal(response.status, 200, JSON.stringify(body));
      if (call.includes("/forecast?")) assert.equal(body.forecast.length, 24);
      else assert.equal(body.accepted, 2);
    }
  });
});

Deno.test("every curl of docs/http_api.md answers as the page shows", async (test) => {
  const calls = documentedCalls(await Deno.readTextFile(`${ROOT}/docs/http_api.md`));
  assert.ok(calls.length >= 20, `${calls.length} calls`);
  await withService(async ({ url }) => {
    for (const { command, shown } of calls) {
      await test.step(words(command).slice(0, 2).join(" ").slice(0, 90), async () => {
        const response = await runCurl(command, url);
        if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
          const reader = response.body!.getReader();
          assert.match(new TextDecoder().decode((await reader.read()).value), /^: listening/);
          await reader.cancel();
          return;
        }
        const text = await response.text();
        if (shown === undefined) assert.ok(response.ok, text);
        else assertShown(shown, JSON.parse(text), "answer");
      });
    }
  });
});

function hourly(count: number, first = 0): { timestamps: number[]; values: number[] } {
  const hours = Array.from({ length: count }, (_, i) => first + i);
  return {
    timestamps: hours.map((hour) => hour * 3_600_000),
    values: hours.map((hour) => 10 + 5 * Math.sin((2 * Math.PI * hour) / 24)),
  };
}

async function post(url: string, body: unknown): Promise<any> {
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}

const get = async (url: string) => await (await fetch(url)).json();

Deno.test("a stream goes on after a restart as if there had been none", async () => {
  const data = await Deno.makeTempDir({ prefix: "driftline-e2e-" });
  const path = "/v1/streams/a";
  let service = await serve(data);
  try {
    await post(`${service.url}${path}/observations`, hourly(60));
    assert.equal(await service.stop("SIGTERM"), 0);
    service = await serve(data);
    await post(`${service.url}${path}/observations`, hourly(30, 60));
    const resumed = await get(`${service.url}${path}`);
    assert.equal(resumed.appliedOffset, 90);
    // Killed without warning: what was acknowledged is there.
    await service.stop("SIGKILL");
    service = await serve(data);
    const killed = await get(`${service.url}${path}`);
    assert.equal(killed.stateHash, resumed.stateHash);
    await fetch(`${service.url}/v1/streams/a`, { method: "DELETE" });
    // The same samples in other parts and in one life give the same state.
    await post(`${service.url}${path}/observations?wait=applied`, hourly(1));
    await post(`${service.url}${path}/observations`, hourly(89, 1));
    const uninterrupted = await get(`${service.url}${path}`);
    assert.equal(uninterrupted.stateHash, resumed.stateHash);
  } finally {
    await service.stop("SIGTERM");
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("live events, forecasts and anomalies come through the socket", async () => {
  await withService(async ({ url }) => {
    const samples = hourly(200);
    samples.values[150]! += 40;
    await post(`${url}/v1/streams/a/observations`, {
      timestamps: samples.timestamps.slice(0, 100),
      values: samples.values.slice(0, 100),
    });
    const listener = await fetch(`${url}/v1/streams/a/events`);
    const reader = listener.body!.pipeThrough(new TextDecoderStream()).getReader();
    await post(`${url}/v1/streams/a/observations?wait=applied`, {
      timestamps: samples.timestamps.slice(100),
      values: samples.values.slice(100),
    });
    let text = "";
    while (!text.includes("event: anomaly\n")) text += (await reader.read()).value;
    await reader.cancel();
    assert.match(text, /event: sample\ndata: \{"timestamp":"1970-01-05T04:00:00Z"/);
    const { anomalies } = await get(`${url}/v1/streams/a/anomalies`);
    const spike = new Date(150 * 3_600_000).toISOString().replace(".000", "");
    assert.ok(anomalies.some((alarm: any) => alarm.timestamp === spike), JSON.stringify(anomalies));
    const { forecast } = await get(`${url}/v1/streams/a/forecast?horizon=24&level=80`);
    for (const [lead, point] of forecast.entries()) {
      const truth = 10 + 5 * Math.sin((2 * Math.PI * (200 + lead)) / 24);
      // A sine without noise and one spike: within a fifth of its amplitude.
      assert.ok(Math.abs(point.median - truth) < 1, `lead ${lead}: ${point.median} for ${truth}`);
    }
  });
});

/** A repeatable disturbance of about unit deviation: the sum of three uniform ones. */
function disturbances(count: number, seed: number): number[] {
  let x = seed;
  const uniform = () => (x = (x * 48_271) % 2_147_483_647) / 2_147_483_647;
  return Array.from({ length: count }, () => 2 * (uniform() + uniform() + uniform() - 1.5));
}

Deno.test("faults that are sent come back as alerts, each for its reason", async () => {
  await withService(async ({ url }) => {
    const send = async (method: string, path: string, body: unknown) => {
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch(url + path, { method, headers, body: JSON.stringify(body) });
      assert.ok(answer.ok, await answer.clone().text());
      await answer.body?.cancel();
    };
    await send("POST", "/v1/alerts/rules", { condition: { kind: "anomaly" }, maxAgeS: null });
    const at = 2_500;
    const minute = (i: number) => 60_000 * i;
    const faults: Record<string, {
      readonly value?: (x: number, i: number) => number | null;
      readonly time?: (i: number) => number;
    }> = {
      drift: { value: (x, i) => x + 0.03 * (i - at) },
      level: { value: (x) => x + 8 },
      stuck: { value: () => 0.5 },
      dropout: { value: () => null },
      variance: { value: (x) => 0.05 * x },
      clock: { time: (i) => minute(at + 4 * (i - at)) },
    };
    for (const [id, { value = (x: number) => x, time = minute }] of Object.entries(faults)) {
      // What expects the mean is enough here, and fast.
      await send("PUT", `/v1/streams/${id}`, { model: "mean" });
      const clean = disturbances(at + 400, 17);
      await send("POST", `/v1/streams/${id}/observations?wait=applied`, {
        timestamps: clean.map((_, i) => i < at ? minute(i) : time(i)),
        channels: {
          a: disturbances(at + 400, 71),
          b: clean.map((x, i) => i < at ? x : value(x, i)),
        },
      });
    }
    const missing = new Set(Object.keys(faults));
    for (let turn = 0; turn < 50 && missing.size > 0; turn++) {
      const { alerts } = await get(`${url}/v1/alerts?limit=1000`);
      for (const { stream, reason, channels } of alerts) {
        // A drift may be told as the level that it has come to.
        if (reason !== stream && !(stream === "drift" && reason === "level")) continue;
        assert.deepEqual(channels, reason === "clock" ? [] : ["b"]);
        missing.delete(stream);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.deepEqual([...missing], []);
  });
});

function residentMiB(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024;
}

Deno.test({
  name: "a body of 1 GiB is refused, memory stays bounded and the process answers on",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await withService(async ({ url, pid }) => {
      const before = residentMiB(pid);
      for (const contentType of ["application/json", "text/csv", "audio/wav"]) {
        let left = 2 ** 30;
        const line = new TextEncoder().encode("timestamp,value\n".padEnd(1 << 16, "1,1\n"));
        const body = new ReadableStream<Uint8Array>({
          pull(controller) {
            if (left <= 0) return controller.close();
            controller.enqueue(line);
            left -= line.length;
          },
        });
        const response = await fetch(`${url}/v1/streams/big/observations`, {
          method: "POST",
          body,
          headers: { "Content-Type": contentType },
        });
        const answer = await response.json();
        assert.ok(response.status === 413 || response.status === 400, JSON.stringify(answer));
      }
      const grown = residentMiB(pid) - before;
      // 32 MiB on the wire, what decoders make of it, and what the collector leaves lying.
      assert.ok(grown < 400, `grew by ${grown} MiB`);
      assert.equal((await fetch(`${url}/v1/streams/big`)).status, 404);
      assert.equal((await fetch(`${url}/healthz`)).status, 200);
    });
  },
});

Deno.test("a declared length beyond the limit is refused before the body comes", async () => {
  await withService(async ({ url }) => {
    const { port } = new URL(url);
    const socket = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    await socket.write(new TextEncoder().encode(
      "POST /v1/streams/a/observations HTTP/1.1\r\nHost: localhost\r\n" +
        "Content-Type: application/json\r\n" +
        `Content-Length: ${2 ** 30}\r\n\r\n`,
    ));
    const answer = new Uint8Array(4096);
    const count = await socket.read(answer);
    assert.match(new TextDecoder().decode(answer.subarray(0, count!)), /^HTTP\/1\.1 413 /);
    socket.close();
  });
});

Deno.test("a service on loopback answers to this machine's names and to those of DRIFTLINE_HOSTS", async () => {
  const statusOf = async (url: string, host: string) => {
    const socket = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url).port) });
    const head = `GET /v1/streams HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    await socket.write(new TextEncoder().encode(head));
    const answer = new Uint8Array(4096);
    const count = await socket.read(answer);
    socket.close();
    return new TextDecoder().decode(answer.subarray(0, count!)).split(" ")[1];
  };
  await withService(async ({ url }) => {
    const statuses = ["localhost", "evil.example", "drift.example:80"].map((host) =>
      statusOf(url, host)
    );
    assert.deepEqual(await Promise.all(statuses), ["200", "403", "200"]);
  }, { DRIFTLINE_HOSTS: "drift.example" });
});

Deno.test("with DRIFTLINE_TOKEN set the service asks for it", async () => {
  const token = "0123456789abcdef0123456789abcdef";
  await withService(async ({ url }) => {
    assert.equal((await fetch(`${url}/v1/streams`)).status, 401);
    const headers = { Authorization: `Bearer ${token}` };
    assert.equal((await fetch(`${url}/v1/streams`, { headers })).status, 200);
  }, { DRIFTLINE_TOKEN: token });
});
