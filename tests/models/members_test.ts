import assert from "node:assert/strict";
import {
  FILTER_KINDS,
  filtersOf,
  isSigned,
  isTransformed,
  kindOf,
  MEMBER_KINDS,
  type MemberName,
  networkMember,
  readoutsOf,
  shownName,
} from "../../src/models/members.ts";

Deno.test("filtersOf() lists each needed filter once, the plain ones first", () => {
  const all = Object.keys(MEMBER_KINDS) as MemberName[];
  assert.deepEqual(filtersOf(all), ["trend", "far", "log_far", "log_near"]);
  assert.deepEqual(filtersOf(["readout_log_far", "mean", "readout_log_far_light"]), ["log_far"]);
  assert.deepEqual(filtersOf(["seasonal_naive", "analog"]), []);
});

Deno.test("isTransformed() and readoutsOf() read the table", () => {
  assert.equal(isTransformed("readout_log_near"), true);
  assert.equal(isTransformed("structural"), false);
  assert.equal(isTransformed("mean"), false);
  assert.equal(isSigned("readout_far_signed"), true);
  assert.equal(isSigned("readout_far"), false);
  const members: MemberName[] = ["readout_log_far_light", "readout_trend"];
  assert.deepEqual(readoutsOf(members, "log_far"), { light: true, full: false });
  assert.deepEqual(readoutsOf(members, "trend"), { light: false, full: true });
  for (const [name, kind] of Object.entries(FILTER_KINDS)) assert.equal(kind.name, name);
});

Deno.test("shownName() leaves the hash of a network out", () => {
  assert.equal(shownName(networkMember("neural@0123")), "neural");
  assert.equal(shownName("readout_far"), "readout_far");
  assert.deepEqual(kindOf(networkMember("neural@0123")), {
    form: "neural",
    network: "neural@0123",
  });
});
