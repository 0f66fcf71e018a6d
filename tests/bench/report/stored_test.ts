import assert from "node:assert/strict";
import { readStored, RECORDS } from "../../../bench/report/stored.ts";
import { list } from "../../_source.ts";

Deno.test("readStored() reads what is there and leaves out what is not", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/cpu.json`, '{"commit":"abc"}');
    assert.deepEqual(readStored(new URL(`file://${folder}/`)), { cpu: { commit: "abc" } });
    await Deno.writeTextFile(`${folder}/cpu.json`, "{");
    assert.throws(() => readStored(new URL(`file://${folder}/`)), SyntaxError);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("RECORDS name files of bench/", () => {
  for (const [file] of Object.values(RECORDS)) assert.equal(list(`bench/${file}`).length, 1, file);
});
