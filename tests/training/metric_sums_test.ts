import assert from "node:assert/strict";
import { openCpu } from "../../src/device/mod.ts";
import { MetricSums, tensorsOf } from "../../src/training/metric_sums.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });
const one = (value: number) => cpu.upload(tensorOf([1], Float64Array.of(value)));
const result = (loss: number, hits: number, answers: number) => ({
  loss: one(loss),
  metrics: { accuracy: { sum: one(hits), total: one(answers) } },
  samples: 10,
});

Deno.test("MetricSums gives the mean loss, and metrics by their own totals", async () => {
  const sums = new MetricSums(cpu);
  sums.add(result(1, 1, 4));
  sums.add(result(2, 6, 6));
  assert.deepEqual(await sums.take(), { loss: 1.5, samples: 20, values: { accuracy: 0.7 } });
  sums.add(result(4, 0, 1));
  assert.deepEqual(await sums.take(), { loss: 4, samples: 10, values: { accuracy: 0 } });
  assert.ok(Number.isNaN((await sums.take()).loss));
});

Deno.test("MetricSums goes on from what was saved", async () => {
  const first = new MetricSums(cpu);
  first.add(result(1, 1, 4));
  const saved = await first.tensors();
  const tensors = Object.fromEntries(
    Object.entries(saved).map(([name, tensor]) => [`sum/${name}`, tensor]),
  );
  const second = new MetricSums(cpu, { tensors, counts: { ...first.counts } });
  second.add(result(2, 6, 6));
  assert.deepEqual(await second.take(), { loss: 1.5, samples: 20, values: { accuracy: 0.7 } });
});

Deno.test("tensorsOf() names each tensor once", () => {
  const loss = one(3);
  const tensors = tensorsOf({ loss, metrics: { a: { sum: loss, total: one(1) } }, samples: 1 });
  assert.equal(tensors.length, 2);
});
