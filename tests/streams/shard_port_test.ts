import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { DEFAULT_SETTINGS, type Snapshot } from "../../src/stores/store.ts";
import { LocalShardPort, WorkerShardPort } from "../../src/streams/shard_port.ts";
import { hubParts } from "../../src/streams/parts.ts";
import { walk } from "./_parts.ts";

const settings = { ...DEFAULT_SETTINGS, model: "mean" };
const load = { streamId: "s", createdNs: 1n, settings, snapshot: null };
const absorb = { streamId: "s", segments: [walk("s", 40, ["a", "b"])], commitAfter: 30 };

Deno.test("WorkerShardPort does in its worker what LocalShardPort does here", async () => {
  const ports = [
    new LocalShardPort(hubParts),
    new WorkerShardPort("test-states", () => assert.fail("the worker restarted")),
  ];
  const outcomes = [];
  for (const port of ports) {
    await port.call("load", load);
    const answer = await port.call<{ commit: { snapshot: Snapshot } }>("absorb", absorb);
    const described = await port.call("describe", { streamId: "s" });
    // The processor still has its bytes, although those of the commit have moved.
    const again = await port.call<{ snapshot: Snapshot }>("commit", { streamId: "s" });
    assert.deepEqual(again.snapshot, answer.commit.snapshot);
    outcomes.push({ answer, described });
    await assert.rejects(
      port.call("modelHash", { streamId: "s", settings: { ...settings, model: "nobody" } }),
      InvalidValueError,
    );
    port.close();
  }
  assert.deepEqual(outcomes[1], outcomes[0]);
});

/** Answers every call with its own serial number, and dies of "drop". */
const FRAGILE = new URL(
  "data:text/javascript," + encodeURIComponent(`
    let calls = 0;
    self.onmessage = ({ data: [{ call, method }] }) => {
      if (method === "drop") setTimeout(() => { throw new Error("out of luck"); });
      else self.postMessage([{ answer: call, value: ++calls }]);
    };
  `),
);

Deno.test("WorkerShardPort puts a new worker in the place of a dead one", async () => {
  const restarted = Promise.withResolvers<Error>();
  const port = new WorkerShardPort("fragile", restarted.resolve, FRAGILE);
  assert.equal(await port.call("ping", null), 1);
  assert.equal(await port.call("ping", null), 2);
  await assert.rejects(port.call("drop", null), /fragile failed.*out of luck/);
  assert.match((await restarted.promise).message, /out of luck/);
  assert.equal(await port.call("ping", null), 1, "a fresh worker answers");
  port.close();
  await assert.rejects(port.call("ping", null), /closed/);
});

Deno.test("WorkerShardPort does not restart a worker that never answered", async () => {
  const broken = new URL("data:text/javascript,throw new Error('cannot start')");
  const port = new WorkerShardPort("broken", () => assert.fail("it restarted"), broken);
  await assert.rejects(port.call("ping", null), /cannot start/);
  await assert.rejects(port.call("ping", null), /cannot start/);
  port.close();
});
