import assert from "node:assert/strict";
import { encodePack, parsePack } from "../../../datasets/pretraining/mod.ts";
import { gateWindow } from "../../../src/cli/pretraining/gate_windows.ts";

const PACK = parsePack(encodePack([{
  name: "waves/one",
  source: "waves",
  licence: "CC0-1.0",
  seasons: [12, 0],
  cutAt: null,
  values: Float32Array.from({ length: 700 }, (_, i) => 5 + Math.sin(2 * Math.PI * i / 12)),
}]));

Deno.test("gateWindow() is a pure function of seed and index", () => {
  for (let index = 0; index < 6; index++) {
    assert.deepEqual(gateWindow(PACK, 3, index), gateWindow(PACK, 3, index));
  }
  assert.notDeepEqual(gateWindow(PACK, 3, 0), gateWindow(PACK, 4, 0));
});

Deno.test("gateWindow() cuts contexts and horizons as evaluations have them", () => {
  const groups = new Set<string>();
  for (let index = 0; index < 60; index++) {
    const window = gateWindow(PACK, 1, index);
    if (window === null) continue;
    const { slots, values, origin, target, season } = window;
    groups.add(window.group);
    assert.equal(values.length, slots.length);
    assert.ok(slots.length >= 16 && slots.at(-1)! <= origin && origin < 1_600);
    assert.ok(target.length >= 2 && target.length <= 96);
    assert.ok(season === 1 || target.length <= Math.max(6, 4 * season) + 1);
    assert.ok(values.every(Number.isFinite) && target.some(Number.isFinite));
  }
  assert.ok(groups.has("waves") && groups.size > 4, [...groups].join());
});

Deno.test("gateWindow() draws only generated series without a pack", () => {
  for (let index = 0; index < 20; index++) {
    assert.equal(gateWindow(null, 1, index)?.series ?? `1/${index}`, `1/${index}`);
  }
});
