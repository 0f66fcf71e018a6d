import assert from "node:assert/strict";
import { parseWindow, periodOfFreq, slotNs } from "../../src/cli/window.ts";

Deno.test("periodOfFreq() reads units, multiples and rates", () => {
  const known = { H: 3600, "15T": 900, D: 86_400, M: 2_629_800, "128Hz": 1 / 128, O: 1, "": 1 };
  for (const [freq, seconds] of Object.entries(known)) assert.equal(periodOfFreq(freq), seconds);
});

Deno.test("parseWindow() names line and field of what is wrong", () => {
  const line = JSON.stringify({ id: "a", freq: "H", m: 24, h: 2, context: [1, null], target: [9] });
  const window = parseWindow(line, 1);
  assert.deepEqual(window, { id: "a", freq: "H", m: 24, h: 2, context: [1, null] });
  assert.throws(() => parseWindow("{", 3), /line 3 is "\{", expected a JSON object/);
  assert.throws(() => parseWindow("[]", 4), /line 4: id is missing/);
  assert.throws(() => parseWindow('{"id":"a","h":0}', 5), /line 5: h is "0"/);
  assert.throws(() => parseWindow('{"id":"a","h":1,"context":["x"]}', 6), /line 6: context is "x"/);
});

Deno.test("slotNs() counts sampling periods from one instant, parts of them too", () => {
  assert.equal(slotNs(2, 900) - slotNs(0, 900), 1_800_000_000_000n);
  assert.equal(slotNs(0.25, 60) - slotNs(0, 60), 15_000_000_000n);
  assert.equal(slotNs(0, 1), slotNs(0, 1 / 128));
});
