import assert from "node:assert/strict";
import { measureLiveStreams, readLive } from "../../../../src/cli/evaluate/live/run.ts";
import { drawnStreams } from "../../../../src/cli/evaluate/live/series.ts";
import { withFolder } from "../../_run.ts";

Deno.test("measureLiveStreams() keeps what it measured and does not measure it again", async () => {
  await withFolder(async (folder) => {
    const progress: number[] = [];
    const origin = { model: "mean", version: "mean/1", commit: "c", machine: "m", date: "d" };
    const given = {
      data: folder,
      results: `${folder}/results`,
      jobs: 2,
      sample: 1,
      onProgress: (done: number) => progress.push(done),
    };
    assert.deepEqual(await readLive(given.results), []);
    const record = (await measureLiveStreams(origin, given))!;
    const names = drawnStreams().map(({ name }) => name);
    assert.deepEqual(record.streams.map(({ name }) => name), names);
    assert.equal(progress.at(-1), names.length);
    assert.equal(await measureLiveStreams(origin, given), null);
    const newer = { ...origin, version: "mean/2" };
    const sampled = (await measureLiveStreams(newer, { ...given, sample: 20 }))!;
    assert.deepEqual(sampled.streams.map(({ name }) => name), [names[0], names[20]]);
    const [kept, ...others] = await readLive(given.results);
    assert.deepEqual(others, []);
    assert.equal(kept!.version, "mean/1");
    assert.deepEqual(
      kept!.streams.map(({ cells }) => cells),
      record.streams.map(({ cells }) => cells),
    );
  });
});
