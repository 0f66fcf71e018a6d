import assert from "node:assert/strict";
import { REQUEST_BYTES_MAX } from "../../routes/_body.ts";
import { readForm } from "../../routes/_form.ts";
import { InvalidValueError, LimitError, ProtocolError } from "../../src/base/errors.ts";

const post = (form: FormData) => new Request("http://a/", { method: "POST", body: form });

function formOf(question: string | File, file: string | File): FormData {
  const form = new FormData();
  form.set("question", question);
  form.set("file", file);
  return form;
}

Deno.test("readForm() parts a question from a file, whose type is its own or its name's", async () => {
  for (
    const [file, mediaType] of [
      [new File(["a,b"], "x.csv"), "text/csv"],
      [new File(["a,b"], "x", { type: "text/csv" }), "text/csv"],
      [new File(["a,b"], "x.ndjson", { type: "application/octet-stream" }), "application/x-ndjson"],
    ] as const
  ) {
    const read = await readForm(post(formOf('{"name":"a"}', file)), {});
    assert.deepEqual(read.question, { name: "a" });
    assert.equal(read.file.headers.get("content-type"), mediaType);
    assert.equal(await read.file.text(), "a,b");
  }
  const asFile = await readForm(post(formOf(new File(["{}"], "q.json"), new File([""], "x"))), {});
  assert.deepEqual(asFile.question, {});
});

Deno.test("readForm() refuses parts that are missing, unknown or no JSON", async () => {
  const file = new File(["a"], "x.csv");
  await assert.rejects(() => readForm(post(formOf("{}", "text")), {}), InvalidValueError);
  await assert.rejects(() => readForm(post(formOf("{", file)), {}), ProtocolError);
  const more = formOf("{}", file);
  more.set("more", "x");
  await assert.rejects(() => readForm(post(more), {}), /more is "a part"/);
});

Deno.test("readForm() reads no more than a body may have", async () => {
  const large = new File([new Uint8Array(REQUEST_BYTES_MAX)], "x.csv");
  await assert.rejects(
    () => readForm(post(formOf("{}", large)), {}),
    (error) => error instanceof LimitError && error.limitName === "REQUEST_BYTES_MAX",
  );
});
