import assert from "node:assert/strict";
import { modelsCommand } from "../../src/cli/models.ts";
import { RECIPE_DEFAULT } from "../../src/service/job_record.ts";
import { ended } from "../service/_tuning.ts";
import { openFixture } from "../routes/_fixture.ts";
import { run, withFolder } from "./_run.ts";

Deno.test("models lists what a service serves, and its jobs", async () => {
  await withFolder(async (folder) => {
    const { app, service, start } = openFixture({ folder });
    await start();
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => app.fetch(request),
    );
    const url = `http://127.0.0.1:${server.addr.port}`;
    try {
      const bare = await run(modelsCommand, "--url", url);
      assert.equal(bare.code, 0, bare.error);
      assert.match(
        bare.out,
        /^model .*\n-+.*\ncommittee +committee +built-in +- +\d+ +[0-9a-f]{12}\n/,
      );
      assert.ok(!bare.out.includes("asked for"));
      const channels = ["a"];
      const timestampsNs = BigInt64Array.from({ length: 64 }, (_, i) => BigInt(i) * 1_000_000_000n);
      const segment = { streamId: "s", channels, timestampsNs, values: [new Float64Array(64)] };
      const recipe = { ...RECIPE_DEFAULT, steps: 2, rate: 0.01 };
      const job = await service.models.tuneOnSegments(
        { name: "mine", base: "neural", recipe },
        [segment],
        "text/csv",
      );
      await ended(service.models.jobs, job.id);
      const { out } = await run(modelsCommand, "--url", url);
      assert.match(out, /\nmine +test +trained from neural /);
      assert.match(out, new RegExp(`\n${job.id} +mine +finished +2/2 `));
      const json = JSON.parse((await run(modelsCommand, "--url", url, "--json")).out);
      assert.equal(json.jobs[0].id, job.id);
      assert.equal(json.models.at(-1).name, "mine");
    } finally {
      await server.shutdown();
      await service.close();
    }
  });
});

Deno.test("models says why it has nothing to list", async () => {
  const nobody = await run(modelsCommand, "--url", "http://127.0.0.1:1");
  assert.equal(nobody.code, 1);
  assert.match(nobody.error, /^http:\/\/127\.0\.0\.1:1 does not tell its models: /);
  assert.equal((await run(modelsCommand, "--url", "nowhere")).code, 2);
});
