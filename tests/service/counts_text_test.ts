import assert from "node:assert/strict";
import { countsText, coverageText } from "../../src/service/counts_text.ts";
import { openFixture } from "../routes/_fixture.ts";

Deno.test("countsText() gives every count its meaning and its type", async () => {
  const { service } = openFixture();
  const text = await service.metrics();
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name]) => name!);
  assert.equal(new Set(names).size, names.length, "one TYPE a name");
  for (const name of names) {
    const [, help] = new RegExp(`^# HELP ${name} (.+)$`, "m").exec(text) ?? [];
    assert.match(help ?? "", /^[A-Z][^\n]* /, `${name} has no HELP`);
  }
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name] = /^([a-z_]+)(?:\{[^}]*\})? -?[\d.e+-]+$/.exec(line) ?? [];
    const family = name?.replace(/_(bucket|sum|count)$/, "");
    assert.ok(names.some((one) => one === name || one === family), line);
  }
  assert.match(text, /^# TYPE driftline_engine_absorbed_samples counter$/m);
  assert.match(
    text,
    /^# TYPE driftline_store_queued_bytes gauge\ndriftline_store_queued_bytes 0$/m,
  );
});

Deno.test("coverageText() has a line a level, and none where nothing is covered yet", () => {
  const text = coverageText([{ level: 0.8, value: 0.75, count: 4, relativeWidth: 2 }]);
  for (const line of ['coverage{level="0.8"} 0.75', 'targets{level="0.8"} 4']) {
    assert.ok(text.includes(`\ndriftline_interval_${line}\n`), line);
  }
  assert.doesNotMatch(coverageText([]), /^driftline/m);
});

Deno.test("countsText() names a part's counts as the metrics are named", () => {
  const counts = {
    ...{ alerts: {}, heartbeats: {}, engine: {} as never, store: {} as never },
    jobs: { queued: 0, running: 1, finished: 2, canceled: 3, failed: 4 },
  };
  assert.match(countsText(counts), /\ndriftline_jobs_canceled 3\n/);
});
