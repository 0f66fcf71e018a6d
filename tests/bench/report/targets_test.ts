import assert from "node:assert/strict";
import { verdicts } from "../../../bench/report/targets.ts";
import { stored, storedWith } from "./_stored.ts";

function verdict(item: RegExp) {
  return verdicts(stored).find((candidate) => item.test(candidate.item))!;
}

Deno.test("verdicts() holds every value to its goal and to what was reached for", () => {
  const { met, values, goal } = verdict(/SSD ÷ Triton/);
  // 1 ms where the peer took 0.548.
  assert.deepEqual([met, values, goal], ["no", "1.82", "≤ 1.80"]);
  for (const [ms, expected] of [[0.9, "yes"], [0.7, "beyond"]] as const) {
    const found = verdicts(storedWith(ms)).find(({ item }) => item.startsWith("SSD ÷ Triton"));
    assert.equal(found!.met, expected);
  }
});

Deno.test("verdicts() compares SSD with the peer for the same work, too", () => {
  // 1 ms, and 0.143 of launches beside, where the peer took 0.548.
  const { met, values } = verdict(/^the same work: with both/);
  assert.deepEqual([met, values], ["no", "2.09"]);
});

Deno.test("verdicts() counts the updates of one core's steps", () => {
  const row = { device: "cpu", gpuMs: null, flightMs: 5, floorMs: null } as const;
  const rows = [{ ...row, streams: 64, latencyMs: 2.56 }, { ...row, streams: 256, latencyMs: 16 }];
  const [found] = verdicts({
    serving_cpu: { ...stored.kernels!, data: { ...stored.kernels!.data, rows } } as never,
  }).filter(({ item }) => item.startsWith("4-layer Mamba serving step"));
  assert.deepEqual([found!.met, found!.goal], ["no", "≥ 20.00"]);
  assert.equal(found!.values, "25.00 at 64 streams; 16.00 at 256 streams");
});

Deno.test("verdicts() never takes what was not measured for reached", () => {
  assert.equal(verdict(/selective scan ÷ CUDA/).met, "not measured");
  // One of three shapes is stored.
  assert.equal(verdict(/torch fp32 ÷ matrix/).met, "not measured");
  assert.match(verdict(/torch fp32 ÷ matrix/).values, /^1.00 at 4096,4096,4096; – at /);
  for (const { met } of verdicts({})) assert.equal(met, "not measured");
});
