import assert from "node:assert/strict";
import { Client, RequestFailedError } from "../../../src/cli/demo/client.ts";

interface Call {
  readonly url: string;
  readonly method: string;
  readonly body: unknown;
}

function answering(...responses: Response[]) {
  const calls: Call[] = [];
  const client = new Client("http://service", (url, init) => {
    const body = typeof init?.body === "string" ? JSON.parse(init.body) : null;
    calls.push({ url, method: init?.method ?? "GET", body });
    return Promise.resolve(responses.shift()!);
  });
  return { client, calls };
}

const segment = {
  streamId: "a/b c",
  channels: ["value"],
  timestampsNs: BigInt64Array.of(0n, 1_000_000_000n, 2_000_000_000n),
  values: [Float64Array.of(1, NaN, 3)],
};

Deno.test("Client.send() posts a part of a segment and waits for the state", async () => {
  const { client, calls } = answering(Response.json({}));
  await client.send(segment, 1, 3);
  assert.deepEqual(calls, [{
    url: "http://service/v1/streams/a%2Fb%20c/observations?wait=applied",
    method: "POST",
    body: {
      timestamps: ["1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"],
      channels: { value: [null, 3] },
    },
  }]);
});

Deno.test("Client.forecast() asks by times or by horizon", async () => {
  const { client, calls } = answering(Response.json({}), Response.json({}));
  await client.forecast("s", { times: ["1970-01-01T00:00:03Z", "1970-01-01T00:00:04Z"] });
  await client.forecast("s", { horizon: 8 });
  const queries = calls.map(({ url }) => Object.fromEntries(new URL(url).searchParams));
  assert.deepEqual(queries, [
    { level: "80,95", times: "1970-01-01T00:00:03Z,1970-01-01T00:00:04Z" },
    { level: "80,95", horizon: "8" },
  ]);
});

Deno.test("Client tries again when the service is busy", async () => {
  const busy = new Response("{}", { status: 503, headers: { "Retry-After": "0" } });
  const { client, calls } = answering(busy, Response.json({ anomalies: [] }));
  assert.deepEqual(await client.anomalies("s"), []);
  assert.equal(calls.length, 2);
});

Deno.test("Client tells what the service refused", async () => {
  const { client } = answering(Response.json({ detail: 'No stream "s"' }, { status: 404 }));
  await assert.rejects(
    () => client.forecast("s", { horizon: 1 }),
    (error: unknown) =>
      error instanceof RequestFailedError && error.status === 404 &&
      error.message.includes('No stream "s"'),
  );
});
