import assert from "node:assert/strict";
import { families, settingsFor } from "../../../src/cli/evaluate/plan.ts";
import { MAIN_SETTINGS, SETTINGS } from "../../../src/cli/evaluate/settings.ts";

const names = (settings: readonly { readonly name: string }[]) => settings.map(({ name }) => name);

Deno.test("settingsFor() measures everything where it matters and the main settings elsewhere", () => {
  const all = names(SETTINGS);
  assert.deepEqual(names(settingsFor(undefined, { model: "committee", set: "dev" })), all);
  assert.deepEqual(names(settingsFor(undefined, { model: "added later", set: "dev" })), all);
  for (const [model, set] of [["mean", "dev"], ["committee", "second"], ["neural@7", "dev"]]) {
    assert.deepEqual(names(settingsFor(undefined, { model: model!, set: set! })), MAIN_SETTINGS);
  }
});

Deno.test("settingsFor() takes names, main and all as asked", () => {
  const place = { model: "mean", set: "second" };
  assert.deepEqual(names(settingsFor(["drop30", "found"], place)), ["drop30", "found"]);
  assert.deepEqual(names(settingsFor(["main"], place)), MAIN_SETTINGS);
  assert.deepEqual(names(settingsFor(["all"], place)), names(SETTINGS));
  assert.throws(() => settingsFor(["best"], place), /settings is "best"/);
});

Deno.test("families() puts settings that share contexts together, and loses none", () => {
  const groups = families(SETTINGS).map(names);
  assert.deepEqual(groups.flat().sort(), names(SETTINGS).sort());
  const familyOf = (name: string) => groups.find((group) => group.includes(name));
  assert.equal(familyOf("given"), familyOf("fine4"));
  assert.equal(familyOf("given"), familyOf("context16"));
  assert.equal(familyOf("rate2"), familyOf("lead2"));
  assert.notEqual(familyOf("rate2"), familyOf("rate4"));
  assert.notEqual(familyOf("found"), familyOf("given"));
});
