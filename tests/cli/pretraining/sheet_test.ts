import assert from "node:assert/strict";
import { DEFAULT_RECIPE } from "../../../datasets/pretraining/mod.ts";
import { contactSheet } from "../../../src/cli/pretraining/sheet.ts";

const OPTIONS = {
  recipe: { ...DEFAULT_RECIPE, realShare: 0 },
  real: null,
  seed: 1,
  count: 6,
  generator: undefined,
};

Deno.test("contactSheet() draws the same panes for the same seed", () => {
  const sheet = contactSheet(OPTIONS);
  assert.equal(sheet, contactSheet(OPTIONS));
  assert.notEqual(sheet, contactSheet({ ...OPTIONS, seed: 2 }));
  assert.equal(sheet.match(/<path d="M/g)?.length, 6);
  assert.ok(!sheet.includes("NaN"));
});

Deno.test("contactSheet() shows one generator alone", () => {
  const sheet = contactSheet({ ...OPTIONS, generator: "traffic" });
  assert.equal(sheet.match(/864 slots/g)?.length, 6);
});
