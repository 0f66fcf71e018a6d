import assert from "node:assert/strict";
import { openTape } from "../../src/autodiff/tape.ts";
import { openCpu } from "../../src/device/mod.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { columnsOf, type Loss, LOSS_KINDS, lossOf } from "../../src/training/losses.ts";

const quantiles = [0.1, 0.5, 0.9];
const LOSSES: { readonly [K in Loss["kind"]]: Extract<Loss, { kind: K }> } = {
  squaredError: { kind: "squaredError" },
  crossEntropy: { kind: "crossEntropy", classes: 3 },
  quantile: { kind: "quantile", quantiles },
  quantileCrps: { kind: "quantileCrps", quantiles },
  gaussian: { kind: "gaussian" },
  gaussianCrps: { kind: "gaussianCrps" },
  studentT: { kind: "studentT" },
};
const TARGETS = [0, 2, 1, 1];

function predictionsFor(loss: Loss): Tensor {
  const count = TARGETS.length * columnsOf(loss);
  return tensorOf(
    [2, count / 2],
    Float64Array.from({ length: count }, (_, i) => Math.sin(i + 0.5)),
  );
}

/** Loss and gradient of the predictions, as a training takes them. */
async function trained(loss: Loss, targets: readonly number[], weights?: readonly number[]) {
  const cpu = openCpu({ poison: true });
  const tape = openTape(cpu);
  const predictions = tape.watch(cpu.upload(predictionsFor(loss)));
  const values = tensorOf([2, 2], Float64Array.from(targets));
  const weighed = weights && tensorOf([2, 2], Float64Array.from(weights));
  const result = lossOf(tape.device, loss, predictions, values, weighed);
  const value = (await cpu.read(result.loss)).data[0]!;
  tape.backward([[result.loss, tensorOf([1], Float64Array.of(1))]]);
  const gradient = [...(await cpu.read(tape.gradient(predictions)!)).data];
  return { value, gradient, result, cpu };
}

for (const kind of LOSS_KINDS) {
  Deno.test(`lossOf() ${kind} passes a gradient of its predictions' number`, async () => {
    const loss = LOSSES[kind];
    const { value, gradient } = await trained(loss, TARGETS);
    assert.ok(Number.isFinite(value));
    assert.equal(gradient.length, TARGETS.length * columnsOf(loss));
    assert.ok(gradient.every(Number.isFinite) && gradient.some((each) => each !== 0));
  });

  Deno.test(`lossOf() ${kind} is that of the targets that are there`, async () => {
    const loss = LOSSES[kind];
    const missing = await trained(loss, [0, NaN, 1, NaN], [1, 0, 1, 0]);
    const columns = columnsOf(loss);
    missing.gradient.forEach((each, i) => {
      assert.equal(each === 0, Math.floor(i / columns) % 2 === 1, `prediction ${i}: ${each}`);
    });
    assert.ok(Number.isFinite(missing.value));
  });
}

Deno.test("lossOf() quantileCrps is twice the quantile loss", async () => {
  const pinball = await trained(LOSSES.quantile, TARGETS);
  const score = await trained(LOSSES.quantileCrps, TARGETS);
  assert.ok(Math.abs(score.value - 2 * pinball.value) < 1e-15);
});

Deno.test("lossOf() crossEntropy gives hits and what they are out of", async () => {
  const { result, cpu } = await trained(LOSSES.crossEntropy, TARGETS, [1, 1, 2, 0]);
  const { sum, total } = result.metrics["accuracy"]!;
  // The largest logits of the rows are those of the classes 1, 0, 1 and 0.
  assert.equal((await cpu.read(sum)).data[0], 2);
  assert.equal((await cpu.read(total)).data[0], 4);
});

Deno.test("lossOf() names what does not fit", () => {
  const cpu = openCpu();
  const predictions = cpu.upload(tensorOf([2, 2], new Float64Array(4)));
  const targets = tensorOf([4], new Float64Array(4));
  assert.throws(() => lossOf(cpu, LOSSES.gaussian, predictions, targets), {
    axis: "elements",
    expected: 4,
    actual: 8,
  });
});
