import assert from "node:assert/strict";
import type { StreamChoice } from "../../../src/service/alerts/alert.ts";
import { isChosen } from "../../../src/service/alerts/stream_match.ts";
import { DEFAULT_SETTINGS } from "../../../src/stores/store.ts";

Deno.test("isChosen() asks for all that is given", () => {
  const record = { id: "pump/1", settings: { ...DEFAULT_SETTINGS, labels: { site: "roof" } } };
  const all: StreamChoice = { ids: [], prefix: "", labels: {} };
  const isMet = (given: Partial<StreamChoice>) => isChosen({ ...all, ...given }, record);
  assert.equal(isMet({}), true);
  assert.equal(isMet({ ids: ["pump/1"], prefix: "pump/", labels: { site: "roof" } }), true);
  assert.equal(isMet({ ids: ["pump/2"] }), false);
  assert.equal(isMet({ prefix: "valve/" }), false);
  assert.equal(isMet({ labels: { site: "cellar" } }), false);
  assert.equal(isMet({ labels: { toString: "x" } }), false);
});
