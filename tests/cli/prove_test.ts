import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { proveCommand } from "../../src/cli/prove.ts";
import { DATABASE_FILE, openSqliteStore } from "../../src/stores/mod.ts";
import { openEngine } from "../../src/streams/open_engine.ts";
import { walk } from "../streams/_parts.ts";
import { run, withFolder } from "./_run.ts";

Deno.test("prove replays the logs of a folder, all or some", () =>
  withFolder(async (folder) => {
    const store = await openSqliteStore({ folder, clock: systemClock });
    const engine = await openEngine({ store, clock: systemClock, workers: 1, tickMs: 0 });
    for (const id of ["a", "b"]) {
      const [{ record, inOrder, inOrderStart }] = await store.append([walk(id, 60, ["x"])]) as [
        any,
      ];
      await engine.submit(record, inOrder, inOrderStart);
    }
    await engine.close();
    await store.close();
    const all = await run(proveCommand, "--data", folder, "--workers", "1", "--weights", "none");
    assert.equal(all.code, 0, all.error);
    assert.match(all.out, /^stream +samples +state .*\n.*\na +60 +1 of 1 .*proven\s*\nb +60 /);
    const options = ["--data", folder, "--workers", "1", "--weights", "none"];
    const one = await run(proveCommand, "b", ...options, "--json");
    const { streams } = JSON.parse(one.out);
    assert.deepEqual(streams.map((stream: any) => [stream.id, stream.state.proven]), [["b", 1]]);
    const none = await run(proveCommand, "c", ...options);
    assert.equal(none.code, 1);
    assert.match(none.error, /"c"/);
  }));

Deno.test("prove makes no store where there is none", () =>
  withFolder(async (folder) => {
    const { code, error } = await run(proveCommand, "--data", folder);
    assert.equal(code, 1);
    assert.match(error, /there is no store/);
    await assert.rejects(Deno.stat(`${folder}/${DATABASE_FILE}`));
  }));
