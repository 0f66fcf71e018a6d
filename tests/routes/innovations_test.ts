import assert from "node:assert/strict";
import { openFixture } from "./_fixture.ts";

const PATH = "/v1/streams/a/innovations";

async function withSamples() {
  const fixture = openFixture();
  await fixture.send("POST", "/v1/streams/a/observations", {
    timestamps: [0, 1000, 2000],
    values: [1, 2, 3],
  });
  return fixture;
}

Deno.test("GET innovations lists the last samples, oldest first", async () => {
  const { send } = await withSamples();
  const { status, body } = await send("GET", `${PATH}?limit=2`);
  assert.equal(status, 200);
  assert.deepEqual(body, {
    id: "a",
    samples: [
      {
        timestamp: "1970-01-01T00:00:01Z",
        values: { value: 2 },
        expected: { value: null },
        scale: { value: null },
        score: 1,
      },
      {
        timestamp: "1970-01-01T00:00:02Z",
        values: { value: 3 },
        expected: { value: null },
        scale: { value: null },
        score: 2,
      },
    ],
  });
});

Deno.test("GET innovations forgets a deleted stream", async () => {
  const { send } = await withSamples();
  await send("DELETE", "/v1/streams/a");
  assert.equal((await send("GET", PATH)).status, 404);
});

Deno.test("GET innovations names a bad limit", async () => {
  const { send } = await withSamples();
  assert.equal((await send("GET", `${PATH}?limit=513`)).body.field, "limit");
});
