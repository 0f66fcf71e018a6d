import assert from "node:assert/strict";
import { StorageFullError } from "../../src/base/errors.ts";
import { silentLog } from "../../src/service/telemetry.ts";
import { openFixture } from "./_fixture.ts";

Deno.test("an unknown path is a 404 problem, a wrong method a 405 that names the right ones", async () => {
  const { app, send } = openFixture();
  const nothing = await send("GET", "/v1/nothing");
  assert.equal(nothing.status, 404);
  assert.equal(nothing.body.type, "urn:driftline:problem:not-found");
  const response = await app.request("/v1/streams/a", { method: "PATCH" });
  assert.equal(response.status, 405);
  assert.equal(response.headers.get("allow"), "DELETE, GET, HEAD, PUT");
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.equal((await response.json()).status, 405);
  assert.equal((await send("GET", "/v1/forecast")).status, 405);
});

Deno.test("a fault of our own is a 500 without its text, and is logged and counted", async () => {
  const { app, send, store } = openFixture();
  store.listStreams = () => Promise.reject(new Error("secret path /var/x"));
  const answer = await send("GET", "/v1/streams");
  assert.equal(answer.status, 500);
  assert.doesNotMatch(JSON.stringify(answer.body), /secret/);
  const metrics = await (await app.request("/metrics")).text();
  assert.match(metrics, /driftline_failures_total\{stage="request"\} 1/);
  assert.match(metrics, /driftline_http_requests_total\{method="GET",status="500"\} 1/);
});

Deno.test("a full disk is a 507, and one line of the log in ten seconds", async () => {
  const told: unknown[] = [];
  const { send, store, clock } = openFixture({
    log: { ...silentLog, error: (_, fields) => told.push(fields!.error) },
  });
  store.append = () => Promise.reject(new StorageFullError("The disk is full"));
  const post = async () => {
    const samples = { timestamps: [1], values: [1] };
    return (await send("POST", "/v1/streams/a/observations", samples)).status;
  };
  assert.deepEqual([await post(), await post(), await post()], [507, 507, 507]);
  assert.deepEqual(told, ["The disk is full"]);
  clock.advanceMs(10_000);
  assert.equal(await post(), 507);
  assert.equal(told.length, 2);
});

Deno.test("/openapi.json is a 3.1 document that lists every documented route", async () => {
  const { app, send } = openFixture();
  const { body } = await send("GET", "/openapi.json");
  assert.match(body.openapi, /^3\.1\./);
  assert.ok(body.info.title && body.info.version);
  const listed = Object.entries<Record<string, unknown>>(body.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)
  ).sort();
  const served = app.routes
    .filter(({ method, path }) =>
      method !== "ALL" && /^\/(v1\/|api\/|otlp\/|write|ping|healthz|readyz|metrics)/.test(path)
    )
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
  assert.deepEqual(listed, [...new Set(served)].sort());
  assert.ok(listed.length >= 17, String(listed.length));
  const known = ["summary", "description", "parameters", "requestBody", "responses"];
  for (const item of Object.values<Record<string, Record<string, unknown>>>(body.paths)) {
    for (const operation of Object.values(item)) {
      for (const member of Object.keys(operation)) assert.ok(known.includes(member), member);
    }
  }
});

Deno.test("docs/http_api.md or docs/alerts.md tells of every path and every parameter", async () => {
  const { body } = await openFixture().send("GET", "/openapi.json");
  const pages = ["http_api", "alerts"].map((name) =>
    Deno.readTextFileSync(new URL(`../../docs/${name}.md`, import.meta.url))
  ).join("\n");
  const told = [...pages.matchAll(/\/[a-z][\w/{}.-]*/g)].map(([path]) => path);
  const untold: string[] = [];
  for (const [path, item] of Object.entries<Record<string, any>>(body.paths)) {
    const form = new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`);
    if (!told.some((one) => form.test(one))) untold.push(path);
    for (const { name } of Object.values(item).flatMap((one) => one.parameters ?? [])) {
      if (!new RegExp(`\\b${name}\\b`).test(pages)) untold.push(`${path}: ${name}`);
    }
  }
  assert.deepEqual(untold, []);
});

Deno.test("/openapi.json has no dangling reference, and every operation its answers", async () => {
  const { send } = openFixture();
  const { body } = await send("GET", "/openapi.json");
  const references = [...JSON.stringify(body).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
  assert.ok(references.length > 10);
  for (const [, name] of references) assert.ok(name! in body.components.schemas, name);
  for (const [path, item] of Object.entries<Record<string, any>>(body.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const where = `${method} ${path}`;
      assert.ok(operation.summary, where);
      assert.ok(Object.keys(operation.responses).some((status) => /^2/.test(status)), where);
      for (const name of path.matchAll(/\{(\w+)\}/g)) {
        const given = operation.parameters.find((entry: any) => entry.name === name[1]);
        assert.ok(given?.required, `${where} describes {${name[1]}}`);
      }
    }
  }
  // Null and an object at once is what nothing can be: such a member allows neither.
  assert.doesNotMatch(
    JSON.stringify(body),
    /"allOf":\[\{"\$ref":"[^"]*"\},\{"type":\[[^\]]*"null"/,
  );
  const post = body.paths["/v1/streams/{id}/observations"].post;
  assert.ok("text/csv" in post.requestBody.content);
  assert.ok("audio/wav" in post.requestBody.content);
});

Deno.test("every documented answer of a stream fits its schema", async () => {
  const { send } = openFixture();
  const document = (await send("GET", "/openapi.json")).body;
  await send("POST", "/v1/streams/a/observations", { timestamps: [1, 2], values: [1, 5_000] });
  for (const path of ["", "/forecast", "/anomalies", "/observations"]) {
    const answer = (await send("GET", `/v1/streams/a${path}`)).body;
    const operation = document.paths[`/v1/streams/{id}${path}`].get;
    const schema = operation.responses["200"].content["application/json"].schema;
    assertFits(document, schema, answer, path);
  }
});

/** The part of JSON Schema that the document uses. */
function assertFits(document: any, schema: any, value: any, where: string): void {
  if (schema.$ref !== undefined) {
    return assertFits(
      document,
      document.components.schemas[schema.$ref.split("/").at(-1)],
      value,
      where,
    );
  }
  for (const part of schema.allOf ?? []) assertFits(document, part, value, where);
  const types = [schema.type ?? []].flat();
  if (types.length > 0) {
    const actual = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    const isInteger = actual === "number" && types.includes("integer") && Number.isInteger(value);
    assert.ok(types.includes(actual) || isInteger, `${where} is ${actual}, not ${types}`);
  }
  for (const key of schema.required ?? []) assert.ok(key in value, `${where}.${key} is missing`);
  if (schema.properties !== undefined && value !== null && schema.allOf === undefined) {
    for (const [key, item] of Object.entries<any>(value)) {
      const property = schema.properties[key];
      if (property !== undefined) assertFits(document, property, item, `${where}.${key}`);
    }
  }
  if (schema.items !== undefined && Array.isArray(value)) {
    for (const item of value) assertFits(document, schema.items, item, `${where}[]`);
  }
}

/** Bad questions of each route: status, and what stands in `field` and `detail`. */
const HOSTILE: readonly [string, string, unknown, number, string][] = [
  ["GET", "/v1/streams?limit=100000", null, 400, 'limit is "100000", expected a whole number from'],
  ["GET", "/v1/streams/a/forecast?horizon=0", null, 422, 'horizon is "0", expected 1 to 10000'],
  ["GET", "/v1/streams/a/forecast?horizon=x", null, 400, 'horizon is "x", expected a whole number'],
  ["GET", "/v1/streams/a/anomalies?from=noon", null, 400, 'from is "noon", expected ISO 8601 or'],
  ["GET", "/v1/alerts?state=lost", null, 400, 'state is "lost", expected one of open, closed'],
  ["PUT", "/v1/streams/a", { seasonsS: ["x"] }, 422, 'seasonsS[0] is "x", expected a number'],
  ["PUT", "/v1/streams/a", { speed: 2 }, 422, 'speed is "2", expected no member of this name, but'],
  [
    "POST",
    "/v1/reconcile",
    { sums: {}, method: "x" },
    422,
    'method is "x", expected one of bottom',
  ],
  ["POST", "/v1/alerts/rules", { name: "x" }, 422, "condition is missing, expected"],
  [
    "POST",
    "/v1/alerts/rules",
    { condition: { kind: "moon" } },
    422,
    'condition.kind is "moon", expected one of anomaly, value,',
  ],
  [
    "POST",
    "/v1/alerts/rules",
    { maintenance: [{ weekdays: "sat", from: "10:00", to: "12:00", timeZone: "UTC" }] },
    422,
    'maintenance[0].weekdays is "sat", expected a list',
  ],
  [
    "POST",
    "/v1/alerts/rules",
    { maintenance: [{ weekdays: ["x"], from: "10:00", to: "12:00", timeZone: "UTC" }] },
    422,
    'maintenance[0].weekdays[0] is "x", expected one of sun, mon,',
  ],
  [
    "POST",
    "/v1/alerts/rules",
    { condition: { kind: "anomaly", effect: { unit: 3 } } },
    422,
    'condition.effect.unit is "3", expected no member of this name, but one of units, sigmas',
  ],
  [
    "PUT",
    "/v1/streams/a",
    { channels: { x: { low: 3 } } },
    422,
    'channels.x.low is "3", expected no member of this name, but one of lower, upper',
  ],
  ["POST", "/v1/models", { name: "m", stream: "a", steps: "9" }, 422, 'steps is "9", expected a'],
  [
    "POST",
    "/v1/backtest",
    { stream: "a", origins: 1.5 },
    422,
    'origins is "1.5", expected a whole',
  ],
  [
    "POST",
    "/v1/streams/a/anomalies/1/feedback",
    { fine: "y" },
    422,
    'fine is "y", expected true or',
  ],
  [
    "POST",
    "/v1/streams/a/observations",
    { timestamps: [120_000], values: ["1"] },
    400,
    'values[0] is the text "1", expected a number',
  ],
];

Deno.test("problems of bad questions name field, value and what was expected", async () => {
  const { send } = openFixture();
  await send("POST", "/v1/streams/a/observations", { timestamps: [0, 60_000], values: [1, 2] });
  for (const [method, path, given, status, wanted] of HOSTILE) {
    const { status: told, body } = await send(method, path, given ?? undefined);
    assert.equal(told, status, `${method} ${path}`);
    assert.equal(body.status, status);
    assert.equal(body.field, wanted.split(" ")[0], `${method} ${path}`);
    assert.ok(body.detail.startsWith(wanted), `${method} ${path}: ${body.detail}`);
  }
});
