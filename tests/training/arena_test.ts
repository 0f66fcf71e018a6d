import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import { layoutOf, packed, placeElements, readArenas, viewsOf } from "../../src/training/arena.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { gpuTest } from "../_gpu.ts";

/** 1, 2, 3, … over tensors of odd sizes. */
const TENSORS: Record<string, Tensor> = Object.fromEntries(
  [[3, 5], [64], [1], [70]].map((shape, i) => {
    const size = shape.reduce((a, b) => a * b);
    return [`t${i}`, tensorOf(shape, Float32Array.from({ length: size }, (_, at) => 100 * i + at))];
  }),
);

Deno.test("layoutOf() begins each tensor where a view may begin", () => {
  const cpu = openCpu();
  const { sizes, places } = layoutOf(cpu, TENSORS);
  assert.deepEqual([...places.values()].map(({ start }) => start), [0, 64, 128, 192]);
  assert.deepEqual(sizes, [320]);
  assert.equal(placeElements([70]), 128);
});

Deno.test("layoutOf() fills several arenas where one may not hold all", () => {
  const cpu = openCpu();
  const { sizes, places } = layoutOf(cpu, TENSORS, 130);
  assert.deepEqual(sizes, [128, 64, 128]);
  assert.deepEqual([...places.values()].map(({ arena }) => arena), [0, 0, 1, 2]);
});

Deno.test("packed() leaves 0 between the tensors and for those that are left out", () => {
  const layout = layoutOf(openCpu(), TENSORS);
  const [t0, t2] = [TENSORS["t0"], TENSORS["t2"]];
  const [arena] = packed(layout, { t0, t2 });
  const sumOf = (data: Iterable<number>) => [...data].reduce((a, b) => a + b, 0);
  assert.equal(sumOf(arena!.data), sumOf(t0!.data) + sumOf(t2!.data));
});

async function roundTrip(device: Parameters<typeof layoutOf>[0], elementsMax?: number) {
  const layout = layoutOf(device, TENSORS, elementsMax);
  const arenas = packed(layout, TENSORS).map((arena) => device.upload(arena));
  const whole = await readArenas(device, layout, arenas);
  assert.deepEqual(whole, TENSORS);
  for (const [name, view] of Object.entries(viewsOf(layout, arenas))) {
    assert.deepEqual((await device.read(view)).data.slice(), TENSORS[name]!.data, name);
  }
  for (const arena of arenas) device.free(arena);
}

Deno.test("tensors come back from arenas, whole and view by view", async () => {
  await roundTrip(openCpu());
  await roundTrip(openCpu(), 130);
});

gpuTest("tensors come back from arenas on the GPU", async (gpu) => {
  await roundTrip(gpu);
  await roundTrip(gpu, 130);
});
