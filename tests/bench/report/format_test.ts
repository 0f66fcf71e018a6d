import assert from "node:assert/strict";
import { digits, markdownTable, percent, source } from "../../../bench/report/format.ts";

Deno.test("markdownTable() has a rule, numbers to the right", () => {
  assert.equal(markdownTable(["a", "b"], [["x", "1"]]), "| a | b |\n| --- | --: |\n| x | 1 |");
});

Deno.test("digits() and percent() round, group, and write a dash for what is none", () => {
  assert.deepEqual([digits(1234.5), digits(0.012345), digits(NaN)], ["1,230", "0.0123", "–"]);
  assert.deepEqual([percent(0.876), percent(NaN)], ["88 %", "–"]);
});

Deno.test("source() names the host where no GPU took part", () => {
  const recorded = {
    ...{ date: "2026-01-02T03:04:05Z", commit: "abc", machine: "host", adapter: "none" },
    ...{ runtime: "deno 1", command: "cmd", data: {} },
  };
  assert.equal(source(recorded), "`cmd` on host, deno 1, 2026-01-02 at abc.");
  assert.match(source({ ...recorded, adapter: "card" }), / on card \(host\), /);
});
