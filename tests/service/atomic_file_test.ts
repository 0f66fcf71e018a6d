import assert from "node:assert/strict";
import { StorageFullError } from "../../src/base/errors.ts";
import { readIfThere, removeIfThere, writeAtomic } from "../../src/service/atomic_file.ts";

Deno.test("writeAtomic() replaces a file as a whole and leaves nothing beside it", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/a`;
  assert.equal(await readIfThere(path), null);
  await writeAtomic(path, Uint8Array.of(1, 2));
  await writeAtomic(path, Uint8Array.of(3));
  assert.deepEqual([...(await readIfThere(path))!], [3]);
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["a"]);
  await assert.rejects(() => writeAtomic(`${folder}/none/a`, Uint8Array.of(1)));
  await Deno.mkdir(`${folder}/taken`);
  await assert.rejects(() => writeAtomic(`${folder}/taken`, Uint8Array.of(1)));
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["a", "taken"]);
  await removeIfThere(path);
  await removeIfThere(path);
  await removeIfThere(folder);
});

Deno.test({
  name: "writeAtomic() says that the disk is full",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      // What is written there never finds room.
      await Deno.symlink("/dev/full", `${folder}/a.partial`);
      await assert.rejects(writeAtomic(`${folder}/a`, Uint8Array.of(1)), StorageFullError);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    } finally {
      await removeIfThere(folder);
    }
  },
});
