import assert from "node:assert/strict";
import { provenance } from "../../bench/machine.ts";
import { hasHistory } from "./_history.ts";

Deno.test("provenance() names commit, machine, runtime and command", async () => {
  const before = Deno.env.get("BENCH_COMMIT");
  try {
    Deno.env.delete("BENCH_COMMIT");
    const here = await provenance("card", "deno task bench");
    assert.match(here.commit, hasHistory ? /^[0-9a-f]{7,}$/ : /^unknown$/);
    assert.match(here.machine, / x\d+$/);
    assert.equal(here.runtime, `deno ${Deno.version.deno}`);
    assert.deepEqual([here.adapter, here.command], ["card", "deno task bench"]);
    // Where the tree is a copy without a history.
    Deno.env.set("BENCH_COMMIT", "copied");
    assert.equal((await provenance("card", "")).commit, "copied");
  } finally {
    if (before === undefined) Deno.env.delete("BENCH_COMMIT");
    else Deno.env.set("BENCH_COMMIT", before);
  }
});
