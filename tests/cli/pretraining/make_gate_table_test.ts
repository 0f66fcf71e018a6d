import assert from "node:assert/strict";
import { decodeTable } from "../../../src/cli/pretraining/gate_table.ts";
import { makeGateTable } from "../../../src/cli/pretraining/make_gate_table.ts";
import { withFolder } from "../_run.ts";

const ORDER = { real: null, seed: 1, part: 0, parts: 2, seconds: 100, every: 100, most: 3 };

Deno.test("makeGateTable() writes the rows of its own part", async () => {
  await withFolder(async (folder) => {
    const made = await makeGateTable({ ...ORDER, folder });
    const { rows } = decodeTable(await Deno.readFile(`${folder}/gate-1-0-000.safetensors`));
    assert.equal(rows.length, made.rows);
    assert.equal(made.failed, 0);
    assert.ok(rows.length > 0 && rows.every(({ series }) => Number(series.slice(2)) % 2 === 0));
  });
});

Deno.test("makeGateTable() ends when its time is over", async () => {
  await withFolder(async (folder) => {
    let seconds = 0;
    const clock = { nowNs: () => 0n, monotonicMs: () => 1e3 * seconds++ };
    const made = await makeGateTable({ ...ORDER, folder, clock, seconds: 0.5, most: 50 });
    assert.deepEqual(made, { rows: 0, failed: 0 });
  });
});
