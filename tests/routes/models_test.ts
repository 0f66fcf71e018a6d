import assert from "node:assert/strict";
import { JOB_STEPS_MAX, JOB_WORK_MAX } from "../../src/service/job_record.ts";
import { TUNING_BYTES_MAX } from "../../routes/models.ts";
import { ended } from "../service/_tuning.ts";
import { type Fixture, openFixture } from "./_fixture.ts";

/** A fixture with a folder of its own and a stream of a hundred samples. */
async function inFixture(use: (fixture: Fixture, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const fixture = openFixture({ folder });
  try {
    await fixture.start();
    const timestamps = Array.from({ length: 100 }, (_, i) => 60_000 * i);
    const values = timestamps.map((_, i) => Math.sin(i));
    const samples = { timestamps, channels: { a: values, b: values } };
    await fixture.send("POST", "/v1/streams/pump/observations", samples);
    await use(fixture, folder);
  } finally {
    await fixture.service.close();
    await Deno.remove(folder, { recursive: true });
  }
}

const QUICK = { steps: 10, rate: 0.01 };

/** Waits for the job of an answer, and returns it as it ended. */
async function endOf({ service, send }: Fixture, answer: { status: number; body: any }) {
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  await ended(service.models.jobs, answer.body.id);
  return (await send("GET", `/v1/jobs/${answer.body.id}`)).body;
}

Deno.test("GET /v1/models lists what serves, the default first", async () => {
  await inFixture(async ({ send }) => {
    const { status, body } = await send("GET", "/v1/models");
    assert.equal(status, 200);
    assert.equal(body.models[0].name, "committee");
    assert.ok(body.models.every((model: any) => model.origin === "built-in"));
    assert.deepEqual((await send("GET", "/v1/models/committee")).body, body.models[0]);
    const absent = await send("GET", "/v1/models/prophet");
    assert.equal(absent.status, 404);
    assert.equal((await send("DELETE", "/v1/models/committee")).status, 409);
  });
});

Deno.test("POST /v1/models tunes on a stream; the model then serves streams", async () => {
  await inFixture(async (fixture) => {
    const { send, engine, app } = fixture;
    const response = await app.request("/v1/models", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: "pumps", stream: "pump", channels: ["a"], ...QUICK }),
    });
    const accepted = await response.json();
    assert.equal(response.headers.get("location"), `/v1/jobs/${accepted.id}`);
    const job = await endOf(fixture, { status: response.status, body: accepted });
    assert.equal(job.state, "finished", job.error);
    assert.deepEqual(job.channels, ["a"]);
    assert.equal(job.rows, 100);
    assert.deepEqual(job.source, { kind: "stream", id: "pump", from: null, to: null });
    const { body: model } = await send("GET", "/v1/models/pumps");
    assert.equal(model.origin, "trained");
    assert.equal(model.base, "neural");
    assert.equal(model.job, job.id);
    assert.equal(model.hash, job.modelHash);
    assert.ok(engine.models.has("pumps"));
    assert.equal((await send("PUT", "/v1/streams/new", { model: "pumps" })).status, 201);
    const needed = await send("DELETE", "/v1/models/pumps");
    assert.equal(needed.status, 409);
    assert.match(needed.body.detail, /Stream "new" has the model "pumps"/);
    await send("DELETE", "/v1/streams/new");
    assert.equal((await send("DELETE", "/v1/models/pumps")).status, 204);
    assert.ok(!engine.models.has("pumps"));
    assert.equal((await send("PUT", "/v1/streams/new", { model: "pumps" })).status, 422);
  });
});

Deno.test("POST /v1/models tunes on a range of a stream, and on what a job has made", async () => {
  await inFixture(async (fixture) => {
    const { send } = fixture;
    const first = await send("POST", "/v1/models", {
      ...{ name: "one", stream: "pump", from: 0, to: "1970-01-01T01:19:00Z" },
      ...QUICK,
    });
    assert.equal((await endOf(fixture, first)).rows, 80);
    const second = await send("POST", "/v1/models", {
      ...{ name: "two", base: "one", stream: "pump" },
      ...QUICK,
    });
    assert.equal((await endOf(fixture, second)).base, "one");
    const { body } = await send("GET", "/v1/models");
    assert.deepEqual(body.models.slice(-2).map((model: any) => model.name), ["one", "two"]);
  });
});

const CSV = ["time,a,note", ...Array.from({ length: 70 }, (_, i) => `${i},${i % 7},x`)].join("\n");

Deno.test("POST /v1/models tunes on a file that is the body", async () => {
  await inFixture(async (fixture) => {
    const { app } = fixture;
    const path = "/v1/models?name=filed&steps=10&rate=0.01&columns=a&precision=s&tune=head";
    const response = await app.request(path, {
      method: "POST",
      headers: { "Content-Type": "text/csv" },
      body: CSV,
    });
    const job = await endOf(fixture, { status: response.status, body: await response.json() });
    assert.equal(job.state, "finished", job.error);
    assert.equal(job.rows, 70);
    assert.equal(job.recipe.tune, "head");
    assert.deepEqual(job.source, { kind: "upload", mediaType: "text/csv" });
  });
});

Deno.test("POST /v1/models tunes on a file that is a part of a form", async () => {
  await inFixture(async (fixture) => {
    const form = new FormData();
    form.set("question", JSON.stringify({ name: "formed", columns: ["a"], ...QUICK }));
    form.set("file", new File([CSV], "series.csv"));
    const response = await fixture.app.request("/v1/models", { method: "POST", body: form });
    const job = await endOf(fixture, { status: response.status, body: await response.json() });
    assert.equal(job.state, "finished", job.error);
    assert.deepEqual(job.channels, ["a"]);
  });
});

Deno.test("POST /v1/models lists the networks that can be tuned, and no other model", async () => {
  await inFixture(async ({ send }) => {
    const question = { name: "mine", stream: "pump", ...QUICK, base: "committee" };
    const { body } = await send("POST", "/v1/models", question);
    assert.equal(body.detail, 'base is "committee", expected one of neural');
  });
});

for (
  const [change, status, named] of [
    [{ name: "Mine" }, 422, { field: "name", value: "Mine" }],
    [{ name: "../models" }, 422, { field: "name" }],
    [{ name: undefined }, 422, { field: "name" }],
    [{ name: "committee" }, 409, {}],
    [{ base: "prophet" }, 422, { field: "base", value: "prophet" }],
    [{ base: "committee" }, 422, { field: "base", value: "committee" }],
    [{ stream: "none" }, 404, {}],
    [{ channels: ["c"] }, 422, { field: "channels", value: "c" }],
    [{ from: "2030-01-01T00:00:00Z" }, 422, { field: "from" }],
    [{ to: 60_000 }, 422, { field: "samples", value: "2" }],
    [{ steps: 0 }, 422, { field: "steps", value: "0" }],
    [{ steps: 1.5 }, 422, { field: "steps", value: "1.5" }],
    [{ steps: JOB_STEPS_MAX + 1 }, 413, {
      field: "steps",
      value: String(JOB_STEPS_MAX + 1),
      limitName: "JOB_STEPS_MAX",
      limit: JOB_STEPS_MAX,
    }],
    [{ rate: 1 }, 413, { field: "rate", value: "1", limitName: "JOB_RATE_MAX" }],
    [{ rate: 0 }, 422, { field: "rate" }],
    [{ batch: 65 }, 413, { field: "batch", limitName: "JOB_BATCH_MAX", limit: 64 }],
    [{ length: 8 }, 422, { field: "length", value: "8" }],
    [{ length: 2_048 }, 413, { field: "length", limitName: "JOB_LENGTH_MAX", limit: 1_024 }],
    [{ steps: 5_000, batch: 64, length: 1_024 }, 413, {
      field: "steps",
      limitName: "JOB_WORK_MAX",
      limit: JOB_WORK_MAX,
    }],
    [{ tune: "nothing" }, 422, { field: "tune", value: "nothing" }],
    [{ colour: "red" }, 422, { field: "colour", value: "red" }],
  ] as const
) {
  Deno.test(`POST /v1/models with ${JSON.stringify(change)} is a ${status}`, async () => {
    await inFixture(async ({ send }) => {
      const question = { name: "mine", stream: "pump", ...QUICK, ...change };
      const answer = await send("POST", "/v1/models", question);
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      for (const [key, value] of Object.entries(named)) assert.equal(answer.body[key], value, key);
      assert.deepEqual((await send("GET", "/v1/jobs")).body.jobs, []);
    });
  });
}

for (
  const [what, contentType, body, status] of [
    ["an unknown type", "application/pdf", "%PDF", 415],
    ["broken JSON", "application/json", "{", 400],
    ["a long question", "application/json", " ".repeat(TUNING_BYTES_MAX + 1), 413],
    ["broken CSV", "text/csv", 'time,a\n0,"', 400],
    ["CSV of too few rows", "text/csv", "time,a\n0,1\n1,2", 422],
    ["CSV of nothing", "text/csv", "time,a\n", 400],
    [
      "samples of two streams",
      "application/x-ndjson",
      '{"stream":"a","timestamp":1,"value":1}\n{"stream":"b","timestamp":1,"value":1}',
      422,
    ],
    ["a form that is none", "multipart/form-data; boundary=x", "nothing", 400],
    ["a form without a boundary", "multipart/form-data", "nothing", 400],
  ] as const
) {
  Deno.test(`POST /v1/models with ${what} is a ${status}`, async () => {
    await inFixture(async ({ app, send }) => {
      const query = contentType.includes("json") && !contentType.includes("nd") ? "" : "?name=mine";
      const response = await app.request(`/v1/models${query}`, {
        method: "POST",
        headers: { "Content-Type": contentType },
        body,
      });
      const problem = await response.json();
      assert.equal(response.status, status, JSON.stringify(problem));
      assert.match(problem.type, /^urn:driftline:problem:/);
      assert.deepEqual((await send("GET", "/v1/jobs")).body.jobs, []);
    });
  });
}

for (
  const [parts, field] of [
    [{ file: new File([CSV], "a.csv") }, "question"],
    [{ question: "{}" }, "file"],
    [{ question: "{}", file: "text" }, "file"],
    [{ question: "{}", file: new File([CSV], "a.csv") }, "name"],
    [{ question: '{"name":"mine"}', file: new File([CSV], "a.csv"), more: "x" }, "more"],
  ] as const
) {
  Deno.test(`a form of ${Object.keys(parts).join(", ")} is refused for its ${field}`, async () => {
    await inFixture(async ({ app }) => {
      const form = new FormData();
      for (const [name, part] of Object.entries(parts)) form.set(name, part);
      const response = await app.request("/v1/models", { method: "POST", body: form });
      assert.equal(response.status, 422);
      assert.equal((await response.json()).field, field);
    });
  });
}
