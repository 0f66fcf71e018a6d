import assert from "node:assert/strict";
import fc from "fast-check";
import { cutBodies, importCommand } from "../../src/cli/import.ts";
import { startService } from "../../src/cli/start_service.ts";
import { protocols } from "../../src/protocols/mod.ts";
import { readConfig } from "../../src/service/config.ts";
import { silentLog } from "../../src/service/telemetry.ts";
import { hourlyCsv, run, withFolder } from "./_run.ts";

async function cut(pieces: readonly string[], how: "lines" | "header" | "whole", part: number) {
  const chunks = ReadableStream.from(pieces.map((piece) => new TextEncoder().encode(piece)));
  const bodies: string[] = [];
  for await (const body of cutBodies(chunks, how, part)) {
    bodies.push(new TextDecoder().decode(body));
  }
  return bodies;
}

Deno.test("cutBodies() repeats the header of CSV before each part", async () => {
  assert.deepEqual(await cut(["h\n1\n2\n", "3\n4"], "header", 4), ["h\n1\n2\n", "h\n3\n4"]);
  assert.deepEqual(await cut(["1\n2\n", "3\n"], "whole", 2), ["1\n2\n3\n"]);
});

Deno.test("cutBodies() loses no line, however the file comes", async () => {
  const line = fc.stringMatching(/^[a-z0-9,]{1,12}$/);
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 40 }),
      async (lines, pieceLength, part) => {
        const text = `${lines.join("\n")}\n`;
        const pieces = text.match(new RegExp(`[\\s\\S]{1,${pieceLength}}`, "g"))!;
        assert.equal((await cut(pieces, "lines", part)).join(""), text);
        const [header, ...rest] = lines;
        const rows = (await cut(pieces, "header", part)).flatMap((body) => {
          const [first, ...more] = body.trimEnd().split("\n");
          assert.equal(first, header);
          return more;
        });
        assert.deepEqual(rows, rest);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("import knows the file endings of every protocol of the hub", () => {
  for (const ending of protocols.flatMap(({ fileEndings }) => fileEndings)) {
    assert.match(importCommand.description!, new RegExp(`\\.${ending}\\b`));
  }
});

Deno.test("import sends a file, and again without harm", async () => {
  const config = readConfig(
    { port: 0, store: "memory", workers: 1, device: "cpu" },
    () => undefined,
  );
  const service = await startService(config, silentLog);
  try {
    await withFolder(async (folder) => {
      const path = `${folder}/office.csv`;
      await Deno.writeTextFile(path, hourlyCsv(50));
      const args = [path, "--stream", "office", "--url", service.url, "--json"];
      const first = await run(importCommand, ...args);
      assert.equal(first.code, 0, first.error);
      assert.equal(JSON.parse(first.out).accepted, 50);
      assert.equal(JSON.parse((await run(importCommand, ...args)).out).duplicates, 50);
      const bad = `${folder}/bad.csv`;
      await Deno.writeTextFile(bad, "t,x\nsoon,1\n");
      const refused = await run(importCommand, bad, "--stream", "b", "--url", service.url);
      assert.equal(refused.code, 1);
      assert.match(refused.error, /^Malformed body: .*soon[^\n]*$/);
      const empty = `${folder}/empty.csv`;
      await Deno.writeTextFile(empty, "");
      const nothing = await run(importCommand, empty, "--stream", "e", "--url", service.url);
      assert.equal(nothing.code, 1);
      assert.match(nothing.error, /empty\.csv" is empty$/);
      const twice = `${folder}/twice.csv`;
      await Deno.writeTextFile(twice, "time,x\n1795392000,1\n1795392000,2\n1795392060,3\n");
      const told = await run(importCommand, twice, "--stream", "t", "--url", service.url);
      assert.equal(told.code, 0, told.error);
      assert.match(told.out, /2 accepted, 0 duplicates, 0 late, 1 rejected$/);
      assert.match(
        told.error,
        /^Times are 1970-01-21T.+; with --precision s they are 2026-11-23T/m,
      );
      assert.match(
        told.error,
        /^Rejected, the first at 1970-01-21T18:43:12Z: "x" is 1 there, and 2 was sent$/m,
      );
      const nameless = await run(importCommand, path, "--url", service.url);
      assert.equal(
        nameless.error,
        "Malformed body: CSV needs the stream's name; --stream gives it",
      );
      assert.equal((await run(importCommand, `${folder}/x.pdf`)).code, 2);
      const odd = `${folder}/odd.csv`;
      await Deno.writeTextFile(odd, 'time,"A, B","""C""",D\n2026-01-01,1,2,x\n');
      const named = await run(
        importCommand,
        ...[odd, "--stream", "odd", "--url", service.url],
        ...["--column", "A, B", "--column", '"C"'],
      );
      assert.equal(named.code, 0, named.error);
      const stored = await fetch(`${service.url}/v1/streams/odd/observations?channel="A, B"`);
      assert.deepEqual((await stored.json()).channels, { "A, B": [1] });
    });
  } finally {
    await service.close();
  }
});

Deno.test("import fills the folder of a service that does not run", async () => {
  await withFolder(async (folder) => {
    const [path, data] = [`${folder}/office.csv`, `${folder}/data`];
    await Deno.writeTextFile(path, hourlyCsv(20));
    const args = [path, "--stream", "office", "--json"];
    const first = await run(importCommand, ...args, "--data", data);
    assert.equal(first.code, 0, first.error);
    assert.equal(JSON.parse(first.out).accepted, 20);
    // What was written is there for the next one who opens the folder.
    const again = await run(importCommand, ...args, "--data", data);
    assert.equal(JSON.parse(again.out).duplicates, 20);
    const nobody = await run(importCommand, ...args, "--url", "http://127.0.0.1:1");
    assert.equal(nobody.code, 1);
    assert.match(nobody.error, /^Nothing answers at http:\/\/127\.0\.0\.1:1: /);
    assert.equal((await run(importCommand, ...args, "--data", data, "--url", "x")).code, 2);
    const running = await startService(
      readConfig({ data, port: 0, device: "cpu" }, () => undefined),
      silentLog,
    );
    try {
      const inUse = await run(importCommand, ...args, "--data", data);
      assert.equal(inUse.code, 1);
      assert.match(inUse.error, /^Cannot open ".*data": ".*" is in use by another process$/);
    } finally {
      await running.close();
    }
  });
});
