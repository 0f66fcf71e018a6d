import assert from "node:assert/strict";
import { InvalidValueError, ShapeError } from "../../src/base/errors.ts";
import { openCpu } from "../../src/device/mod.ts";
import { openServing } from "../../src/models/serving.ts";
import { plainTable, StateTables } from "../../src/models/serving_tables.ts";
import { tensorOf } from "../../src/tensor/tensor.ts";
import { FUSED, parametersOf } from "./_serving.ts";

const cpu = openCpu({ poison: true, simd: false });

Deno.test("StateTables reads what it wrote, and resets the streams it is told", async () => {
  const initial = { a: tensorOf([1, 2], Float64Array.of(1, 2)) };
  const tables = new StateTables(cpu, 3, [plainTable("a", [1, 2])], initial);
  tables.reset(Float32Array.of(0, 1, 2));
  tables.write(1, { a: tensorOf([1, 2], Float64Array.of(5, 6)) });
  const read = async (slot: number) => [...(await tables.read(slot, 0))["a"]!.data];
  assert.deepEqual([await read(0), await read(1), await read(2)], [[1, 2], [5, 6], [1, 2]]);
  tables.reset(Float32Array.of(1));
  assert.deepEqual(await read(1), [1, 2]);
  tables.free();
});

Deno.test("Serving.write() refuses a state of other names or shapes", () => {
  const serving = openServing(cpu, FUSED, parametersOf(FUSED), { capacity: 1 });
  const [slot] = serving.open(1);
  const state = FUSED.initialState(1);
  const { ["layers.0.ssm"]: _, ...incomplete } = state;
  assert.throws(() => serving.write(slot!, incomplete), ShapeError);
  const batched = FUSED.initialState(2);
  assert.throws(() => serving.write(slot!, batched), ShapeError);
  assert.throws(() => serving.write(slot! + 1, state), InvalidValueError);
  serving.close();
});
