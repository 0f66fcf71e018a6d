import assert from "node:assert/strict";
import { GradientSums, type Holder } from "../../src/autodiff/gradients.ts";
import { openCpu } from "../../src/device/cpu.ts";
import type { Device, DeviceTensor } from "../../src/device/device.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

/** Sums over a device that tells what was allocated and freed. */
function watched() {
  const freed: DeviceTensor[] = [];
  let made = 0;
  const device: Device = {
    ...cpu,
    alloc: (shape, dtype) => (made++, cpu.alloc(shape, dtype)),
    free: (tensor) => void freed.push(tensor),
  };
  return { sums: new GradientSums(device), freed, made: () => made };
}

const holder = (change: Partial<Holder> = {}): Holder => ({
  gradient: undefined,
  home: undefined,
  isWatched: false,
  ...change,
});

const number = (value: number) => cpu.upload(tensorOf([1], Float64Array.of(value)));
const valueOf = ({ gradient }: Holder) => cpu.dataOf(gradient!.tensor)[0];

Deno.test("add() sums where the first gradient lies, and frees the others", () => {
  const { sums, freed, made } = watched();
  const node = holder();
  const [first, second] = [number(2), number(3)];
  sums.add(node, first);
  sums.add(node, second);
  assert.equal(valueOf(node), 5);
  assert.equal(node.gradient!.tensor, first);
  assert.deepEqual(freed, [second]);
  assert.equal(made(), 0);
});

Deno.test("a gradient that is handed on is not copied, and goes with its last holder", () => {
  const { sums, freed, made } = watched();
  const [from, a, b] = [holder(), holder(), holder()];
  const tensor = number(2);
  sums.add(from, tensor);
  sums.hand(a, from.gradient!);
  sums.hand(b, from.gradient!);
  sums.drop(from);
  sums.drop(a);
  assert.deepEqual(freed, []);
  assert.equal(valueOf(b), 2);
  sums.drop(b);
  assert.deepEqual([freed, made()], [[tensor], 0]);
});

Deno.test("what several hold is never written", () => {
  const { sums } = watched();
  const [from, a, b] = [holder(), holder(), holder()];
  sums.add(from, number(2));
  sums.hand(a, from.gradient!);
  // Into the fresh one; into memory of its own, since both are held; into its own.
  sums.add(a, number(3));
  sums.hand(b, from.gradient!);
  sums.hand(b, from.gradient!);
  sums.hand(b, from.gradient!);
  assert.deepEqual([valueOf(from), valueOf(a), valueOf(b)], [2, 5, 6]);
});

Deno.test("a caller's gradient is neither written nor freed", () => {
  const { sums, freed } = watched();
  const seed = number(2);
  const [passing, lasting] = [holder(), holder({ isWatched: true })];
  for (const node of [passing, lasting]) {
    sums.handForeign(node, seed);
    sums.add(node, number(3));
    sums.drop(node);
  }
  sums.handForeign(lasting, seed);
  // It may be freed by its owner while the sum lives on.
  assert.notEqual(lasting.gradient!.tensor, seed);
  assert.equal(valueOf(lasting), 2);
  assert.equal(cpu.dataOf(seed)[0], 2);
  assert.ok(!freed.includes(seed));
});

Deno.test("a home is its owner's", () => {
  const { sums, freed } = watched();
  const home = number(2);
  const node = holder({ home, isWatched: true });
  sums.add(node, home);
  sums.add(node, number(3));
  sums.drop(node);
  assert.equal(cpu.dataOf(home)[0], 5);
  assert.ok(!freed.includes(home));
});
