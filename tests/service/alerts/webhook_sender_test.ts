import assert from "node:assert/strict";
import { makeSender } from "../../../src/service/alerts/webhook_sender.ts";

/** A server that first fails, then says nothing for long, then points elsewhere, then accepts. */
async function withServer(
  body: (url: string, seen: { headers: Headers; text: string }[]) => Promise<void>,
): Promise<void> {
  const seen: { headers: Headers; text: string }[] = [];
  const stalled: PromiseWithResolvers<void> = Promise.withResolvers();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (r) => {
    seen.push({ headers: r.headers, text: await r.text() });
    switch (seen.length) {
      case 1:
        return new Response("no", { status: 503, headers: { "Retry-After": "7" } });
      case 2:
        await stalled.promise;
        return new Response();
      case 3:
        return new Response(null, { status: 307, headers: { Location: "/elsewhere" } });
      default:
        return new Response("thanks");
    }
  });
  try {
    await body(`http://127.0.0.1:${server.addr.port}/hook`, seen);
  } finally {
    stalled.resolve();
    await server.shutdown();
  }
}

Deno.test("makeSender() tells of failures, silence and redirects, and sends the body", () =>
  withServer(async (url, seen) => {
    const send = makeSender({ isPrivateAllowed: true, timeoutMs: 20_000 });
    // What is answered may take its time on a busy machine; what is not is given up early.
    const impatient = makeSender({ isPrivateAllowed: true, timeoutMs: 300 });
    const request = { url, headers: { "webhook-id": "m" }, body: '{"ä": 1}' };
    assert.deepEqual(await send(request), {
      status: 503,
      error: "answered 503",
      retryAfterS: 7,
    });
    assert.deepEqual(await impatient(request), {
      status: null,
      error: "no answer within 300 ms",
      retryAfterS: null,
    });
    assert.equal((await send(request)).error, "answered 307");
    assert.deepEqual(await send(request), { status: 200, error: null, retryAfterS: null });
    assert.equal(seen.length, 4);
    assert.deepEqual([seen[3]!.text, seen[3]!.headers.get("webhook-id")], ['{"ä": 1}', "m"]);
  }));

Deno.test("makeSender() reaches no private address, by number or by name", () =>
  withServer(async (url, seen) => {
    const addresses = [{ address: "8.8.8.8", family: 4 }, { address: "127.0.0.1", family: 4 }];
    const asked: string[] = [];
    const resolve = (host: string) => {
      asked.push(host);
      return Promise.resolve(host === "none.example" ? [] : addresses);
    };
    const send = makeSender({ isPrivateAllowed: false, timeoutMs: 2_000, resolve });
    const sent = (host: string) =>
      send({ url: url.replace("127.0.0.1", host), headers: {}, body: "{}" });
    assert.match((await sent("127.0.0.1")).error!, /public address/);
    assert.match((await sent("localhost")).error!, /public address/);
    assert.match((await sent("hooks.example")).error!, /private address 127.0.0.1/);
    assert.match((await sent("none.example")).error!, /has no address/);
    assert.deepEqual(asked, ["hooks.example", "none.example"]);
    assert.equal(seen.length, 0);
  }));
