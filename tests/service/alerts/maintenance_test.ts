import assert from "node:assert/strict";
import type { Maintenance } from "../../../src/service/alerts/alert.ts";
import { isInMaintenance, isTimeZone } from "../../../src/service/alerts/maintenance.ts";

const at = (text: string) => BigInt(Date.parse(text)) * 1_000_000n;

Deno.test("isInMaintenance() keeps to a window that comes once", () => {
  const windows: Maintenance[] = [{ kind: "once", fromNs: 10n, toNs: 20n }];
  assert.deepEqual([9n, 10n, 19n, 20n].map((time) => isInMaintenance(windows, time)), [
    false,
    true,
    true,
    false,
  ]);
  assert.equal(isInMaintenance([], 15n), false);
});

Deno.test("isInMaintenance() keeps to the clock on the wall, past midnight and summer time", () => {
  const nights: Maintenance[] = [{
    kind: "recurring",
    weekdays: [5],
    fromMinute: 22 * 60,
    toMinute: 6 * 60 + 30,
    timeZone: "Europe/Berlin",
  }];
  const inside = ["2026-01-02T21:00:00Z", "2026-01-03T05:29:00Z", "2026-07-03T20:00:00Z"];
  const outside = [
    "2026-01-02T20:59:00Z",
    "2026-01-03T05:30:00Z",
    "2026-01-03T21:30:00Z",
    "2026-07-03T19:59:00Z",
    "2026-01-01T21:30:00Z",
  ];
  for (const text of inside) assert.equal(isInMaintenance(nights, at(text)), true, text);
  for (const text of outside) assert.equal(isInMaintenance(nights, at(text)), false, text);
});

Deno.test("isInMaintenance() lasts all day where the end is the begin", () => {
  const day: Maintenance[] = [{
    kind: "recurring",
    weekdays: [],
    fromMinute: 60,
    toMinute: 60,
    timeZone: "UTC",
  }];
  for (const hour of ["00:30", "01:00", "13:00", "23:59"]) {
    assert.equal(isInMaintenance(day, at(`2026-01-02T${hour}:00Z`)), true, hour);
  }
});

Deno.test("isTimeZone() knows the zones of the runtime", () => {
  assert.equal(isTimeZone("Europe/Berlin"), true);
  assert.equal(isTimeZone("Europe/Atlantis"), false);
});
