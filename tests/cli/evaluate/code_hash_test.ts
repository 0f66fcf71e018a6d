import assert from "node:assert/strict";
import { codeHash } from "../../../src/cli/evaluate/code_hash.ts";
import { withFolder } from "../_run.ts";

Deno.test("codeHash() follows imports, dynamic ones and workers too", async () => {
  await withFolder(async (folder) => {
    const write = (name: string, text: string) => Deno.writeTextFile(`${folder}/${name}`, text);
    await write("a.ts", 'import { b } from "./b.ts";\nimport("./c.ts");\n');
    await write("b.ts", 'new Worker(new URL("./d.ts", import.meta.url));\n');
    await write("c.ts", 'import "./a.ts";\n');
    await write("d.ts", "1;\n");
    await write("e.ts", "nobody asks;\n");
    const entry = [new URL(`file://${folder}/a.ts`)];
    const before = await codeHash(entry);
    assert.match(before, /^[0-9a-f]{64}$/);
    await write("e.ts", "changed;\n");
    assert.equal(await codeHash(entry), before);
    for (const name of ["c.ts", "d.ts"]) {
      const was = await codeHash(entry);
      await write(name, "changed;\n");
      assert.notEqual(await codeHash(entry), was, name);
    }
  });
});

Deno.test("codeHash() does not depend on where the repository lies", async () => {
  const hashes: string[] = [];
  for (let i = 0; i < 2; i++) {
    await withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/a.ts`, 'import "./b.ts";\n');
      await Deno.writeTextFile(`${folder}/b.ts`, "1;\n");
      hashes.push(await codeHash([new URL(`file://${folder}/a.ts`)]));
    });
  }
  assert.equal(hashes[0], hashes[1]);
});
