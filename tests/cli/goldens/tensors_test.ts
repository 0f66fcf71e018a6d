import assert from "node:assert/strict";
import { fartherOf, leading, rounded, stack } from "../../../src/cli/goldens/tensors.ts";
import {
  cast,
  everySecond,
  fileTensor,
  fileTensorIf,
  take,
} from "../../../src/cli/goldens/tensors.ts";
import { swapTime, timeOf, trailing, valuesF64 } from "../../../src/cli/goldens/tensors.ts";
import { parseGoldenGroup } from "../../../src/cli/goldens/golden_file.ts";
import { openCpu } from "../../../src/device/mod.ts";
import { tensorOf } from "../../../src/tensor/tensor.ts";
import { fileOf, manifestOf } from "./_files.ts";

const sequence = tensorOf([2, 3, 2], Float64Array.from({ length: 12 }, (_, i) => i));

Deno.test("swapTime() exchanges the last two axes", () => {
  const swapped = swapTime(sequence);
  assert.deepEqual(swapped.shape, [2, 2, 3]);
  assert.deepEqual(Array.from(swapped.data.slice(0, 6)), [0, 2, 4, 1, 3, 5]);
  assert.deepEqual(swapTime(swapped), sequence);
});

Deno.test("timeOf() and leading() cut along time", () => {
  assert.deepEqual(timeOf(sequence, 1), tensorOf([2, 1, 2], Float64Array.of(2, 3, 8, 9)));
  assert.deepEqual(leading(sequence, 1).data, Float64Array.of(0, 1, 6, 7));
});

Deno.test("stack() undoes timeOf()", () => {
  const times = [0, 1, 2].map((k) => tensorOf([2, 2], timeOf(sequence, k).data));
  assert.deepEqual(stack(times, 1), sequence);
  assert.throws(() => stack([], 0), /Nothing to stack/);
});

Deno.test("fartherOf() takes the worse of two answers", () => {
  const reference = Float64Array.of(0, 0);
  const worse = fartherOf(reference, Float64Array.of(1, -2), Float64Array.of(-3, 1));
  assert.deepEqual(worse, Float64Array.of(-3, -2));
});

Deno.test("rounded() and cast() go to the precision of the device", () => {
  assert.deepEqual(rounded(Float64Array.of(0.1), "f32"), Float64Array.of(Math.fround(0.1)));
  assert.deepEqual(rounded(Float64Array.of(0.1), "f64"), Float64Array.of(0.1));
  assert.equal(cast(sequence, "f32").dtype, "f32");
  assert.equal(cast(undefined, "f32"), undefined);
  assert.deepEqual(valuesF64(cast(sequence, "f32")), sequence.data);
});

Deno.test("fileTensor() keeps the shape of its file, and take() reads a result", async () => {
  const [golden] = parseGoldenGroup(manifestOf(), fileOf()).cases;
  const x = fileTensor(golden!, "x");
  assert.deepEqual(x.shape, [2]);
  assert.equal(fileTensorIf(golden!, "absent"), undefined);
  const device = openCpu();
  assert.deepEqual((await take({ device, dtype: "f64" }, device.upload(x))).data, x.data);
});

Deno.test("trailing() is what leading() leaves", () => {
  const rest = trailing(sequence, 2);
  assert.deepEqual(rest.shape, [2, 1, 2]);
  assert.deepEqual([...rest.data], [4, 5, 10, 11]);
});

Deno.test("everySecond() parts pairs", () => {
  const pairs = Float64Array.of(1, 2, 3, 4);
  assert.deepEqual([everySecond(pairs, 0), everySecond(pairs, 1)], [
    Float64Array.of(1, 3),
    Float64Array.of(2, 4),
  ]);
});
