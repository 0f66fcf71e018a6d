import assert from "node:assert/strict";
import type { JobPort } from "../../src/service/job_port.ts";
import type { JobNews, JobOutcome, JobTask } from "../../src/service/job_run.ts";
import { JOB_QUEUE_MAX } from "../../src/service/jobs.ts";
import { type Fixture, openFixture } from "./_fixture.ts";

async function inFixture(
  use: (fixture: Fixture) => Promise<void>,
  port?: JobPort,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const fixture = openFixture({ folder, ...port === undefined ? {} : { port } });
  try {
    await fixture.start();
    const timestamps = Array.from({ length: 100 }, (_, i) => 60_000 * i);
    const values = timestamps.map((_, i) => Math.sin(i));
    await fixture.send("POST", "/v1/streams/pump/observations", { timestamps, values });
    await use(fixture);
  } finally {
    await fixture.service.close();
    await Deno.remove(folder, { recursive: true });
  }
}

const question = (name: string) => ({ name, stream: "pump", steps: 10, rate: 0.01 });

/** The events of a body of server-sent events. */
function eventsOf(text: string): { event: string; data: any }[] {
  return text.split("\n\n").filter((block) => block.startsWith("event")).map((block) => ({
    event: /^event: (.*)$/m.exec(block)![1]!,
    data: JSON.parse(/^data: (.*)$/m.exec(block)![1]!),
  }));
}

/** A port whose job takes until it is interrupted. */
class WaitingPort implements JobPort {
  #end = Promise.withResolvers<void>();

  async run(_: JobTask, tell: (news: JobNews) => void): Promise<JobOutcome> {
    const line = { step: 1, loss: 2, rate: 0.1, samplesPerS: 3, elapsedS: 4 };
    tell({ kind: "line", line });
    await this.#end.promise;
    return { end: "interrupted", file: null };
  }

  devices(): Promise<never> {
    return Promise.reject(new Error("waiting"));
  }

  interrupt(): void {
    this.#end.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

Deno.test("GET /v1/jobs/{id}/events tells how a job goes and ends with how it ended", async () => {
  await inFixture(async ({ app, send }) => {
    const { body: { id } } = await send("POST", "/v1/models", question("mine"));
    const response = await app.request(`/v1/jobs/${id}/events`);
    assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
    const events = eventsOf(await response.text());
    assert.equal(events[0]!.event, "snapshot");
    assert.equal(events[0]!.data.id, id);
    assert.ok(events.some(({ event }) => event === "metrics"));
    assert.equal(events.at(-1)!.event, "end");
    assert.equal(events.at(-1)!.data.state, "finished");
    assert.deepEqual(events.at(-1)!.data, (await send("GET", `/v1/jobs/${id}`)).body);
    // Who comes later is told the same end.
    const later = eventsOf(await (await app.request(`/v1/jobs/${id}/events`)).text());
    assert.deepEqual(later.map(({ event }) => event), ["snapshot", "end"]);
    assert.deepEqual(later[1]!.data, events.at(-1)!.data);
  });
});

Deno.test("DELETE /v1/jobs/{id} ends a job, and then forgets it", async () => {
  await inFixture(async ({ app, send }) => {
    const { body: { id } } = await send("POST", "/v1/models", question("mine"));
    const events = (await app.request(`/v1/jobs/${id}/events`)).text();
    assert.equal((await send("DELETE", `/v1/jobs/${id}`)).status, 204);
    const told = eventsOf(await events);
    assert.equal(told.at(-1)!.event, "end");
    assert.equal(told.at(-1)!.data.state, "canceled");
    const { body: job } = await send("GET", `/v1/jobs/${id}`);
    assert.equal(job.state, "canceled");
    assert.notEqual(job.endedAt, null);
    assert.equal((await send("GET", "/v1/models/mine")).status, 404);
    assert.equal((await send("DELETE", `/v1/jobs/${id}`)).status, 204);
    assert.equal((await send("GET", `/v1/jobs/${id}`)).status, 404);
    assert.equal((await send("DELETE", `/v1/jobs/${id}`)).status, 404);
    assert.equal((await send("GET", `/v1/jobs/${id}/events`)).status, 404);
  }, new WaitingPort());
});

Deno.test("a full queue is a 503 that says when to come back", async () => {
  await inFixture(async ({ app, send }) => {
    for (let i = 0; i <= JOB_QUEUE_MAX; i++) {
      assert.equal((await send("POST", "/v1/models", question(`m${i}`))).status, 202);
    }
    const response = await app.request("/v1/models", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(question("more")),
    });
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.ok(Number(response.headers.get("retry-after")) > 0);
    assert.match((await response.json()).detail, new RegExp(`JOB_QUEUE_MAX is ${JOB_QUEUE_MAX}`));
    const { body } = await send("GET", "/v1/jobs");
    assert.deepEqual(body.jobs.map((job: any) => job.model).at(-1), "m0");
  }, new WaitingPort());
});

Deno.test("a model is made once: while its job runs, and when it is there", async () => {
  await inFixture(async ({ send }) => {
    assert.equal((await send("POST", "/v1/models", question("mine"))).status, 202);
    const twice = await send("POST", "/v1/models", question("mine"));
    assert.equal(twice.status, 409);
  }, new WaitingPort());
});
