import assert from "node:assert/strict";
import { LimitError, ProtocolError } from "../../src/base/errors.ts";
import {
  protocolOfFile,
  protocolOfMediaType,
  protocolOfName,
  protocols,
} from "../../src/protocols/mod.ts";
import { addBodyBytes, BODY_BYTES_MAX, decodeBody } from "../../src/protocols/protocol.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function limitOf(name: string, body: string): string {
  try {
    decodeBody(protocolOfName(name)!, encode(body), { streamId: "s" });
  } catch (error) {
    assert.ok(error instanceof LimitError, String(error));
    return error.limitName;
  }
  assert.fail("expected a LimitError");
}

Deno.test("decodeBody() gives a body's segments at once", () => {
  const body = encode('{"timestamps":[1],"values":[2]}');
  const { segments } = decodeBody(protocolOfName("json")!, body, { streamId: "s" });
  assert.deepEqual(segments[0]!.values, [Float64Array.of(2)]);
});

Deno.test("addBodyBytes() refuses a body beyond its limit", () => {
  assert.equal(addBodyBytes(1, 2), 3);
  assert.throws(() => addBodyBytes(BODY_BYTES_MAX, 1), LimitError);
  const decoder = protocolOfName("json")!.open({ streamId: "s" });
  const piece = new Uint8Array(BODY_BYTES_MAX / 4);
  for (let i = 0; i < 4; i++) decoder.push(piece);
  assert.throws(() => decoder.push(Uint8Array.of(0)), LimitError);
});

Deno.test("protocolOfMediaType() ignores parameters and case", () => {
  assert.equal(protocolOfMediaType("Text/CSV; charset=utf-8")?.name, "csv");
  assert.equal(protocolOfMediaType("application/x-ndjson")?.name, "ndjson");
  assert.equal(protocolOfMediaType("image/png"), undefined);
});

Deno.test("protocolOfFile() goes by the end of the name", () => {
  assert.equal(protocolOfFile("a.csv/b.JSONL")?.name, "ndjson");
  assert.equal(protocolOfFile("office.tsv")?.name, "csv");
  assert.equal(protocolOfFile("a.pdf"), undefined);
});

Deno.test("names, media types and file endings each belong to one protocol", () => {
  const lists = [
    protocols.map(({ name }) => name),
    protocols.flatMap(({ mediaTypes }) => mediaTypes),
    protocols.flatMap(({ fileEndings }) => fileEndings),
  ];
  for (const all of lists) {
    assert.equal(new Set(all).size, all.length);
    assert.deepEqual(all, all.map((entry) => entry.toLowerCase()));
  }
});

Deno.test("every protocol refuses 10,001 channels by the limit's name", () => {
  const names = Array.from({ length: 10_001 }, (_, i) => `c${i}`);
  const object = `{${names.map((name) => `"${name}":[1]`).join(",")}}`;
  const row = `{${names.map((name) => `"${name}":1`).join(",")}}`;
  const fields = names.map((name) => `${name}=1`).join(",");
  const bodies = {
    json: `{"timestamps":[1],"channels":${object}}`,
    ndjson: `{"timestamp":1,"channels":${row}}`,
    csv: `timestamp,${names.join(",")}\n1${",1".repeat(10_001)}\n`,
    line_protocol: `m ${fields} 1\n`,
  };
  for (const [name, body] of Object.entries(bodies)) {
    assert.equal(limitOf(name, body), "CHANNEL_COUNT_MAX", name);
  }
});

Deno.test("a line without an end is refused at its limit, in any pieces", () => {
  for (const name of ["ndjson", "csv", "line_protocol"]) {
    assert.equal(limitOf(name, "a".repeat(1_100_000)), "RECORD_BYTES_MAX", name);
    const decoder = protocolOfName(name)!.open({ streamId: "s" });
    assert.throws(() => {
      for (let i = 0; i < 2000; i++) decoder.push(encode("b".repeat(1000)));
    }, LimitError);
  }
});

Deno.test("nested arrays do not exhaust the stack", () => {
  const body = encode("[".repeat(200_000));
  assert.throws(() => decodeBody(protocolOfName("json")!, body, { streamId: "s" }), ProtocolError);
});
