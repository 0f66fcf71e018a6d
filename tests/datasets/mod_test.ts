import assert from "node:assert/strict";
import { NotFoundError } from "../../src/base/errors.ts";
import { datasetByName, DATASETS, manifest } from "../../datasets/mod.ts";
import { isSorted, validateSegment } from "../../src/signal/segment.ts";

for (const dataset of DATASETS) {
  Deno.test(`${dataset.name} loads as it is described`, async () => {
    const segment = await dataset.load();
    validateSegment(segment);
    assert.equal(segment.streamId, dataset.name);
    assert.equal(segment.timestampsNs.length, dataset.sampleCount);
    assert.deepEqual([...segment.channels], Object.keys(dataset.units));
    assert.ok(isSorted(segment));
    for (let i = 1; i < segment.timestampsNs.length; i++) {
      assert.ok(segment.timestampsNs[i]! > segment.timestampsNs[i - 1]!, `sample ${i} repeats`);
    }
    for (const column of segment.values) assert.ok(column.every(Number.isFinite));
  });

  Deno.test(`${dataset.name} loads the same twice`, async () => {
    assert.deepEqual(await dataset.load(), await dataset.load());
  });
}

Deno.test("seattle-hourly is told in universal time", async () => {
  const segment = await datasetByName("seattle-hourly").load();
  // The first row is 2010-01-01T01:00 in Seattle, eight hours behind.
  assert.equal(segment.timestampsNs[0], BigInt(Date.UTC(2010, 0, 1, 9)) * 1_000_000n);
  assert.equal(segment.values[0]![0], 4.0);
});

Deno.test("datasetByName() names what it did not find", () => {
  assert.throws(() => datasetByName("no-such"), (error: unknown) => {
    return error instanceof NotFoundError && error.id === "no-such";
  });
});

Deno.test("manifest() names source and licence of every data set", () => {
  const entries = manifest();
  assert.equal(entries.length, DATASETS.length);
  assert.equal(new Set(entries.map((entry) => entry.name)).size, entries.length);
  for (const entry of entries) {
    assert.ok(entry.source.length > 0 && entry.licence.length > 0, entry.name);
    assert.equal(entry.package === null, entry.sha256 === null, entry.name);
  }
});
